// SPDX-License-Identifier: Apache-2.0
//! The table against Docker's inventory and against our own commands.

use super::*;

/// Docker's commands with their flags: the client's own help, version 28.
const DOCKER: &[(&str, &str)] = &[
    (
        "swarm init",
        "--advertise-addr --autolock --availability --cert-expiry --data-path-addr \
        --data-path-port --default-addr-pool --default-addr-pool-mask-length \
        --dispatcher-heartbeat --external-ca --force-new-cluster --listen-addr \
        --max-snapshots --snapshot-interval --task-history-limit",
    ),
    ("swarm leave", "-f --force"),
    (
        "swarm update",
        "--autolock --cert-expiry --dispatcher-heartbeat --external-ca \
        --max-snapshots --snapshot-interval --task-history-limit",
    ),
    ("node ls", "-f --filter --format -q --quiet"),
    ("node inspect", "-f --format --pretty"),
    (
        "node ps",
        "-f --filter --format --no-resolve --no-trunc -q --quiet",
    ),
    ("node rm", "-f --force"),
    (
        "node update",
        "--availability --label-add --label-rm --role",
    ),
    ("service ls", "-f --filter --format -q --quiet"),
    ("service inspect", "-f --format --pretty"),
    (
        "service ps",
        "-f --filter --format --no-resolve --no-trunc -q --quiet",
    ),
    ("service scale", "-d --detach"),
    ("service rm", ""),
    (
        "service logs",
        "--details -f --follow --no-resolve --no-task-ids --no-trunc --raw \
        --since -n --tail -t --timestamps",
    ),
    (
        "service create",
        "--cap-add --cap-drop --config --constraint --container-label \
        --credential-spec -d --detach --dns --dns-option --dns-search --endpoint-mode \
        --entrypoint -e --env --env-file --generic-resource --group --health-cmd \
        --health-interval --health-retries --health-start-interval --health-start-period \
        --health-timeout --host --hostname --init --isolation -l --label --limit-cpu \
        --limit-memory --limit-pids --log-driver --log-opt --max-concurrent --mode --mount \
        --name --network --no-healthcheck --no-resolve-image --oom-score-adj \
        --placement-pref -p --publish -q --quiet --read-only --replicas \
        --replicas-max-per-node --reserve-cpu --reserve-memory --restart-condition \
        --restart-delay --restart-max-attempts --restart-window --rollback-delay \
        --rollback-failure-action --rollback-max-failure-ratio --rollback-monitor \
        --rollback-order --rollback-parallelism --secret --stop-grace-period --stop-signal \
        --sysctl -t --tty --ulimit --update-delay --update-failure-action \
        --update-max-failure-ratio --update-monitor --update-order --update-parallelism \
        -u --user --with-registry-auth -w --workdir",
    ),
    (
        "service update",
        "--args --cap-add --cap-drop --config-add --config-rm \
        --constraint-add --constraint-rm --container-label-add --container-label-rm \
        --credential-spec -d --detach --dns-add --dns-option-add --dns-option-rm --dns-rm \
        --dns-search-add --dns-search-rm --endpoint-mode --entrypoint --env-add --env-rm \
        --force --generic-resource-add --generic-resource-rm --group-add --group-rm \
        --health-cmd --health-interval --health-retries --health-start-interval \
        --health-start-period --health-timeout --host-add --host-rm --hostname --image \
        --init --isolation --label-add --label-rm --limit-cpu --limit-memory --limit-pids \
        --log-driver --log-opt --max-concurrent --mount-add --mount-rm --network-add \
        --network-rm --no-healthcheck --no-resolve-image --oom-score-adj \
        --placement-pref-add --placement-pref-rm --publish-add --publish-rm -q --quiet \
        --read-only --replicas --replicas-max-per-node --reserve-cpu --reserve-memory \
        --restart-condition --restart-delay --restart-max-attempts --restart-window \
        --rollback --rollback-delay --rollback-failure-action --rollback-max-failure-ratio \
        --rollback-monitor --rollback-order --rollback-parallelism --secret-add --secret-rm \
        --stop-grace-period --stop-signal --sysctl-add --sysctl-rm -t --tty --ulimit-add \
        --ulimit-rm --update-delay --update-failure-action --update-max-failure-ratio \
        --update-monitor --update-order --update-parallelism -u --user \
        --with-registry-auth -w --workdir",
    ),
    (
        "",
        "-c --context --config -D --debug -H --host -l --log-level --tls --tlscacert \
        --tlscert --tlskey --tlsverify -v --version",
    ),
];

/// Docker's verbs.
const VERBS: &[(&str, &str)] = &[
    (
        "",
        "attach build builder buildx checkpoint commit compose config container context cp \
        create diff events exec export history image images import info init inspect kill \
        load login logout logs manifest network node pause plugin port ps pull push rename \
        restart rm rmi run save search secret service stack start stats stop swarm system \
        tag top trust unpause update version volume wait",
    ),
    (
        "swarm",
        "ca init join join-token leave unlock unlock-key update",
    ),
    ("node", "demote inspect ls list promote ps rm remove update"),
    (
        "service",
        "create inspect logs ls list ps rm remove rollback scale update",
    ),
];

