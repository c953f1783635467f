// SPDX-License-Identifier: Apache-2.0
//! What the engine's descriptions mean.

use bollard::models::{ContainerConfig, HealthcheckResult, HostConfig};
use skep_core::model::{NodeId, PortMode, Protocol, SwarmId, Timestamp};

use super::*;
use crate::testing::{PLATFORM, work};

const OWNER: Owner = Owner {
    swarm: SwarmId(1),
    node: NodeId(2),
};
const STARTED: &str = "2023-11-14T22:13:20Z";
const ENDED: &str = "2023-11-14T22:13:21Z";
const SECOND: i64 = 1_000_000_000;

fn state(status: Status) -> ContainerState {
    ContainerState {
        status: Some(status),
        started_at: Some(STARTED.to_owned()),
        finished_at: Some(ENDED.to_owned()),
        ..ContainerState::default()
    }
}

fn inspected(state: ContainerState) -> ContainerInspectResponse {
    let work = work("web:1");
    ContainerInspectResponse {
        id: Some("c0ffee".to_owned()),
        name: Some(format!("/web.1.{}", work.task)),
        image: Some("sha256:1".to_owned()),
        state: Some(state),
        config: Some(ContainerConfig {
            image: Some("web:1".to_owned()),
            labels: Some(OWNER.labels(&work)),
            stop_signal: Some("SIGQUIT".to_owned()),
            stop_timeout: Some(3),
            ..ContainerConfig::default()
        }),
        host_config: Some(HostConfig {
            memory: Some(4_096),
            ..HostConfig::default()
        }),
        ..ContainerInspectResponse::default()
    }
}

fn phase_of(state: ContainerState, stopped: bool) -> Phase {
    seen(
        &inspected(state),
        OWNER,
        PLATFORM,
        Told {
            stopped,
            oom: false,
            ..Told::default()
        },
    )
    .expect("it is ours")
    .phase
}

