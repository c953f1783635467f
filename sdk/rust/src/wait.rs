// SPDX-License-Identifier: Apache-2.0
//! Waiting until a service is as wanted and stays so, or is gone. The managers wait; this calls
//! them again when a call breaks off, for as long as there is time.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::{Code, Request};

use crate::client::Client;
use crate::error::Error;
use crate::policy::POLICY;
use crate::v1::wait_service_request::Goal;
use crate::v1::{ErrorReason, Service, WaitServiceRequest, WaitServiceResponse};
use crate::view::Identified;

/// How long a service has to stay converged before that counts, unless the caller says otherwise.
pub const STABLE_FOR: Duration = Duration::from_secs(5);
/// The longest wait that one call asks for, beside the time that the service has to stay so.
const CALL_MAX: Duration = Duration::from_secs(3_600);
/// How much later than the managers this side gives up: they say why.
const MARGIN: Duration = Duration::from_secs(5);

/// How to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitOptions {
    /// The longest wait; none: for ever.
    pub timeout: Option<Duration>,
    /// How long the service has to stay converged, without a break, before that counts. Zero: it
    /// counts at once, which a program that ends right after its start can pass. At most an hour.
    pub stable_for: Duration,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self {
            timeout: None,
            stable_for: STABLE_FOR,
        }
    }
}

impl Client {
    /// Waits until a service, as its answer showed it, has converged and stayed so; gives it as
    /// it is then.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with the reason of the condition STALLED: waiting longer does not
    /// help. DEADLINE_EXCEEDED when the time is over: UNPLACED, tasks have no node, or
    /// NOT_CONVERGED. UNAVAILABLE: the time is over, and the managers could not serve, as they
    /// said last. NOT_FOUND, OBJECT_NOT_FOUND: it was deleted. Each has the name of the service
    /// in its metadata, as `service`.
    pub async fn wait_converged(
        &self,
        service: &Service,
        options: WaitOptions,
    ) -> Result<Service, Error> {
        let request = WaitServiceRequest {
            service: service.id().to_owned(),
            goal: Goal::Converged.into(),
            stable_for: prost_types::Duration::try_from(options.stable_for).ok(),
            spec_revision: service.meta.as_ref().map_or(0, |meta| meta.spec_revision),
            ..WaitServiceRequest::default()
        };
        let name = service.spec.as_ref().map_or("", |spec| &spec.name);
        let name = if name.is_empty() { service.id() } else { name };
        let waited = self.wait(request, options.timeout, name).await;
        let answer = waited.map_err(|mut error| {
            if !error.is_local() {
                error.metadata.insert("service".into(), name.to_owned());
            }
            error
        })?;
        Ok(answer.service.unwrap_or_default())
    }

    /// Waits as a request says, but for as long as `timeout`, none being for ever, over broken
    /// connections and restarts of the daemon.
    ///
    /// # Errors
    /// Those of [`Client::wait_converged`]; of the goal DELETED a time that is over is
    /// NOT_DELETED.
    pub async fn wait_service(
        &self,
        request: WaitServiceRequest,
        timeout: Option<Duration>,
    ) -> Result<WaitServiceResponse, Error> {
        let name = request.service.clone();
        self.wait(request, timeout, &name).await
    }

    async fn wait(
        &self,
        mut request: WaitServiceRequest,
        timeout: Option<Duration>,
        name: &str,
    ) -> Result<WaitServiceResponse, Error> {
        // Too long to be a point in time is as good as for ever.
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let held = request.stable_for.map(|span| span.try_into());
        let call_max = CALL_MAX + held.and_then(Result::ok).unwrap_or(STABLE_FOR);
        let left = || until.map(|until| until.saturating_duration_since(Instant::now()));
        // What a server said last.
        let mut told = None;
        for failures in 1.. {
            let span = left().map_or(call_max, |left| left.min(call_max));
            request.timeout = prost_types::Duration::try_from(span).ok();
            let mut call = Request::new(request.clone());
            call.set_timeout(span + MARGIN);
            let error = match self.services().wait_service(call).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => Error::from(status),
            };
            if error.code != Code::DeadlineExceeded && !POLICY.repeats(error.code) {
                return Err(error);
            }
            let late = error.is_local().then(|| never_seen(&request, name, &error));
            if late.is_none() {
                told = Some(error);
            }
            if left().is_some_and(|left| left.is_zero()) {
                return Err(told.or(late).expect("it is one of the two"));
            }
            // No connection, no answer, a manager that stops or has no leader; or the time of this
            // one call is over.
            let pause = POLICY.wait(failures);
            sleep(left().map_or(pause, |left| left.min(pause))).await;
        }
        unreachable!("the loop has no other end")
    }
}

/// The time is over, and no manager was there to say how it stands.
fn never_seen(request: &WaitServiceRequest, name: &str, why: &Error) -> Error {
    let (reason, condition, missing) = match request.goal() {
        Goal::Deleted => (ErrorReason::NotDeleted, None, "was not gone"),
        Goal::Converged | Goal::Unspecified => (
            ErrorReason::NotConverged,
            Some("CONVERGED"),
            "did not converge",
        ),
    };
    let reason = reason.as_str_name().trim_start_matches("ERROR_REASON_");
    let facts = condition.map(|condition| ("condition".to_owned(), condition.to_owned()));
    Error {
        code: Code::DeadlineExceeded,
        reason: reason.to_owned(),
        message: format!("the service {name} {missing} in time: {}", why.message),
        metadata: facts.into_iter().collect(),
        violations: Vec::new(),
    }
}
