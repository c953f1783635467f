// SPDX-License-Identifier: Apache-2.0
//! A task that connections are sent to is stopped in an order: out of the traffic, time for what is
//! open, signal, grace, end.

use super::*;

const LEAVING: &str = "Running DRAINING (it is to stop; it goes on until every node has confirmed \
                       that it sends it no new connections)";
const LEFT: &str = "Running DRAINING (it is to stop; it is sent no new connections, and those that \
                    are open have 2.5 s to end)";

#[test]
fn the_phases_of_a_stop_come_one_after_the_other() {
    let mut bench = Bench::running();
    bench.stop(Some(DrainPhase::Leaving));
    assert_eq!(bench.step(), LEAVING);
    assert_eq!(bench.wakes_in(), None, "the managers say when that is over");
    bench.wait(3_600);
    assert_eq!(bench.step(), "");

    bench.stop(Some(DrainPhase::Left));
    assert_eq!(bench.step(), LEFT);
    assert_eq!(bench.wakes_in(), Some(Duration::from_millis(2_500)));
    bench.wait(2);
    assert_eq!(bench.step(), "");
    bench.wait(1);
    assert_eq!(bench.step(), "Running STOPPING -> Stop 2 20");
    assert_eq!(bench.wakes_in(), Some(Duration::from_secs(25)));
    bench.done(OrderKind::Stop);
    bench.wait(25);
    assert_eq!(bench.step(), "-> Stop 9 0");
    bench.done(OrderKind::Stop);
    bench.exit(ExitCause::Stopped, Some(137));
    assert_eq!(bench.step(), "Stopped code 137");
}

#[test]
fn an_agent_that_starts_again_goes_on_in_every_phase() {
    let mut bench = Bench::running();
    bench.restart();
    bench.stop(Some(DrainPhase::Leaving));
    assert_eq!(bench.step(), LEAVING);
    bench.restart();
    assert_eq!(bench.step(), "");
    bench.stop(Some(DrainPhase::Left));
    assert_eq!(bench.step(), LEFT);
    bench.wait(2);
    bench.restart();
    assert_eq!(bench.step(), "", "it has said so");
    assert_eq!(
        bench.wakes_in(),
        Some(Duration::from_millis(500)),
        "what has passed has passed"
    );
    bench.wait(1);
    bench.restart();
    assert_eq!(bench.step(), "Running STOPPING -> Stop 2 20");
    bench.wait(5);
    bench.restart();
    assert_eq!(
        bench.step(),
        "-> Stop 2 15",
        "with what is left of the grace"
    );
}

#[test]
fn a_clock_that_was_set_back_adds_no_more_than_the_whole_time() {
    let mut bench = Bench::running();
    bench.stop(Some(DrainPhase::Left));
    assert_eq!(bench.step(), LEFT);
    bench.now = Timestamp::from_millis(500_000);
    bench.restart();
    assert_eq!(bench.step(), "");
    assert_eq!(bench.wakes_in(), Some(Duration::from_millis(2_500)));
    bench.wait(3);
    assert_eq!(bench.step(), "Running STOPPING -> Stop 2 20");
}

#[test]
fn without_a_time_for_connections_the_signal_follows_at_once() {
    let mut bench = Bench::running();
    let template = bench
        .held
        .templates
        .values_mut()
        .next()
        .expect("there is one");
    Arc::make_mut(&mut template.template).stop.drain = Some(Duration::ZERO);
    bench.stop(Some(DrainPhase::Leaving));
    assert_eq!(bench.step(), LEAVING);
    bench.stop(Some(DrainPhase::Left));
    assert_eq!(bench.step(), "Running STOPPING -> Stop 2 20");
}

#[test]
fn the_usual_time_for_connections_is_a_second() {
    assert_eq!(StopPolicy::default().drain(), Duration::from_secs(1));
}

#[test]
fn what_no_manager_knows_any_more_is_not_waited_for() {
    let mut bench = Bench::running();
    bench.stop(Some(DrainPhase::Leaving));
    assert_eq!(bench.step(), LEAVING);
    bench.held.tasks.clear();
    bench.held.templates.clear();
    assert_eq!(bench.step(), "-> Stop 2 20");
}

#[test]
fn what_ends_by_itself_while_it_drains_has_ended() {
    let mut bench = Bench::running();
    bench.stop(Some(DrainPhase::Left));
    assert_eq!(bench.step(), LEFT);
    bench.exit(ExitCause::Exited, Some(0));
    assert_eq!(bench.step(), "Completed code 0");
}

#[test]
fn what_is_being_stopped_because_it_does_not_work_is_not_held_up() {
    let mut bench = Bench::running();
    let seen = bench.observed.get_mut(&TASK).expect("it is there");
    seen.health = Health::Unhealthy("refused".into());
    assert!(bench.step().ends_with("-> Stop 2 20"));
    bench.done(OrderKind::Stop);
    bench.stop(Some(DrainPhase::Leaving));
    bench.wait(25);
    assert_eq!(
        bench.step(),
        "Running STOPPING -> Stop 9 0",
        "and it is insisted"
    );
}
