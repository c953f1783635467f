// SPDX-License-Identifier: Apache-2.0
//! Watches, played by the name of the service.

use skep_sdk::v1::condition::Status as Truth;
use skep_sdk::v1::watch_service_server::WatchService;
use skep_sdk::v1::*;
use skep_sdk::{Code, Request, Status};
use tonic::Response;

use super::Fake;
use super::answers::{Answer, Frames, error, id_of};
use crate::sample;

fn event(kind: EventType, object: watch_response::event::Object) -> watch_response::Event {
    watch_response::Event {
        r#type: kind.into(),
        object: Some(object),
    }
}

fn frame(revision: u64, events: Vec<watch_response::Event>) -> Result<WatchResponse, Status> {
    Ok(WatchResponse {
        revision,
        events,
        head_revision: revision,
    })
}

/// A change of a task, then a failure that ends the watch.
fn one_task() -> Vec<Result<WatchResponse, Status>> {
    let task = watch_response::event::Object::Task(sample::task(1, 1));
    let refused = error(
        Code::InvalidArgument,
        "INVALID_FIELD",
        "the script ends",
        &[],
    );
    vec![
        frame(41, vec![event(EventType::Changed, task)]),
        Err(refused),
    ]
}

/// The service of an id, with a condition that is true.
pub(super) fn with_condition(
    id: &str,
    name: &str,
    updated_tasks: u32,
) -> watch_response::event::Object {
    let mut service = sample::service();
    service.meta.as_mut().unwrap().id = id.to_owned();
    let status = service.status.as_mut().unwrap();
    (status.desired_tasks, status.updated_tasks) = (1, updated_tasks);
    // Only what runs is watched whether it stays so.
    status.running_tasks = u32::from(id == id_of("fine"));
    let why = "web.1 failed 3 times";
    status.conditions = vec![sample::condition(
        name,
        Truth::True,
        "ATTEMPTS_EXHAUSTED",
        why,
    )];
    watch_response::event::Object::Service(service)
}

#[tonic::async_trait]
impl WatchService for Fake {
    type WatchStream = Frames<EncodedFrame>;

    /// Plays what the name of the service says: `stalls`, `pends`, `slow`, `goes`; any other
    /// converges, of which the tasks of `fine` run. Without services: a change of a task, and the
    /// end.
    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        use watch_response::event::Object;
        self.keep(request.get_ref());
        let Some(services) = request.into_inner().services else {
            return Ok(Response::new(Box::pin(futures::stream::iter(
                one_task()
                    .into_iter()
                    .map(|frame| frame.map(EncodedFrame::from)),
            ))));
        };
        let id = services.services.join("");
        let task = |task: Task| event(EventType::Added, Object::Task(task));
        let begin = |more: Vec<watch_response::Event>| {
            let mut events = vec![event(EventType::Added, with_condition(&id, "PLACED", 0))];
            events.extend(more);
            frame(12, events)
        };
        let changed = |name: &str, updated| {
            frame(
                13,
                vec![event(
                    EventType::Changed,
                    with_condition(&id, name, updated),
                )],
            )
        };
        let failed = sample::task_in(2, 1, TaskState::Failed, "task: non-zero exit (3)\nboom");
        let frames = match id.trim_start_matches("svc_").trim_start_matches('0') {
            "stalls" => vec![begin(vec![task(failed)]), changed("STALLED", 0)],
            "pends" => vec![begin(vec![task(sample::pending_task(4, 1))])],
            "slow" => vec![begin(vec![])],
            "goes" => {
                let gone = with_condition(&id, "PLACED", 0);
                let end = frame(14, vec![event(EventType::Deleted, gone)]);
                vec![begin(vec![task(sample::task(1, 1))]), end]
            }
            _ => vec![
                begin(vec![task(sample::task(1, 1))]),
                changed("CONVERGED", 1),
            ],
        };
        use futures::StreamExt;
        let frames = futures::stream::iter(frames)
            .map(|frame| frame.map(EncodedFrame::from))
            .chain(futures::stream::pending());
        Ok(Response::new(Box::pin(frames)))
    }
}
