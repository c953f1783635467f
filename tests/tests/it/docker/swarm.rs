// SPDX-License-Identifier: Apache-2.0
//! Services of containers, by real daemons.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use skep_sdk::v1::container::PullPolicy;
use skep_sdk::v1::service_spec::Mode;
use skep_sdk::v1::task_template::Workload;
use skep_sdk::v1::{
    Container, DeleteServiceRequest, EndpointSpec, GetNodeRequest, Port, Replicated, ServiceSpec,
    Task, TaskState, TaskTemplate, port,
};
use skep_tests::registry::PASSWORD;
use skep_tests::{DEADLINE, Daemon, Engine, until};

use super::images::stocked;
use crate::api::{Api, id, program, state};

const PORT: u16 = 8080;

pub(super) fn service(name: &str, image: &str, replicas: u32) -> ServiceSpec {
    let container = Container {
        image: image.to_owned(),
        pull: PullPolicy::Never.into(),
        ..Default::default()
    };
    ServiceSpec {
        name: name.to_owned(),
        mode: Some(Mode::Replicated(Replicated {
            replicas: Some(replicas),
        })),
        template: Some(TaskTemplate {
            workload: Some(Workload::Container(container)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub(super) fn daemon(engine: &Engine, nodes: u32) -> Daemon {
    let (nodes, host) = (nodes.to_string(), engine.host());
    Daemon::start_with(&["--dev", "--nodes", &nodes, "--docker-host", &host])
}

/// Which task answers there.
fn ask(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.write_all(b"GET /task HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some(body.trim().to_owned())
}

pub(super) fn containers(engine: &Engine, service: &str) -> BTreeSet<String> {
    let filter = format!("name={service}.");
    let listed = engine.docker_ok(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
    listed.lines().map(str::to_owned).collect()
}

fn container(task: &Task) -> String {
    task.status.clone().unwrap_or_default().container_id
}

#[test]
fn containers_answer_on_every_node_and_outlive_the_daemon() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let mut daemon = daemon(&engine, 3);
    let api = Api::of(&daemon);
    let mut spec = service("boxed", "skep-hello:1", 3);
    spec.endpoint = Some(EndpointSpec {
        ports: vec![Port {
            target: 8_080,
            published: u32::from(PORT),
            ..Default::default()
        }],
    });
    let made = api.create(spec);
    let tasks = api.converged("boxed");
    let wanted: BTreeSet<String> = tasks.iter().map(id).collect();
    let nodes: BTreeSet<_> = tasks
        .iter()
        .map(|task| task.node.clone().map(|it| it.id))
        .collect();
    assert_eq!(nodes.len(), 3, "three nodes share the engine");
    let before: BTreeSet<String> = tasks.iter().map(container).collect();
    assert_eq!(containers(&engine, "boxed"), before);
    let all_answer = || {
        for number in 0..3 {
            let address = SocketAddr::from((daemon.node_address(number), PORT));
            let mut seen = BTreeSet::new();
            until("every task answers", DEADLINE, || {
                seen.extend(ask(address).filter(|task| wanted.contains(task)));
                (seen == wanted).then_some(())
            });
        }
    };
    all_answer();
    // A program runs beside them, on the same nodes.
    api.create(program("plain", 1, &["/bin/sleep", "1000"]));
    api.converged("plain");

    daemon.kill();
    daemon.start_again();
    let api = Api::of(&daemon);
    let again: BTreeSet<String> = api.converged("boxed").iter().map(container).collect();
    assert_eq!(again, before, "they are the same as before");
    assert_eq!(containers(&engine, "boxed"), before);

    let request = DeleteServiceRequest {
        service: made.meta.unwrap_or_default().id,
        ..Default::default()
    };
    let deleted = api.run(api.client.services().delete_service(request));
    deleted.expect("the service can be deleted");
    until("nothing of it is left", DEADLINE, || {
        containers(&engine, "boxed").is_empty().then_some(())
    });
}

/// By the mesh on every node, and on two ports of the one that the task is on; the daemon comes
/// back to the same.
#[test]
fn a_target_is_published_several_times() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let mut daemon = daemon(&engine, 2);
    let api = Api::of(&daemon);
    let published = |number: u16, mode: port::Mode| Port {
        target: 8_080,
        published: u32::from(number),
        mode: mode.into(),
        ..Default::default()
    };
    let mut spec = service("many", "skep-hello:1", 1);
    spec.endpoint = Some(EndpointSpec {
        ports: vec![
            published(PORT + 1, port::Mode::Host),
            published(PORT, port::Mode::Ingress),
            published(PORT + 2, port::Mode::Host),
        ],
    });
    api.create(spec);
    let wanted = id(&api.converged("many")[0]);
    let answers = |daemon: &Daemon| {
        let at = |number, port| SocketAddr::from((daemon.node_address(number), port));
        for number in 0..2 {
            until("the mesh answers", DEADLINE, || {
                ask(at(number, PORT)).filter(|task| *task == wanted)
            });
        }
        let on_host = |port: u16| (0..2).filter_map(|number| ask(at(number, port))).collect();
        for port in [PORT + 1, PORT + 2] {
            let answered: Vec<String> = on_host(port);
            assert_eq!(
                answered,
                [wanted.as_str()],
                "its node alone answers on {port}"
            );
        }
    };
    answers(&daemon);
    daemon.kill();
    daemon.start_again();
    answers(&daemon);
}

#[test]
fn what_is_unhealthy_never_runs_and_says_why() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let daemon = daemon(&engine, 1);
    let api = Api::of(&daemon);
    api.create(service("sick", "skep-hello:bad", 1));
    let failed = until("a task has failed", DEADLINE, || {
        let mut tasks = api.tasks("sick").into_iter();
        tasks.find(|task| state(task) == TaskState::Failed)
    });
    let status = failed.status.unwrap_or_default();
    assert_eq!(status.reason, "UNHEALTHY", "{}", status.message);
    assert!(
        status.message.contains("unhealthy, as told"),
        "{}",
        status.message
    );
    let (_, printed) = status
        .message
        .split_once("; last output:\n")
        .expect("what it printed");
    assert!(!printed.trim().is_empty());
    let ran = status
        .history
        .iter()
        .any(|step| step.state() == TaskState::Running);
    assert!(!ran, "{:?}", status.history);

    api.create(service("well", "skep-hello:good", 1));
    api.converged("well");
}

#[test]
fn an_engine_that_goes_is_a_condition_of_its_node() {
    let Some(engine) = Engine::start(&["--live-restore"]) else {
        return;
    };
    let daemon = daemon(&engine, 1);
    let api = Api::of(&daemon);
    api.create(service("boxed", "skep-hello:1", 1));
    let before = api.converged("boxed");
    let status = || {
        let request = GetNodeRequest {
            node: "node-1".to_owned(),
            ..Default::default()
        };
        let answer = api.run(api.client.nodes().get_node(request));
        let node = answer.expect("the node is there").into_inner().node;
        node.unwrap_or_default().status.unwrap_or_default()
    };
    let can = |what: &str| status().capabilities.iter().any(|known| known == what);
    let troubled = || {
        status()
            .conditions
            .iter()
            .any(|it| it.r#type == "ENGINE_UNREACHABLE")
    };
    assert!(can("workload.container") && can("container.limits.memory") && !troubled());
    engine.stop();
    until("the node says so", DEADLINE, || {
        (troubled() && !can("workload.container")).then_some(())
    });
    assert!(can("workload.process"));
    engine.start_again();
    until("the engine is back", DEADLINE, || {
        (!troubled() && can("workload.container")).then_some(())
    });
    let after = api.converged("boxed");
    assert_eq!(
        before.iter().map(id).collect::<Vec<_>>(),
        after.iter().map(id).collect::<Vec<_>>()
    );
}

#[test]
fn an_engine_in_a_swarm_of_its_own_is_a_condition_of_its_node() {
    let Some(engine) = Engine::start(&[]) else {
        return;
    };
    let listen = format!("127.0.0.1:{}", super::free_port());
    let addresses = ["--advertise-addr", "127.0.0.1", "--listen-addr", &listen];
    engine.docker_ok(&[&["swarm", "init"], &addresses[..]].concat());
    let daemon = daemon(&engine, 1);
    let shown = || daemon.skep_ok(["node", "inspect", "--pretty", "node-1"]);
    let page = until("the node says so", DEADLINE, || {
        Some(shown()).filter(|page| page.contains("ENGINE_IN_SWARM_MODE"))
    });
    let words = "the engine's own swarm mode is active: it takes ports 2377/tcp, 7946/tcp, \
                 7946/udp and 4789/udp";
    assert!(page.contains(words), "{page}");
    assert!(daemon.log().contains(words), "the log says so too");
    // It is no reason to run nothing.
    let api = Api::of(&daemon);
    api.create(service("boxed", "skep-hello:1", 1));
    api.converged("boxed");
    engine.docker_ok(&["swarm", "leave", "--force"]);
    until("the node says so no more", DEADLINE, || {
        (!shown().contains("ENGINE_IN_SWARM_MODE")).then_some(())
    });
}

#[test]
fn registries_are_shown_the_credentials_of_the_flag_or_of_the_daemons_user() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let home = tempfile::tempdir().expect("a directory");
    let Some((_registry, settings, name)) = stocked(&engine, home.path()) else {
        return;
    };
    let host = engine.host();
    let flags = ["--dev", "--nodes", "1", "--docker-host", &host];
    let by_flag = ["--registry-config", &settings.display().to_string()];
    let image = format!("{name}:1");
    let create = [
        "service",
        "create",
        "--quiet",
        "--stable-for",
        "0",
        "--name",
        "private",
    ];
    let create = [&create[..], &[image.as_str()]].concat();
    let pulls = |daemon: &Daemon, file: &Path| {
        daemon.skep_ok(&create);
        let shown = daemon.skep_ok(["service", "inspect", "private"]);
        assert!(shown.contains(&format!("{name}@sha256:")), "{shown}");
        let log = daemon.log();
        assert!(log.contains(&file.display().to_string()), "{log}");
        assert!(!log.contains(PASSWORD), "{log}");
        daemon.skep_ok(["service", "rm", "private"]);
        until("nothing of it is left", DEADLINE, || {
            containers(&engine, "private").is_empty().then_some(())
        });
        engine.docker_ok(&["rmi", "-f", &image]);
    };
    pulls(
        &Daemon::start_with(&[&flags[..], &by_flag].concat()),
        &settings,
    );

    // Without a flag it is where "docker login" of the daemon's user writes it.
    let daemon = Daemon::start_prepared(&flags, |dir| {
        std::fs::create_dir(dir.join("docker")).expect("a directory");
    });
    let own = daemon.dir().join("docker").join("config.json");
    let refused = daemon.skep(&create);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("no basic auth credentials"), "{said}");
    assert!(said.contains("docker login"), "{said}");
    daemon.skep_ok(["service", "rm", "private"]);
    std::fs::copy(&settings, &own).expect("a login");
    pulls(&daemon, &own);
}

#[test]
fn flags_of_an_update_reach_the_container() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let daemon = daemon(&engine, 1);
    let line = |words: &str| daemon.skep_ok(words.split_whitespace());
    line(
        "service create --quiet --stable-for 0 --name turned --pull never --cap-drop CHOWN \
         --mount type=tmpfs,target=/old skep-hello:1",
    );
    line(
        "service update --quiet --stable-for 0 turned --mount-rm /old \
         --mount-add type=tmpfs,target=/new --container-label-add team=shop \
         --host-add db:192.0.2.7 --dns-add 192.0.2.53 --dns-search-add example.com \
         --sysctl-add net.ipv4.ip_unprivileged_port_start=0 --cap-add CHOWN --cap-drop NET_RAW",
    );
    let format = "{{.CurrentState}}: {{.Image}}";
    let listed = daemon.skep_ok(["service", "ps", "turned", "--format", format]);
    let first = listed.lines().next().unwrap_or_default();
    assert!(first.starts_with("Running"), "{listed}");
    assert!(first.ends_with(": skep-hello:1"), "{listed}");

    let api = Api::of(&daemon);
    let tasks = api.tasks("turned");
    let new = tasks.iter().find(|task| state(task) == TaskState::Running);
    let inside = container(new.expect("a task runs"));
    let format = "{{json .HostConfig}} {{json .Config.Labels}} {{json .Mounts}}";
    let shown = engine.docker_ok(&["inspect", "--format", format, &inside]);
    for wanted in [
        "/new",
        "\"team\":\"shop\"",
        "db:192.0.2.7",
        "\"Dns\":[\"192.0.2.53\"]",
        "\"DnsSearch\":[\"example.com\"]",
        "\"net.ipv4.ip_unprivileged_port_start\":\"0\"",
        "NET_RAW",
    ] {
        assert!(shown.contains(wanted), "{wanted} is not in {shown}");
    }
    for gone in ["/old", "CHOWN"] {
        assert!(!shown.contains(gone), "{gone} is in {shown}");
    }
}
