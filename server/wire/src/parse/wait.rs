// SPDX-License-Identifier: Apache-2.0
//! How to wait for a service.

use std::time::Duration;

use skep_core::model::Revision;
use skep_core::wait::{Goal, Options};
use skep_proto::v1;

use super::Fields;
use super::common::{bounded_span, unknown};

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(600);
const TIMEOUT_MAX: Duration = Duration::from_secs(86_400);
const STABLE_FOR_DEFAULT: Duration = Duration::from_secs(5);
const STABLE_FOR_MAX: Duration = Duration::from_secs(3_600);
/// Revisions stay below this.
const REVISION_MAX: u64 = 1 << 53;

/// How a request wants to wait.
pub fn options(fields: &mut Fields, request: &v1::WaitServiceRequest) -> Options {
    let revision = request.spec_revision;
    fields.range("spec_revision", revision, 0, REVISION_MAX);
    let mut span = |name, message, most| bounded_span(fields, name, message, Duration::ZERO, most);
    let timeout = span("timeout", request.timeout, TIMEOUT_MAX);
    let stable_for = span("stable_for", request.stable_for, STABLE_FOR_MAX);
    Options {
        goal: goal(
            fields,
            request.goal,
            (revision != 0).then_some(Revision(revision)),
        ),
        timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
        stable_for: stable_for.unwrap_or(STABLE_FOR_DEFAULT),
    }
}

fn goal(fields: &mut Fields, value: i32, spec_revision: Option<Revision>) -> Goal {
    use v1::wait_service_request::Goal as Message;
    match Message::try_from(value) {
        Ok(Message::Deleted) => {
            if spec_revision.is_some() {
                fields.wrong("spec_revision", "is for the goal CONVERGED only");
            }
            Goal::Deleted
        }
        Ok(Message::Unspecified | Message::Converged) => Goal::Converged(spec_revision),
        Err(_) => {
            unknown(fields, "goal", value);
            Goal::Converged(spec_revision)
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Duration as Message;
    use v1::wait_service_request::Goal as Wanted;

    use super::*;

    fn read(request: &v1::WaitServiceRequest) -> Result<Options, Vec<String>> {
        let mut fields = Fields::new();
        let options = options(&mut fields, request);
        let named = |violations: Vec<super::super::Violation>| {
            let text = |it: super::super::Violation| format!("{} {}", it.field, it.description);
            violations.into_iter().map(text).collect()
        };
        fields.finish().map(|()| options).map_err(named)
    }

    fn span(seconds: i64, nanos: i32) -> Option<Message> {
        Some(Message { seconds, nanos })
    }

    #[test]
    fn what_is_unset_has_a_meaning() {
        let read = read(&v1::WaitServiceRequest::default());
        assert_eq!(
            read,
            Ok(Options {
                goal: Goal::Converged(None),
                timeout: Duration::from_secs(600),
                stable_for: Duration::from_secs(5),
            })
        );
    }

    #[test]
    fn zero_and_the_most_are_taken() {
        for (timeout, stable_for, spec_revision) in [(0, 0, 1), (86_400, 3_600, 1 << 53)] {
            let request = v1::WaitServiceRequest {
                timeout: span(timeout, 0),
                stable_for: span(stable_for, 0),
                spec_revision,
                goal: Wanted::Converged.into(),
                ..v1::WaitServiceRequest::default()
            };
            let read = read(&request).expect("both ends are within");
            assert_eq!(read.timeout.as_secs(), timeout.unsigned_abs());
            assert_eq!(read.stable_for.as_secs(), stable_for.unsigned_abs());
            assert_eq!(read.goal, Goal::Converged(Some(Revision(spec_revision))));
        }
    }

    #[test]
    fn a_negative_time_is_told_with_its_sign() {
        for (seconds, nanos, told) in [(0, -1_000_000, "-0.001 s"), (-2, -500_000_000, "-2.5 s")] {
            let request = v1::WaitServiceRequest {
                stable_for: span(seconds, nanos),
                ..v1::WaitServiceRequest::default()
            };
            let wrong = read(&request).expect_err("time does not go back");
            let words = format!("stable_for is {told}, allowed are 0 to 3600 s");
            assert_eq!(wrong, [words]);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let request = v1::WaitServiceRequest {
            timeout: span(86_400, 1),
            stable_for: span(0, -1),
            spec_revision: (1 << 53) + 1,
            goal: 3,
            ..v1::WaitServiceRequest::default()
        };
        let wrong = read(&request).expect_err("nothing of it may be");
        let fields = ["spec_revision ", "timeout ", "stable_for ", "goal "];
        assert_eq!(wrong.len(), fields.len(), "{wrong:?}");
        for (wrong, field) in wrong.iter().zip(fields) {
            assert!(wrong.starts_with(field), "{wrong}");
        }
        let request = v1::WaitServiceRequest {
            goal: Wanted::Deleted.into(),
            spec_revision: 7,
            ..v1::WaitServiceRequest::default()
        };
        let wrong = read(&request).expect_err("a spec is of no use there");
        assert_eq!(wrong, ["spec_revision is for the goal CONVERGED only"]);
    }
}
