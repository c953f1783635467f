// SPDX-License-Identifier: Apache-2.0
//! What the commands ask of the swarm, and what they print.

use serde_json::{Value, json};

use crate::fake::{Swarm, run, skep};
use crate::sample;

/// Runs a line; what it asked, without reads that only find ids out.
async fn requests(swarm: &Swarm, line: &str) -> Vec<(String, Value)> {
    let ran = swarm.line(line).await;
    assert_eq!(ran.code, 0, "{line}: {ran:?}");
    swarm.asked()
}

/// The one request of a kind.
fn only(asked: &[(String, Value)], kind: &str) -> Value {
    let found: Vec<&Value> = asked
        .iter()
        .filter(|(name, _)| name == kind)
        .map(|(_, message)| message)
        .collect();
    assert_eq!(found.len(), 1, "{kind} in {asked:?}");
    found[0].clone()
}

#[tokio::test]
async fn commands_send_what_their_flags_say() {
    let swarm = Swarm::start().await;
    let (svc, nod, tsk) = (
        sample::id("svc", 1),
        sample::id("nod", 1),
        sample::id("tsk", 1),
    );
    for (line, kind, message) in [
        (
            "swarm leave --force",
            "LeaveSwarmRequest",
            json!({"force": true}),
        ),
        (
            "node inspect node-1",
            "GetNodeRequest",
            json!({"node": "node-1"}),
        ),
        (
            "node inspect self --pretty",
            "GetNodeRequest",
            json!({"node": nod}),
        ),
        (
            "node rm -f node-1",
            "DeleteNodeRequest",
            json!({"node": "node-1", "force": true}),
        ),
        (
            "service inspect web",
            "GetServiceRequest",
            json!({"service": "web"}),
        ),
        (
            "service rm -d web",
            "DeleteServiceRequest",
            json!({"service": "web"}),
        ),
        (
            "task inspect tsk_00000001",
            "GetTaskRequest",
            json!({"task": "tsk_00000001"}),
        ),
        (
            "task stop tsk_1",
            "StopTaskRequest",
            json!({"task": "tsk_1"}),
        ),
        (
            "service ps web",
            "ListTasksRequest",
            json!({"filter": {"services": [svc]}, "pageSize": 1000}),
        ),
        (
            "node ps",
            "ListTasksRequest",
            json!({"filter": {"nodes": [nod]}, "pageSize": 1000}),
        ),
        (
            "ps --all",
            "ListTasksRequest",
            json!({"filter": {}, "pageSize": 1000}),
        ),
        (
            "ps",
            "ListTasksRequest",
            json!({
                "filter": {"desiredStates": ["TASK_STATE_READY", "TASK_STATE_RUNNING"]},
                "pageSize": 1000
            }),
        ),
        (
            "service logs -f web",
            "StreamLogsRequest",
            json!({"filter": {"services": [svc]}, "follow": true}),
        ),
        (
            "service logs tsk_00000001",
            "StreamLogsRequest",
            json!({"filter": {"tasks": [tsk]}}),
        ),
        (
            "task logs -n 3 tsk_00000001",
            "StreamLogsRequest",
            json!({"filter": {"tasks": [tsk]}, "tail": 3}),
        ),
        (
            "service scale -d web=5",
            "UpdateServiceRequest",
            json!({
                "service": svc,
                "spec": {"replicated": {"replicas": 5}},
                "updateMask": "replicated.replicas",
                "ifSpecRevision": "12"
            }),
        ),
        (
            "service update -q web --limit-pids 300",
            "UpdateServiceRequest",
            json!({
                "service": svc,
                "spec": {"template": {"limits": {"pids": 300}}},
                "updateMask": "template.limits.pids",
                "ifSpecRevision": "12"
            }),
        ),
        (
            "node update node-1 --availability drain",
            "UpdateNodeRequest",
            json!({
                "node": nod,
                "spec": {"availability": "AVAILABILITY_DRAIN"},
                "updateMask": "availability",
                "ifSpecRevision": "12"
            }),
        ),
    ] {
        let asked = requests(&swarm, line).await;
        assert_eq!(only(&asked, kind), message, "{line}");
    }

    let ran = swarm
        .line("task watch web --after 40 --format {{.Name}}")
        .await;
    assert_eq!((ran.code, ran.out.as_str()), (1, "web.1\n"), "{ran:?}");
    assert_eq!(
        only(&swarm.asked(), "WatchRequest"),
        json!({"tasks": {"services": ["web"]}, "afterRevision": "40"})
    );
}

