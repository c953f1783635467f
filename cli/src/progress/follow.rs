// SPDX-License-Identifier: Apache-2.0
//! Following a service while the managers wait for it: a watch shows how far it is, and their
//! answer says how it ends.

use std::time::Duration;

use skep_sdk::v1::condition::Status as Truth;
use skep_sdk::v1::wait_service_request::Goal as Wanted;
use skep_sdk::v1::{
    Service, ServiceFilter, TaskFilter, WaitServiceRequest, WaitServiceResponse, WatchRequest,
};
use skep_sdk::{Client, Error, Object, TryStreamExt, View, WatchEvent};
use tokio::time::{Instant, sleep_until};

use crate::args::ConvergeFlags;

/// How long what is shown may take to be as new as the answer.
const CATCH_UP_TIME: Duration = Duration::from_secs(2);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The tasks are as the spec of this revision, or a later one, wants them.
    Converged {
        /// The `meta.spec_revision` of the change's answer.
        spec_revision: u64,
    },
    /// The service and its tasks are gone.
    Deleted,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The goal is not reached.
    Moving,
    /// All is as wanted, and is being watched whether it stays so.
    Settling,
}

/// Waits for a goal, keeps the service and its tasks in `view`, and has `show` look at it after
/// every change. A watch that fails only leaves the view as it is.
///
/// # Errors
/// How the wait ended, if not at its goal.
pub(super) async fn follow(
    client: &Client,
    id: &str,
    goal: Goal,
    flags: &ConvergeFlags,
    view: &mut View<Object>,
    mut show: impl FnMut(&View<Object>, Phase),
) -> Result<(), Error> {
    let options = flags.options();
    let wait = client.wait_service(request(id, goal, flags), options.timeout);
    let mut wait = std::pin::pin!(wait);
    let mut events = client.watch::<Object>(watch_of(id));
    let mut is_watching = true;
    let mut is_new = false;
    let mut ended: Option<(Result<WaitServiceResponse, Error>, Instant)> = None;
    loop {
        if let Some((outcome, _)) = &ended
            && (!is_watching || shows(view, outcome))
        {
            break;
        }
        let until = ended.as_ref().map(|(_, until)| *until);
        tokio::select! {
            event = events.try_next(), if is_watching => {
                let Ok(Some(event)) = event else {
                    is_watching = false;
                    continue;
                };
                let closes = matches!(event, WatchEvent::Progress { .. });
                view.apply(event);
                is_new |= !closes;
                if closes && std::mem::take(&mut is_new) {
                    show(view, phase(view.service(), goal, flags.stable_for));
                }
            }
            outcome = &mut wait, if until.is_none() => {
                ended = Some((outcome, Instant::now() + CATCH_UP_TIME));
            }
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => break,
        }
    }
    ended.map_or(Ok(()), |(outcome, _)| outcome.map(|_| ()))
}

fn request(id: &str, goal: Goal, flags: &ConvergeFlags) -> WaitServiceRequest {
    let (goal, spec_revision) = match goal {
        Goal::Converged { spec_revision } => (Wanted::Converged, spec_revision),
        Goal::Deleted => (Wanted::Deleted, 0),
    };
    WaitServiceRequest {
        service: id.to_owned(),
        goal: goal.into(),
        stable_for: prost_types::Duration::try_from(flags.stable_for).ok(),
        spec_revision,
        ..WaitServiceRequest::default()
    }
}

fn watch_of(id: &str) -> WatchRequest {
    let services = vec![id.to_owned()];
    WatchRequest {
        tasks: Some(TaskFilter {
            services: services.clone(),
            ..TaskFilter::default()
        }),
        services: Some(ServiceFilter {
            services,
            ..ServiceFilter::default()
        }),
        ..WatchRequest::default()
    }
}

