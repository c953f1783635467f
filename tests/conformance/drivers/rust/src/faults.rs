// SPDX-License-Identifier: Apache-2.0
//! Bugs that an SDK could have, planted on order: the scenarios have to find each.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use skep_sdk::v1::watch_response::Event;
use skep_sdk::v1::{EventType, WatchRequest, WatchResponse};
use skep_sdk::{Client, Code, Error, Status, View, WatchEvent, new_request_id};
use tonic::Streaming;

use crate::json::{Answer, failure};
use crate::stubs::{self, Bare};
use crate::watch::Watched;

/// How often something is tried again.
const ATTEMPTS: u32 = 10;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// The fault that this driver has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Of each watch, the third change is lost.
    DropEvent,
    /// A watch that lost its connection goes on one revision too late.
    ResumeLate,
    /// A change that is repeated has another `request_id` each time.
    ForgetRequestId,
}

impl Fault {
    /// What `SKEP_DRIVER_FAULT` says.
    pub(crate) fn from_env() -> Option<Self> {
        match std::env::var("SKEP_DRIVER_FAULT").ok()?.as_str() {
            "" => None,
            "drop_event" => Some(Self::DropEvent),
            "resume_late" => Some(Self::ResumeLate),
            "forget_request_id" => Some(Self::ForgetRequestId),
            other => panic!("there is no fault {other:?}"),
        }
    }
}

/// A change as an SDK makes it that takes a new `request_id` for each attempt.
pub(crate) async fn forgetful_call(
    bare: &Bare,
    method: &str,
    request: &Value,
    timeout: Option<Duration>,
) -> Answer {
    let mut failures = 0;
    loop {
        let mut request = request.clone();
        let given = request["requestId"].as_str().unwrap_or_default();
        if given.is_empty() && is_change(method) {
            request["requestId"] = json!(new_request_id());
        }
        match stubs::call(bare, method, &request, timeout).await {
            Err(error) if error["code"] == "UNAVAILABLE" && failures < ATTEMPTS => {
                failures += 1;
                pause().await;
            }
            answer => return answer,
        }
    }
}

async fn pause() {
    let mut ticks = tokio::time::interval(PAUSE);
    ticks.tick().await;
    ticks.tick().await;
}

fn is_change(method: &str) -> bool {
    let (service, name) = method.split_once('/').unwrap_or_default();
    let service = skep_sdk::reflect::pool().get_service_by_name(&format!("skep.v1.{service}"));
    let method = service.and_then(|service| service.methods().find(|m| m.name() == name));
    method.is_some_and(|method| method.input().get_field_by_name("request_id").is_some())
}

/// A watch that forgets its place by one when it resumes.
pub(crate) struct LateWatch {
    client: Client,
    request: WatchRequest,
    frames: Option<Streaming<WatchResponse>>,
    late: u64,
    events: VecDeque<Value>,
}

impl LateWatch {
    pub(crate) fn new(client: Client, request: WatchRequest) -> Self {
        Self {
            client,
            request,
            frames: None,
            late: 0,
            events: VecDeque::new(),
        }
    }

    /// The next event.
    pub(crate) async fn next<O: Watched>(&mut self) -> Answer {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Err(status) = self.step::<O>().await {
                self.frames = None;
                self.late = 1;
                let error = Error::from(status);
                if !error.is_local() && error.code != Code::Unavailable {
                    return Err(failure(&error));
                }
                pause().await;
            }
        }
    }

    async fn step<O: Watched>(&mut self) -> Result<(), Status> {
        let mut request = self.request.clone();
        request.after_revision += self.late;
        let frames = match &mut self.frames {
            Some(frames) => frames,
            none => none.insert(self.client.watches().watch(request).await?.into_inner()),
        };
        let mut step = Vec::new();
        loop {
            let frame = frames.message().await?;
            let frame = frame.ok_or_else(|| Status::unavailable("it ended"))?;
            let (revision, head_revision) = (frame.revision, frame.head_revision);
            step.extend(frame.events);
            if revision != 0 {
                self.close::<O>(step, revision, head_revision);
                return Ok(());
            }
        }
    }

    fn close<O: Watched>(&mut self, step: Vec<Event>, revision: u64, head_revision: u64) {
        let picked = step
            .into_iter()
            .filter_map(|event| Some((event.r#type(), O::pick(event.object?)?)));
        if self.request.after_revision == 0 {
            let mut view = View::default();
            picked.for_each(|(_, object)| view.apply(WatchEvent::Added(object)));
            let all = view.objects.into_values().collect();
            self.events.push_back(O::event(&WatchEvent::Reset(all)));
        } else {
            self.events.extend(picked.map(|(kind, object)| {
                O::event(&match kind {
                    EventType::Added => WatchEvent::Added(object),
                    EventType::Left => WatchEvent::Left(object),
                    EventType::Deleted => WatchEvent::Deleted(object),
                    EventType::Changed | EventType::Unspecified => WatchEvent::Changed(object),
                })
            }));
        }
        self.request.after_revision = revision;
        self.events.push_back(O::event(&WatchEvent::Progress {
            revision,
            head_revision,
        }));
    }
}