#[tokio::test]
async fn a_rollback_asks_for_its_revision() {
    let swarm = Swarm::start().await;
    for (line, revision) in [
        ("service rollback -d web", None),
        ("service rollback -d web --to 7", Some("7")),
    ] {
        let asked = requests(&swarm, line).await;
        let mut want = json!({"service": "web", "action": "ACTION_ROLLBACK"});
        if let Some(revision) = revision {
            want["toTemplateRevision"] = revision.into();
        }
        assert_eq!(only(&asked, "ControlRolloutRequest"), want, "{line}");
    }
}

#[tokio::test]
async fn history_lists_where_to_go_back_to() {
    let swarm = Swarm::start().await;
    let ran = swarm.line("service history -q web").await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "12\n9\n7\n"), "{ran:?}");
    let pages = swarm.asked();
    let kind = "ListServiceRevisionsRequest";
    let pages: Vec<_> = pages.iter().filter(|(name, _)| name == kind).collect();
    let id = sample::id("svc", 1);
    assert_eq!(pages[0].1, json!({"service": id, "pageSize": 1000}));
    assert_eq!(pages.len(), 2, "{pages:?}");

    let ran = swarm.line("service history --no-trunc web").await;
    assert!(
        ran.out.contains("template.placement.spread, endpoint\n"),
        "{ran:?}"
    );
    let ran = swarm.line("service history wbe").await;
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (1, "Error: there is no service \"wbe\"; did you mean web?\n")
    );
    let ran = swarm.line("service rollback --to 99 web").await;
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            1,
            "Error: service \"web\" cannot go back to revision 99; it can to 9, 7\n\
             `skep service history web` lists the revisions there are.\n"
        )
    );
}

/// What tasks of programs run is asked of their services, and only for columns.
#[tokio::test]
async fn a_list_of_tasks_shows_what_they_run() {
    let swarm = Swarm::start().await;
    let ran = swarm.line("ps --format {{.Name}}:{{.Image}}").await;
    let program = "…/local/bin/shop --serve 'a b'";
    assert_eq!(
        (ran.code, ran.out),
        (0, format!("web.1:{program}\nweb.2:{program}\n"))
    );
    let (svc, asked) = (sample::id("svc", 1), swarm.asked());
    assert_eq!(
        only(&asked, "ListServicesRequest"),
        json!({"filter": {"services": [svc]}, "pageSize": 1000})
    );
    for line in ["ps -q", "ps --format json"] {
        let asked = requests(&swarm, line).await;
        let names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ListTasksRequest"], "{line}");
    }
}

#[tokio::test]
async fn roll_outs_are_paused_and_resumed() {
    let swarm = Swarm::start().await;
    let id = format!("svc_{:0>26}", "halted");
    for (line, want) in [
        (
            "service pause web",
            json!({"service": "web", "action": "ACTION_PAUSE"}),
        ),
        (
            "service resume -d web",
            json!({"service": "web", "action": "ACTION_RESUME"}),
        ),
        // An update that changes nothing goes on with what is paused.
        (
            "service update -d halted",
            json!({"service": id, "action": "ACTION_RESUME", "ifSpecRevision": "12"}),
        ),
    ] {
        let asked = requests(&swarm, line).await;
        assert_eq!(only(&asked, "ControlRolloutRequest"), want, "{line}");
    }
    let ran = swarm.line("service update -d halted").await;
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (
            0,
            "halted\n",
            "nothing to change; going on with the roll-out that is paused\n"
        )
    );
    swarm.asked();
    let asked = requests(&swarm, "service update -d web").await;
    assert!(
        !asked
            .iter()
            .any(|(kind, _)| kind == "ControlRolloutRequest"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn labels_of_the_swarm_come_and_go() {
    let swarm = Swarm::start().await;
    let ran = swarm
        .line("swarm update --label-add a=b --label-rm none")
        .await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "Swarm updated.\n"),
        "{ran:?}"
    );
    assert_eq!(ran.err, "label none was not there\n");
    let asked = only(&swarm.asked(), "UpdateSwarmRequest");
    assert_eq!(
        (&asked["spec"]["labels"], &asked["updateMask"]),
        (&json!({"a": "b"}), &"labels".into())
    );

    let ran = swarm.line("swarm update").await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("--task-history-limit"), "{ran:?}");
}