fn exit_of(state: ContainerState, stopped: bool) -> Exit {
    match phase_of(state, stopped) {
        Phase::Exited(exit) => exit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_container_says_whose_it_is() {
    let good = inspected(state(Status::RUNNING));
    let known = seen(&good, OWNER, PLATFORM, Told::default()).expect("it is ours");
    assert_eq!((known.task, &*known.container), (TaskId(77), "c0ffee"));
    assert_eq!(
        (&*known.signal, known.stop.grace),
        ("SIGQUIT", Duration::from_secs(3))
    );

    let another = Owner {
        node: NodeId(9),
        ..OWNER
    };
    assert_eq!(seen(&good, another, PLATFORM, Told::default()), None);
    // One made from an image that was made of a task's container has its labels.
    let mut copy = good.clone();
    copy.name = Some("/hungry_hopper".to_owned());
    let is_named = |it| {
        let seen = seen(it, OWNER, PLATFORM, Told::default());
        seen.expect("it has its labels").is_named
    };
    assert!(is_named(&good) && !is_named(&copy));
    let mut foreign = good;
    foreign.config = Some(ContainerConfig::default());
    assert_eq!(seen(&foreign, OWNER, PLATFORM, Told::default()), None);
}

#[test]
fn a_task_is_as_far_as_its_container() {
    assert_eq!(phase_of(state(Status::CREATED), false), Phase::Prepared);
    for status in [Status::RUNNING, Status::PAUSED, Status::RESTARTING] {
        let mut state = state(status);
        state.pid = Some(42);
        let since = Timestamp(1_700_000_000 * SECOND);
        assert_eq!(phase_of(state, false), Phase::Running { pid: 42, since });
    }
    for status in [Status::EXITED, Status::DEAD] {
        assert!(matches!(phase_of(state(status), false), Phase::Exited(_)));
    }
}

#[test]
fn ends_have_a_cause_and_words() {
    let ended = |code, oom, stopped| {
        let mut state = state(Status::EXITED);
        state.exit_code = Some(code);
        state.oom_killed = Some(oom);
        let exit = exit_of(state, stopped);
        assert_eq!(exit.at, Timestamp(1_700_000_001 * SECOND));
        assert_eq!(exit.code, i32::try_from(code).ok());
        (exit.cause, exit.signal, exit.message)
    };
    let words = |text: &str| text.to_owned();
    use ExitCause::{Exited, OutOfMemory, Stopped};
    assert_eq!(ended(0, false, false), (Exited, None, words("")));
    assert_eq!(
        ended(3, false, false),
        (Exited, None, words("exited with code 3"))
    );
    let signal = words("exited with code 139, which stands for SIGSEGV");
    assert_eq!(ended(139, false, false), (Exited, None, signal));
    let limit = words("killed because it used more memory than its limit of 4096 bytes");
    assert_eq!(ended(137, true, false), (OutOfMemory, Some(9), limit));
    assert_eq!(ended(143, false, true), (Stopped, None, words("stopped")));
    // A child of it was killed, and it dealt with that.
    assert_eq!(ended(0, true, false), (Exited, None, words("")));
}

#[test]
fn a_container_that_somebody_else_removes_says_so() {
    let ended = |status, code, stopped| {
        let mut state = state(status);
        state.exit_code = Some(code);
        exit_of(state, stopped)
    };
    for status in [Status::REMOVING, Status::DEAD] {
        let exit = ended(status, 137, false);
        assert_eq!((exit.cause, exit.code), (ExitCause::Lost, None));
        assert!(exit.message.contains("removed behind skep's back"));
    }
    let removing = |code, stopped| ended(Status::REMOVING, code, stopped);
    assert_eq!(removing(137, true).cause, ExitCause::Stopped);
    // It had ended before.
    assert_eq!(removing(3, false).message, "exited with code 3");
}

#[test]
fn what_never_started_says_why() {
    let mut failed = state(Status::CREATED);
    failed.error = Some("exec: \"/nope\": no such file or directory".to_owned());
    let exit = exit_of(failed, false);
    assert_eq!((exit.cause, exit.code), (ExitCause::NotStarted, None));
    assert!(exit.message.contains("/nope"));
    assert!(exit.message.ends_with("(field container.command)"));
}

#[test]
fn a_port_in_use_is_named() {
    let port = |published| Port {
        target: 80,
        published,
        protocol: Protocol::Tcp,
        mode: PortMode::Host,
        name: "".into(),
    };
    let ports = [port(808), port(8_080)];
    for words in [
        "driver failed: Bind for 0.0.0.0:8080 failed: port is already allocated",
        "Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
    ] {
        let text = start_problem(words, &ports, PLATFORM);
        let want = format!("port 8080/tcp of the node is held by another program: {words}");
        assert_eq!(text, ("endpoint.ports".to_owned(), want));
    }
    let (field, problem) = start_problem("out of disk", &ports, PLATFORM);
    assert_eq!((&*field, &*problem), ("container", "out of disk"));
    let passed_on = "runc create failed: unable to start container process: exec: \"/a\": exec \
                     format error: unknown";
    let (field, problem) = start_problem(passed_on, &ports, PLATFORM);
    let want =
        "the image is for another platform than linux/amd64: exec: \"/a\": exec format error;";
    assert_eq!(field, "container.image");
    assert!(problem.starts_with(want), "{problem}");
}

#[test]
fn health_is_what_the_engine_says_with_its_last_words() {
    let check = |status, code, output: &str| EngineHealth {
        status: Some(status),
        failing_streak: None,
        log: Some(vec![HealthcheckResult {
            exit_code: Some(code),
            output: Some(output.to_owned()),
            ..HealthcheckResult::default()
        }]),
    };
    assert_eq!(health(None), Health::Unchecked);
    let of = |status, code, output| health(Some(&check(status, code, output)));
    assert_eq!(
        of(HealthStatus::STARTING, 0, ""),
        Health::Starting("".into())
    );
    assert_eq!(
        of(HealthStatus::HEALTHY, 0, "fine"),
        Health::Healthy("".into())
    );
    assert_eq!(
        of(HealthStatus::UNHEALTHY, 1, " no\n"),
        Health::Unhealthy("no".into())
    );
    let silent = Health::Unhealthy("the check ended with code 7".into());
    assert_eq!(of(HealthStatus::UNHEALTHY, 7, ""), silent);
}

#[test]
fn what_an_interrupted_start_left_behind_is_blamed_on_nobody() {
    for interrupted in [false, true] {
        let state = ContainerState {
            status: Some(Status::CREATED),
            error: Some("Bind for 127.0.0.1:8080 failed: port is already allocated".to_owned()),
            ..ContainerState::default()
        };
        let told = Told {
            interrupted,
            ..Told::default()
        };
        let seen = seen(&inspected(state), OWNER, PLATFORM, told).expect("it is ours");
        let Phase::Exited(exit) = seen.phase else {
            panic!("{:?}", seen.phase)
        };
        let causes = [ExitCause::NotStarted, ExitCause::EngineLost];
        assert_eq!(exit.cause, causes[usize::from(interrupted)]);
        assert!(
            exit.message.contains("already allocated"),
            "{}",
            exit.message
        );
    }
}