/// Whether a view shows what an outcome is about: what is told of the end is quoted from it.
fn shows(view: &View<Object>, outcome: &Result<WaitServiceResponse, Error>) -> bool {
    match outcome {
        Ok(answer) => view.revision >= answer.revision,
        Err(error) => match error.metadata.get("condition").map(String::as_str) {
            Some("STALLED") => view.service().is_some_and(|it| holds(it, "STALLED", 0)),
            _ => view.revision > 0,
        },
    }
}

/// What the service says of its goal. STALLED comes first: it can hold together with CONVERGED.
fn phase(service: Option<&Service>, goal: Goal, stable_for: Duration) -> Phase {
    let (Some(service), Goal::Converged { spec_revision }) = (service, goal) else {
        return Phase::Moving;
    };
    let runs = service
        .status
        .as_ref()
        .is_some_and(|it| it.running_tasks > 0);
    let is_watched = runs && !stable_for.is_zero();
    let settles = holds(service, "CONVERGED", spec_revision);
    match settles && is_watched && !holds(service, "STALLED", spec_revision) {
        true => Phase::Settling,
        false => Phase::Moving,
    }
}

fn holds(service: &Service, name: &str, spec_revision: u64) -> bool {
    let status = service.status.as_ref();
    let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| {
        condition.r#type == name
            && condition.status() == Truth::True
            && condition.observed_spec_revision >= spec_revision
    })
}

#[cfg(test)]
mod tests {
    use skep_sdk::{Code, Status};

    use super::*;
    use crate::progress::picture::tests::{GOAL, view};
    use crate::sample;

    /// A service with one condition that is true.
    fn with(name: &str, running_tasks: u32) -> Service {
        let mut service = sample::service();
        let status = service.status.get_or_insert_default();
        status.running_tasks = running_tasks;
        status.conditions = vec![sample::condition(name, Truth::True, "WHY", "why")];
        status.conditions[0].observed_spec_revision = 12;
        service
    }

    #[test]
    fn what_converged_settles_if_it_has_to_last() {
        let (second, later) = (
            Duration::from_secs(1),
            Goal::Converged { spec_revision: 13 },
        );
        let mut both = with("CONVERGED", 1);
        let stalled = with("STALLED", 1).status.unwrap_or_default();
        let status = both.status.get_or_insert_default();
        status.conditions.extend(stalled.conditions);
        for (service, goal, stable_for, phase_now) in [
            (with("CONVERGED", 1), GOAL, second, Phase::Settling),
            (with("CONVERGED", 1), GOAL, Duration::ZERO, Phase::Moving),
            (with("CONVERGED", 0), GOAL, second, Phase::Moving),
            (with("CONVERGED", 1), later, second, Phase::Moving),
            (with("CONVERGED", 1), Goal::Deleted, second, Phase::Moving),
            (with("PLACED", 1), GOAL, second, Phase::Moving),
            (both, GOAL, second, Phase::Moving),
        ] {
            assert_eq!(phase(Some(&service), goal, stable_for), phase_now);
        }
        assert_eq!(phase(None, GOAL, second), Phase::Moving);
    }

    #[test]
    fn what_is_shown_is_as_new_as_what_is_said() {
        let answer = |revision| {
            Ok(WaitServiceResponse {
                revision,
                ..WaitServiceResponse::default()
            })
        };
        let mut seen = view(&[sample::task(1, 1)]);
        seen.revision = 7;
        assert!(shows(&seen, &answer(7)) && !shows(&seen, &answer(8)));
        let mut error = Error::from(Status::new(Code::FailedPrecondition, "why"));
        assert!(shows(&seen, &Err(error.clone())));
        assert!(!shows(&View::default(), &Err(error.clone())));
        error.metadata.insert("condition".into(), "STALLED".into());
        assert!(!shows(&seen, &Err(error.clone())));
        let stalled = Object::Service(with("STALLED", 1));
        seen.apply(WatchEvent::Changed(stalled));
        assert!(shows(&seen, &Err(error)));
    }
}
