// SPDX-License-Identifier: Apache-2.0
//! What people do behind the daemon's back to the containers of its services, and what its own
//! command line says of that.

use std::collections::BTreeSet;

use skep_sdk::v1::{Task, TaskState, TaskStatus};
use skep_tests::{DEADLINE, Daemon, Engine, until};

use super::swarm::{daemon, service};
use crate::api::{Api, id};

/// A service of containers, and a daemon that looks after it.
struct Scene<'a> {
    engine: &'a Engine,
    daemon: Daemon,
    api: Api,
    service: String,
}

impl<'a> Scene<'a> {
    /// Starts two tasks.
    fn of(engine: &'a Engine) -> Scene<'a> {
        let daemon = daemon(engine, 1);
        let api = Api::of(&daemon);
        let made = api.create(service("web", "skep-hello:1", 2));
        api.converged("web");
        Scene {
            engine,
            daemon,
            api,
            service: made.meta.unwrap_or_default().id,
        }
    }

    /// The task that runs in the first slot.
    fn first(&self) -> Task {
        let mut tasks = self.api.converged("web").into_iter();
        tasks.find(|task| task.slot == 1).expect("it runs")
    }

    /// All tasks that the first slot ever had.
    fn tasks(&self) -> Vec<Task> {
        let tasks = self.api.tasks("web").into_iter();
        tasks.filter(|task| task.slot == 1).collect()
    }

    /// The status of a task that may have ended.
    fn status(&self, wanted: &Task) -> TaskStatus {
        let mut tasks = self.tasks().into_iter();
        let found = tasks.find(|task| id(task) == id(wanted));
        found
            .and_then(|task| task.status)
            .expect("it is remembered")
    }

    /// The containers of the service that run, and all that there are, as the engine says.
    fn containers(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let label = format!("label=skep.service={}", self.service);
        let listed = |more: &str| {
            let arguments = ["ps", more, "--no-trunc", "--filter", &label];
            let listed = self.engine.docker_ok(&[&arguments[..], &["-q"]].concat());
            listed.lines().map(str::to_owned).collect()
        };
        (listed("--all=false"), listed("--all"))
    }

    /// Waits until another task runs in the first slot, and gives it.
    fn replaced(&self, before: &Task) -> Task {
        until("the task is replaced", DEADLINE, || {
            self.is_single();
            Some(self.first()).filter(|task| id(task) != id(before))
        })
    }

    /// At most one container of the first slot runs.
    fn is_single(&self) {
        let name = "name=^web.1.";
        let service = format!("label=skep.service={}", self.service);
        let filters = ["--filter", name, "--filter", &service];
        let running = self
            .engine
            .docker_ok(&[&["ps", "-q"][..], &filters].concat());
        assert!(running.lines().count() < 2, "{running}");
    }

    /// The containers of the tasks that run are all that run, also in the next life of the daemon,
    /// which looks at everything anew; and the first slot had so many tasks.
    fn is_settled(&mut self, tasks: usize) {
        for _ in 0..2 {
            let wanted: BTreeSet<_> = self.api.converged("web").iter().map(container).collect();
            until(
                "the containers that run are those of tasks",
                DEADLINE,
                || (self.containers().0 == wanted).then_some(()),
            );
            let all = self.tasks();
            assert_eq!(all.len(), tasks, "{all:#?}");
            self.daemon.kill();
            self.daemon.start_again();
        }
    }
}

fn container(task: &Task) -> String {
    task.status.clone().unwrap_or_default().container_id
}

#[test]
fn a_container_that_is_removed_is_replaced_once_and_its_task_says_why() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let mut scene = Scene::of(&engine);
    let before = scene.first();
    engine.docker_ok(&["rm", "-f", &container(&before)]);
    scene.replaced(&before);
    scene.is_settled(2);
    let (running, all) = scene.containers();
    assert_eq!(
        (running.len(), all.len()),
        (2, 2),
        "two tasks, two containers"
    );

