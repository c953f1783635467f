// SPDX-License-Identifier: Apache-2.0
//! Health checks: their course, and what follows for the task.

use super::*;
use crate::state::Observation;

const SECOND: Duration = Duration::from_secs(1);

fn check() -> HealthCheck {
    HealthCheck {
        probe: Some(Probe::Tcp { port: 80 }),
        interval: Some(10 * SECOND),
        retries: 2,
        start_period: Some(30 * SECOND),
        start_interval: Some(SECOND),
        ..HealthCheck::default()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn bad() -> Result<(), Arc<str>> {
    Err("no".into())
}

/// The health and the seconds to the next check after these answers, each at its second.
fn course(answers: &[(i64, bool)]) -> (HealthState, i64) {
    let mut course = CheckCourse::begin(check(), at(0));
    for (second, passes) in answers {
        course.note(if *passes { Ok(()) } else { bad() }, at(*second));
    }
    let last = answers.last().map_or(0, |answer| answer.0);
    let pause = course.next_at().since(at(last)).as_secs();
    (
        course.health().state(),
        i64::try_from(pause).expect("short"),
    )
}

#[test]
fn the_course_of_checks() {
    use HealthState::{Healthy, Starting, Unhealthy};
    for (answers, want) in [
        (&[][..], (Starting, 0)),
        (&[(0, false)], (Starting, 1)),
        (&[(0, false), (1, true)], (Healthy, 10)),
        // Within the start period nothing counts, however often it fails.
        (&[(9, false), (20, false), (29, false)], (Starting, 1)),
        // After it they count, and the task is asked each interval.
        (&[(29, false), (30, false)], (Starting, 10)),
        (&[(30, false), (40, false)], (Unhealthy, 10)),
        (&[(30, false), (40, true)], (Healthy, 10)),
        // Once it passed, each one counts; a success makes up for those before.
        (&[(1, true), (11, false)], (Healthy, 10)),
        (&[(1, true), (11, false), (21, false)], (Unhealthy, 10)),
        (
            &[(1, true), (11, false), (21, true), (31, false)],
            (Healthy, 10),
        ),
    ] {
        assert_eq!(course(answers), want, "{answers:?}");
    }
}

#[test]
fn without_a_start_period_the_first_interval_is_the_first_time() {
    let check = HealthCheck {
        start_period: None,
        ..check()
    };
    let mut course = CheckCourse::begin(check, at(0));
    for second in 0..10 {
        course.note(bad(), at(second));
        assert_eq!(course.next_at(), at(second + 1));
    }
    course.note(bad(), at(10));
    assert_eq!(course.next_at(), at(20));
    assert_eq!(course.health().state(), HealthState::Starting);
    course.note(bad(), at(20));
    assert_eq!(course.health().state(), HealthState::Unhealthy);
}

#[test]
fn what_the_last_failure_said_is_kept_until_one_passes() {
    let mut course = CheckCourse::begin(check(), at(0));
    course.note(bad(), at(1));
    assert_eq!(course.health(), Health::Starting("no".into()));
    course.note(Ok(()), at(2));
    assert_eq!(course.health(), Health::Healthy("".into()));
}

#[test]
fn the_port_that_is_asked_is_opened_too() {
    let mut template = assigned_template();
    template.ports = vec![tcp(90, 9_090, PortMode::Ingress)];
    let opened = |template: &AssignedTemplate| -> Vec<u16> {
        let ports = opened_ports(template);
        ports.iter().map(|port| port.target).collect()
    };
    assert_eq!(opened(&template), [90]);
    Arc::make_mut(&mut template.template).health_check = Some(check());
    assert_eq!(opened(&template), [90, 80]);
    template.ports.push(tcp(80, 8_080, PortMode::Ingress));
    assert_eq!(opened(&template), [90, 80]);
}

#[test]
fn who_checks_what() {
    let with = |workload, probe| TaskTemplate {
        health_check: Some(HealthCheck { probe, ..check() }),
        ..TaskTemplate::of(workload)
    };
    let process = || Workload::Process(Process::default());
    let container = || Workload::Container(Box::default());
    let exec = || {
        Some(Probe::Exec {
            command: vec!["/check".into()],
        })
    };
    let tcp = || Some(Probe::Tcp { port: 1 });
    for (template, by_agent) in [
        (TaskTemplate::of(process()), false),
        (with(process(), exec()), true),
        (with(process(), tcp()), true),
        (with(process(), Some(Probe::Disabled)), false),
        (with(container(), exec()), false),
        (with(container(), tcp()), true),
        (with(container(), None), false),
    ] {
        assert_eq!(agent_check(&template).is_some(), by_agent, "{template:?}");
    }
}

fn healthy(bench: &mut Bench, health: Health) -> Observation {
    let since = bench.now;
    bench.see(Phase::Running { pid: 42, since });
    let seen = bench.observed.get_mut(&TASK).expect("it is seen");
    seen.health = health;
    bench.step();
    bench.worker.records()[&TASK].reported.clone()
}

#[test]
fn a_task_runs_only_once_it_is_healthy_and_an_unhealthy_one_is_stopped() {
    let mut bench = Bench::new(DesiredState::Running, TaskState::Assigned);
    bench.step();
    bench.done(OrderKind::Prepare);
    bench.see(Phase::Prepared);
    bench.step();
    bench.done(OrderKind::Start);

    let told = healthy(&mut bench, Health::Starting("not yet".into()));
    assert_eq!(
        (told.state, told.health),
        (TaskState::Starting, HealthState::Starting)
    );
    assert_eq!(&*told.health_message, "not yet");
    let told = healthy(&mut bench, Health::Healthy("".into()));
    assert_eq!(
        (told.state, told.health),
        (TaskState::Running, HealthState::Healthy)
    );
    // A check that begins anew, after a restart of the agent, takes nothing back.
    let told = healthy(&mut bench, Health::Starting("".into()));
    assert_eq!(told.state, TaskState::Running);

    let told = healthy(&mut bench, Health::Unhealthy("HTTP 500".into()));
    assert_eq!(
        (told.state, &*told.reason),
        (TaskState::Running, "UNHEALTHY")
    );
    // While it is being ended it fails for another reason, which explains nothing.
    let told = healthy(&mut bench, Health::Unhealthy("refused".into()));
    assert!(told.message.ends_with("HTTP 500"), "{}", told.message);
    // That it seems well again, while nothing stopped it, takes nothing back.
    let told = healthy(&mut bench, Health::Healthy("".into()));
    assert_eq!(
        (&*told.reason, &*told.health_message),
        ("UNHEALTHY", "HTTP 500")
    );
    bench.done(OrderKind::Stop);
    let exit = Exit {
        cause: ExitCause::Stopped,
        code: Some(143),
        signal: 15,
        at: bench.now,
        message: "stopped; last output:\nno database".into(),
    };
    bench.see(Phase::Exited(exit));
    bench.step();
    let told = bench.worker.records()[&TASK].reported.clone();
    assert_eq!(
        (told.state, &*told.reason),
        (TaskState::Failed, "UNHEALTHY")
    );
    assert!(
        told.message
            .ends_with("checks failed: HTTP 500; last output:\nno database"),
        "{}",
        told.message
    );
}