fn command(path: &str) -> Command {
    path.split_whitespace()
        .fold(Cli::command(), |command, name| {
            command
                .find_subcommand(name)
                .unwrap_or_else(|| panic!("no command {path}"))
                .clone()
        })
}

fn has_flag(path: &str, flag: &str) -> bool {
    // Building adds --help and --version and hands global flags down.
    let mut root = Cli::command();
    root.build();
    let command = path.split_whitespace().fold(&root, |command, name| {
        command
            .find_subcommand(name)
            .unwrap_or_else(|| panic!("no command {path}"))
    });
    command.get_arguments().any(|argument| {
        argument
            .get_long()
            .is_some_and(|long| flag == format!("--{long}"))
            || argument
                .get_short()
                .is_some_and(|short| flag == format!("-{short}"))
    })
}

#[test]
fn every_flag_of_docker_is_there_or_refused_by_name() {
    for (path, flags) in DOCKER {
        for flag in flags.split_whitespace() {
            let (there, refused) = (has_flag(path, flag), answer(path, flag).is_some());
            assert!(
                there || refused,
                "{path} {flag} is neither there nor refused"
            );
        }
    }
}

#[test]
fn every_verb_of_docker_is_there_or_refused_by_name() {
    for (path, verbs) in VERBS {
        for verb in verbs.split_whitespace() {
            let there = command(path).find_subcommand(verb).is_some();
            let refused = answer(path, verb).is_some();
            assert!(
                there != refused,
                "{path} {verb}: there {there}, refused {refused}"
            );
        }
    }
}

#[test]
fn nothing_that_is_there_is_refused() {
    for refusal in REFUSALS {
        for path in refusal.on {
            for name in refusal.names {
                let there = match name.starts_with('-') {
                    true => has_flag(path, name),
                    false => command(path).find_subcommand(name).is_some(),
                };
                assert!(!there, "{path} {name} is there; take it out of the table");
            }
        }
    }
}

fn explained(line: &str) -> String {
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    let error = Cli::command().try_get_matches_from(&words).unwrap_err();
    explain(&error, &words)
}

#[test]
fn what_docker_has_is_answered_by_name() {
    for (line, begin) in [
        (
            "skep stack deploy -c x",
            "Error: skep stack: stacks are not there yet; ",
        ),
        (
            "skep -H unix:///x swarm join --token t h",
            "Error: skep swarm join: joining is",
        ),
        (
            "skep service create --process --secret x /bin/a",
            "Error: skep service create --secret: secrets are not there yet; ",
        ),
        (
            "skep service update --config-add=x web",
            "Error: skep service update --config-add: configs are not there yet; use --env",
        ),
        (
            "skep service create --host a:192.0.2.1 --host b:192.0.2.2 nginx",
            "Error: skep service create --host: ",
        ),
        (
            "skep login registry.example",
            "Error: skep login: nodes pull with the credentials of their own",
        ),
        (
            "skep compose up",
            "Error: skep compose: files of Compose are not read; ",
        ),
        (
            "skep service create --mode replicated-job nginx",
            "Error: --mode replicated-job: jobs are not there yet",
        ),
        (
            "skep --tlsverify ps",
            "Error: skep --tlsverify: TLS is not there yet",
        ),
    ] {
        let text = explained(line);
        assert!(text.starts_with(begin), "{line}: {text}");
    }
}

#[test]
fn hosts_of_containers_are_no_daemon() {
    for (path, host, flag) in [
        ("service create", "db:192.0.2.7", "--add-host db:192.0.2.7"),
        (
            "service create",
            "db=2001:db8::1",
            "--add-host db=2001:db8::1",
        ),
        (
            "service update",
            "db:[2001:db8::1]",
            "--host-add db:[2001:db8::1]",
        ),
    ] {
        let text = misread_host(path, Some(host)).unwrap();
        assert!(text.contains(flag), "{text}");
    }
    for (path, host) in [
        ("service create", Some("unix:///run/skep/skep.sock")),
        ("service create", Some("127.0.0.1:2378")),
        ("service create", Some("localhost:2378")),
        ("service ls", Some("db:192.0.2.7")),
        ("service create", None),
    ] {
        assert_eq!(misread_host(path, host), None, "{path} {host:?}");
    }
}

#[test]
fn all_else_is_the_parsers_own_word() {
    let text = explained("skep service ls --formt json");
    assert!(
        text.starts_with("Error: unexpected argument '--formt'"),
        "{text}"
    );
    assert!(text.contains("--format"), "{text}");
    let text = explained("skep servce ls");
    assert!(
        text.starts_with("Error: unrecognized subcommand 'servce'"),
        "{text}"
    );
    assert!(explained("skep service scale web=-1").contains("must not be negative"));
    assert!(explained("skep --help").starts_with("Drives a swarm"));
}
