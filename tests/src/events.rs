// SPDX-License-Identifier: Apache-2.0
//! What an engine itself says of the containers of a service: which start and which end, in the
//! order in which they do.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::Engine;
use crate::story::{Step, Story};

/// One line for each event: what happened, the container's name, and its image.
const FORMAT: &str = "{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.image}}";

/// The events of the containers of a service, which an engine tells as they happen.
pub struct Events {
    slots: usize,
    steps: Arc<Mutex<Vec<Step>>>,
    docker: Child,
    reader: Option<JoinHandle<()>>,
}

impl Events {
    /// Listens to the events of a service of so many slots, by the label that names it, from the
    /// beginning of the engine's life. The tag of an image is the version.
    #[must_use]
    pub fn of(engine: &Engine, service: &str, slots: usize) -> Events {
        let label = format!("label=skep.service={service}");
        let arguments = [
            "events",
            "--since",
            "0",
            "--filter",
            &label,
            "--filter",
            "event=start",
            "--filter",
            "event=die",
            "--format",
            FORMAT,
        ];
        let mut command = engine.command(&arguments);
        let mut docker = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("docker can be run");
        let output = docker.stdout.take().expect("its output");
        let steps = Arc::new(Mutex::new(Vec::new()));
        let heard = steps.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let step = step(&line).unwrap_or_else(|| panic!("an event: {line:?}"));
                heard
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(step);
            }
        });
        Events {
            slots,
            steps,
            docker,
            reader: Some(reader),
        }
    }

    /// What was heard so far.
    ///
    /// # Panics
    /// If a slot ran twice at a time, or a task was started twice.
    #[must_use]
    pub fn story(&self) -> Story {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        Story::of(&steps, self.slots)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.docker.kill();
        let _ = self.docker.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// A step by its line, such as "start web.3.tsk_… skep-hello:2".
fn step(line: &str) -> Option<Step> {
    let [what, name, image] = line.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (slot, task) = name.rsplit_once('.')?;
    let (_, version) = image.rsplit_once(':')?;
    Some(Step {
        starts: what == "start",
        slot: slot.to_owned(),
        version: version.to_owned(),
        task: task.to_owned(),
    })
}