#[tokio::test]
async fn commands_need_no_daemon_where_they_ask_none() {
    let home = tempfile::tempdir().unwrap();
    for (line, begin) in [
        (vec!["version", "--client"], "Client:\n Version:  0."),
        (vec!["completion", "bash"], "_skep()"),
        (vec!["--help"], "Drives a swarm"),
        (vec!["-v"], "skep 0."),
        (vec!["--version"], "skep 0."),
        (vec!["service", "create", "--help"], "Create a service"),
    ] {
        let mut command = skep(home.path());
        command.args(&line);
        let ran = run(command).await;
        assert_eq!(ran.code, 0, "{line:?}: {ran:?}");
        assert!(ran.out.starts_with(begin), "{line:?}: {ran:?}");
    }
}

#[tokio::test]
async fn results_go_to_standard_output() {
    let swarm = Swarm::start().await;
    for (line, out) in [
        ("service ls --format {{.Name}}", "agent\nweb\n"),
        (
            "service ls -f name=we --format {{.spec.name}}",
            "agent\nweb\n",
        ),
        (
            "node ls --format {{.Name}}:{{.Self}}",
            "node-1:true\nnode-2:false\n",
        ),
        (
            "task inspect tsk_00000001 --format {{.status.pid}}",
            "4711\n",
        ),
        ("service ps web --format {{.Name}}", "web.1\nweb.2\n"),
        ("task stop tsk_1 tsk_2", "tsk_1\ntsk_2\n"),
        (
            "version --format {{.client.version}}/{{.server.version}}",
            "0.1.0/0.1.0\n",
        ),
        (
            "version --client --format json",
            "{\n  \"client\": {\n    \"version\": \"0.1.0\"\n  }\n}\n",
        ),
        (
            "info --format {{.daemon.version}}/{{.swarm.spec.name}}",
            "0.1.0/default\n",
        ),
        ("swarm leave -f", "Node left the swarm.\n"),
        ("node update self --label-add zone=west", "self\n"),
    ] {
        let ran = swarm.line(line).await;
        assert_eq!((ran.code, ran.out.as_str()), (0, out), "{line}: {ran:?}");
    }
    let asked = swarm.asked();
    let filtered = asked
        .iter()
        .find(|(_, message)| message["filter"]["requirements"].is_array());
    assert_eq!(
        filtered.unwrap().1["filter"]["requirements"][0],
        json!({"key": "name", "operator": "OPERATOR_PREFIX", "values": ["we"]})
    );
    let init = swarm.line("swarm init").await;
    assert!(
        init.out
            .starts_with("Swarm initialized: current node (nod_0"),
        "{init:?}"
    );
    let info = swarm.line("info").await;
    assert!(info.out.contains("\n Swarm: active\n"), "{info:?}");
    let version = swarm.line("version").await;
    assert!(
        version.out.contains("Server:\n Version:  0.1.0\n"),
        "{version:?}"
    );
}

#[tokio::test]
async fn logs_keep_the_two_streams_apart() {
    let swarm = Swarm::start().await;
    let ran = swarm.line("service logs web").await;
    assert_eq!(ran.out, "web.1.tsk_00000001@node-1    | hello\n");
    assert_eq!(ran.err, "web.1.tsk_00000001@node-1    | oh no\n");
    assert_eq!(ran.code, 0);
}
