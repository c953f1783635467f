// SPDX-License-Identifier: Apache-2.0
//! What is said when something is wrong, and the exit codes.

use crate::fake::{Swarm, run, skep};

#[tokio::test]
async fn without_a_daemon_the_cure_is_named() {
    let home = tempfile::tempdir().unwrap();
    let mut command = skep(home.path());
    command.args(["service", "ls", "-H", "unix:///nonexistent/skep.sock"]);
    let ran = run(command).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(
        ran.err,
        "Error: no skep daemon answers at unix:///nonexistent/skep.sock (no such socket)\n\
         Is it running? Start one with `skepd --dev`, or say where it is with --host or SKEP_HOST.\n"
    );

    let mut command = skep(home.path());
    command.args(["-H", &format!("unix:///{}", "x".repeat(120)), "ps"]);
    let ran = run(command).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("121 bytes long, over the 107"), "{ran:?}");
    assert!(ran.err.contains("with a shorter --socket"), "{ran:?}");
}

#[tokio::test]
async fn unknown_names_suggest_near_ones() {
    let swarm = Swarm::start().await;
    for (line, out, err) in [
        (
            "service inspect wbe",
            "[]\n",
            "Error: there is no service \"wbe\"; did you mean web?\n",
        ),
        (
            "service ps agnet",
            "",
            "Error: there is no service \"agnet\"; did you mean agent?\n",
        ),
        (
            "service update wbe --force",
            "",
            "Error: there is no service \"wbe\"; did you mean web?\n",
        ),
        (
            "service logs wbe",
            "",
            "Error: there is no service \"wbe\"; did you mean web?\n",
        ),
        (
            "service rm nothing",
            "",
            "Error: there is no service \"nothing\"\n",
        ),
        (
            "node inspect nod-1",
            "[]\n",
            "Error: there is no node \"nod-1\"; did you mean node-1?\n",
        ),
        (
            "task inspect tsk_9",
            "[]\n",
            "Error: there is no task \"tsk_9\"\n",
        ),
    ] {
        let ran = swarm.line(line).await;
        assert_eq!(
            (ran.code, ran.out.as_str(), ran.err.as_str()),
            (1, out, err),
            "{line}"
        );
    }
}

#[tokio::test]
async fn what_is_found_is_shown_although_something_is_missing() {
    let swarm = Swarm::start().await;
    let ran = swarm
        .line("service inspect --format {{.spec.name}} web wbe agent")
        .await;
    assert_eq!((ran.code, ran.out.as_str()), (1, "web\nagent\n"), "{ran:?}");
    let ran = swarm.line("service rm -d nope web").await;
    assert_eq!((ran.code, ran.out.as_str()), (1, "web\n"), "{ran:?}");
}

#[tokio::test]
async fn refusals_are_said_with_their_cure() {
    let swarm = Swarm::start().await;
    for (line, err) in [
        (
            "service create -d --name taken --process /bin/a",
            "Error: the name \"taken\" belongs to another service\n",
        ),
        (
            "node rm node-1",
            "Error: node-1 is not down\nTo do it all the same, add --force.\n",
        ),
        (
            "swarm leave",
            "Error: this is the last manager: the swarm would be erased\n\
             To do it all the same, add --force.\n",
        ),
    ] {
        let ran = swarm.line(line).await;
        assert_eq!((ran.code, ran.err.as_str()), (1, err), "{line}");
    }
}

#[tokio::test]
async fn bad_fields_are_named_with_flags_or_lines() {
    let swarm = Swarm::start().await;
    let ran = swarm
        .run(&["service", "create", "--name", "a b", "--process", "a"])
        .await;
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.err,
        "Error: 2 fields break their rules\n  \
         spec.name (--name): must not contain a blank\n  \
         spec.template.process.command[0] (IMAGE|COMMAND): must be absolute\n"
    );

    let yaml = "name: a b\ntemplate:\n  process:\n    command:\n    - a\n";
    let path = swarm.write("web.yaml", yaml);
    let ran = swarm.run(&["service", "create", "-f", &path]).await;
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.err,
        format!(
            "Error: 2 fields break their rules\n  \
             {path} line 1: spec.name: must not contain a blank\n  \
             {path} line 5: spec.template.process.command[0]: must be absolute\n"
        )
    );

    let path = swarm.write("bad.yaml", &yaml.replace("command", "comand"));
    let ran = swarm.run(&["service", "create", "-f", &path]).await;
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.err,
        format!(
            "Error: {path} is not the spec of a service:\n  \
             line 4: there is no field template.process.comand; did you mean command?\n"
        )
    );
}

#[tokio::test]
async fn usage_errors_end_with_2_and_ask_nobody() {
    let swarm = Swarm::start().await;
    for (line, part) in [
        (
            "service create /bin/a",
            "add --process: --process -- /bin/a",
        ),
        (
            "service create --process --hostname a /bin/a",
            "--hostname is for containers",
        ),
        (
            "service create --process --replicas -1 /bin/a",
            "must not be negative",
        ),
        (
            "service update --update-parallelism -1 agent",
            "must not be negative",
        ),
        (
            "service update --update-failure-action foo agent",
            "[possible values: pause, continue, rollback]",
        ),
        ("service create -f x --name a", "cannot be used with"),
        (
            "service create -f x --update-delay 1s",
            "cannot be used with",
        ),
        (
            "service create --host db:192.0.2.7 nginx",
            "for a line of /etc/hosts use --add-host db:192.0.2.7",
        ),
        ("service scale agent=two", "expected a whole number"),
        ("service scale --stable-for 61m agent=2", "at most 1h"),
        ("service ls --format jsn", "expected table, json, yaml"),
        ("service ls --filter lable=x", "did you mean label?"),
        (
            "service ls --format {{.Digest}}",
            "there is no field .Digest; there is: .ID .Name",
        ),
        ("stack deploy -c x", "stacks are not there yet"),
        (
            "service create --process --health-tcp x /bin/a",
            "is not a port of the task",
        ),
        (
            "node update self --availability gone",
            "active, pause, drain",
        ),
        ("bogus", "unrecognized subcommand"),
        ("service ls -H localhost", "expected unix:///path"),
    ] {
        let ran = swarm.line(line).await;
        assert_eq!(ran.code, 2, "{line}: {ran:?}");
        assert!(
            ran.err.starts_with("Error: ") && ran.err.contains(part),
            "{line}: {ran:?}"
        );
        assert_eq!(ran.out, "", "{line}");
    }
}
