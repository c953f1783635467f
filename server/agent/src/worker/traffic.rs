// SPDX-License-Identifier: Apache-2.0
//! Endpoints for the data plane, and what it has to complain of.

use skep_core::assign::{Held, HeldChange};
use skep_core::model::{Condition, Protocol, Revision, Timestamp};
use skep_network::{DataPlane, PlaneStatus, PortCause, PortProblem};

/// The condition of a node on which another program holds a published port.
const PORT_IN_USE: &str = "PORT_IN_USE";
/// The condition of a node that cannot open a published port for another reason.
const PORT_NOT_OPEN: &str = "PORT_NOT_OPEN";

/// Gives the plane all that the node remembers.
pub(super) fn begin(plane: &dyn DataPlane, held: &Held) {
    plane.clear();
    held.endpoints
        .values()
        .for_each(|endpoints| plane.put(endpoints.clone()));
    if held.revision > Revision(0) {
        plane.commit(held.revision);
    }
}

/// Gives the plane what changed.
pub(super) fn follow(plane: &dyn DataPlane, held: &Held, change: &HeldChange) {
    for service in &change.endpoints {
        match held.endpoints.get(service) {
            Some(endpoints) => plane.put(endpoints.clone()),
            None => plane.remove(*service),
        }
    }
    plane.commit(held.revision);
}

/// What the plane cannot do, as conditions of the node: one of a kind, with the time since
/// when it holds.
pub(super) fn conditions(
    status: &PlaneStatus,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let in_use = |problem: &&PortProblem| problem.cause == PortCause::InUse;
    let other = |problem: &&PortProblem| problem.cause != PortCause::InUse;
    let kinds = [
        (PORT_IN_USE, texts(status.problems.iter().filter(in_use))),
        (PORT_NOT_OPEN, texts(status.problems.iter().filter(other))),
    ];
    kinds
        .into_iter()
        .filter(|(_, texts)| !texts.is_empty())
        .map(|(kind, texts)| condition(kind, texts.join("; "), before, now))
        .collect()
}

/// The published ports that other programs hold, in order.
pub(super) fn ports_in_use(status: &PlaneStatus) -> Vec<(u16, Protocol)> {
    let problems = status.problems.iter();
    let in_use = problems.filter(|problem| problem.cause == PortCause::InUse);
    let mut ports: Vec<_> = in_use
        .map(|problem| (problem.port, problem.protocol))
        .collect();
    ports.sort_unstable();
    ports
}

fn texts<'a>(problems: impl Iterator<Item = &'a PortProblem>) -> Vec<String> {
    problems.map(ToString::to_string).collect()
}

/// A condition that holds, since the time it began to.
pub(super) fn condition(
    kind: &'static str,
    message: String,
    before: &[Condition],
    now: Timestamp,
) -> Condition {
    let known = before.iter().find(|known| known.kind == kind);
    Condition {
        kind: kind.into(),
        holds: true,
        reason: "".into(),
        message: message.into(),
        observed_spec_revision: Revision(0),
        transition_time: known.map_or(now, |known| known.transition_time),
    }
}

#[cfg(test)]
mod tests {
    use skep_core::model::ServiceId;

    use super::*;

    fn problem(port: u16, cause: PortCause) -> PortProblem {
        PortProblem {
            port,
            protocol: Protocol::Tcp,
            address: [127, 0, 0, 1].into(),
            service: ServiceId(1),
            service_name: "web".into(),
            cause,
        }
    }

    #[test]
    fn problems_are_conditions_since_they_began() {
        let mut status = PlaneStatus::default();
        assert_eq!(conditions(&status, &[], Timestamp(1)), []);

        status.problems = vec![
            problem(80, PortCause::NotPermitted),
            problem(8080, PortCause::InUse),
            problem(8081, PortCause::InUse),
        ];
        let first = conditions(&status, &[], Timestamp(1));
        let kinds: Vec<_> = first.iter().map(|known| &*known.kind).collect();
        assert_eq!(kinds, [PORT_IN_USE, PORT_NOT_OPEN]);
        let text = &first[0].message;
        assert!(
            text.contains("127.0.0.1:8080/tcp") && text.contains("8081"),
            "{text}"
        );

        assert_eq!(
            ports_in_use(&status),
            [(8080, Protocol::Tcp), (8081, Protocol::Tcp)]
        );

        status.problems.remove(0);
        let later = conditions(&status, &first, Timestamp(9));
        assert_eq!(later, first[..1]);
    }
}