    let status = scene.status(&before);
    assert_eq!(
        (status.state(), &*status.reason),
        (TaskState::Failed, "LOST")
    );
    let format = "{{.ID}} {{.CurrentState}} {{.Error}}";
    let listed = scene
        .daemon
        .skep_ok(["service", "ps", "--no-trunc", "web", "--format", format]);
    let line = listed.lines().find(|line| line.contains(&id(&before)));
    let line = line.unwrap_or_else(|| panic!("it is not in {listed}"));
    for words in [
        "Failed",
        "its container was removed behind skep's back while it ran",
    ] {
        assert!(line.contains(words), "{words:?} is not in {line}");
    }
}

#[test]
fn a_container_that_is_renamed_stays_that_of_its_task() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let mut scene = Scene::of(&engine);
    let before = scene.first();
    let another = format!("renamed-{}", id(&before));
    engine.docker_ok(&["rename", &container(&before), &another]);
    scene.is_settled(1);
    let after = scene.first();
    assert_eq!(
        (id(&after), container(&after)),
        (id(&before), container(&before))
    );
    // It is removed with its service like any other.
    scene.daemon.skep_ok(["service", "rm", "web"]);
    until("nothing of it is left", DEADLINE, || {
        scene.containers().1.is_empty().then_some(())
    });
}

/// The engine ends it and starts it again. If its end is seen its task has ended, and what was
/// started again goes; else nothing has happened.
#[test]
fn a_container_that_is_restarted_runs_on_or_is_replaced_once() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let mut scene = Scene::of(&engine);
    let mut tasks = 1;
    for grace in ["0", "10", "0"] {
        let before = scene.first();
        let pid = |task: &Task| task.status.clone().unwrap_or_default().pid;
        engine.docker_ok(&["restart", "-t", grace, &container(&before)]);
        let after = until("it runs on or is replaced", DEADLINE, || {
            scene.is_single();
            let now = scene.first();
            (id(&now) != id(&before) || pid(&now) != pid(&before)).then_some(now)
        });
        tasks += usize::from(id(&after) != id(&before));
        eprintln!("restarted with a grace of {grace} s: {tasks} tasks so far");
        scene.is_settled(tasks);
    }
}

#[test]
fn a_container_that_is_stopped_or_killed_is_replaced_once() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let mut scene = Scene::of(&engine);
    let ends = [
        ("stop", TaskState::Completed, ""),
        ("kill", TaskState::Failed, "exited with code 137"),
    ];
    for (tasks, (order, ended, said)) in (2..).zip(ends) {
        let before = scene.first();
        engine.docker_ok(&[order, &container(&before)]);
        scene.replaced(&before);
        scene.is_settled(tasks);
        let status = scene.status(&before);
        assert_eq!(status.state(), ended, "{status:?}");
        assert!(status.message.contains(said), "{status:?}");
    }
}

/// The daemon is away meanwhile: what was restarted is found as it was, what was removed is missed.
#[test]
fn what_is_done_without_the_daemon_makes_no_second_one() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let mut scene = Scene::of(&engine);
    let before = scene.first();
    scene.daemon.kill();
    engine.docker_ok(&["restart", "-t", "0", &container(&before)]);
    scene.daemon.start_again();
    scene.is_settled(1);
    let after = scene.first();
    assert_eq!(
        (id(&after), container(&after)),
        (id(&before), container(&before))
    );

    scene.daemon.kill();
    engine.docker_ok(&["rm", "-f", &container(&before)]);
    scene.daemon.start_again();
    scene.replaced(&before);
    scene.is_settled(2);
    let status = scene.status(&before);
    assert_eq!(
        (status.state(), &*status.reason),
        (TaskState::Failed, "LOST")
    );
    let said = "it was started here before, and nothing of it is left";
    assert!(status.message.contains(said), "{status:?}");
}
