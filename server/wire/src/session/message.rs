// SPDX-License-Identifier: Apache-2.0
//! The messages of a session, both ways.

use std::sync::Arc;

use skep_core::model::Revision;
use skep_core::node_agent::StatusReport;
use skep_core::session::{
    AgentMessage, AssignmentsAck, Hello, LogRequest, LogSubscription, ManagerMessage, Welcome,
};
use skep_proto::internal::v1::{session_request, session_response};
use skep_proto::{internal::v1 as internal, v1};

use super::{
    BadMessage, assignments_message, node_message, read_assignments, read_node, read_report,
    report_message,
};
use crate::parse::{self, Fields};
use crate::render;
use crate::stored::load::{id, needed, optional_time};

/// What an agent says.
#[must_use]
pub fn agent_message(message: &AgentMessage) -> internal::SessionRequest {
    use session_request::Message;
    let message = match message {
        AgentMessage::Hello(hello) => Message::Hello(internal::Hello {
            node: Some(node_message(&hello.description)),
            after_revision: hello.after.0,
            acked_seq: hello.acked,
        }),
        AgentMessage::Heartbeat => Message::Heartbeat(internal::Heartbeat {}),
        AgentMessage::Node(description) => Message::Node(node_message(description)),
        AgentMessage::Report(report) => {
            let tasks = report.tasks.iter().map(|(task, seen)| (*task, seen));
            Message::Report(report_message(report.seq, tasks))
        }
        AgentMessage::Ack(ack) => Message::Ack(internal::AssignmentsAck {
            revision: ack.tasks.0,
            endpoint_revision: ack.endpoints.0,
        }),
    };
    internal::SessionRequest {
        message: Some(message),
    }
}

/// Reads what an agent says. A message of a kind that is not known yet is a sign of life.
///
/// # Errors
/// If it cannot be understood.
pub fn read_agent_message(message: internal::SessionRequest) -> Result<AgentMessage, BadMessage> {
    use session_request::Message;
    let Some(message) = message.message else {
        return Ok(AgentMessage::Heartbeat);
    };
    Ok(match message {
        Message::Hello(hello) => AgentMessage::Hello(Hello {
            description: Arc::new(read_node(hello.node)?),
            after: Revision(hello.after_revision),
            acked: hello.acked_seq,
        }),
        Message::Heartbeat(_) => AgentMessage::Heartbeat,
        Message::Node(node) => AgentMessage::Node(Arc::new(read_node(Some(node))?)),
        Message::Report(report) => {
            let (seq, tasks) = read_report(report)?;
            AgentMessage::Report(StatusReport { seq, tasks })
        }
        Message::Ack(ack) => AgentMessage::Ack(AssignmentsAck {
            tasks: Revision(ack.revision),
            endpoints: Revision(ack.endpoint_revision),
        }),
    })
}

/// What a manager says.
#[must_use]
pub fn manager_message(message: &ManagerMessage) -> internal::SessionResponse {
    use session_response::Message;
    let message = match message {
        ManagerMessage::Welcome(welcome) => Some(Message::Welcome(welcome_message(welcome))),
        ManagerMessage::Assignments(step) => Some(Message::Assignments(assignments_message(step))),
        ManagerMessage::ReportAck(seq) => Some(Message::Ack(internal::ReportAck { seq: *seq })),
        ManagerMessage::Logs(logs) => Some(Message::Logs(subscription_message(logs))),
        ManagerMessage::Alive => None,
    };
    internal::SessionResponse { message }
}

/// Reads what a manager says. A message of a kind that is not known yet is a sign of life.
///
/// # Errors
/// If it cannot be understood.
pub fn read_manager_message(
    message: internal::SessionResponse,
) -> Result<ManagerMessage, BadMessage> {
    use session_response::Message;
    let Some(message) = message.message else {
        return Ok(ManagerMessage::Alive);
    };
    Ok(match message {
        Message::Welcome(welcome) => ManagerMessage::Welcome(read_welcome(welcome)?),
        Message::Assignments(step) => ManagerMessage::Assignments(read_assignments(step)?),
        Message::Ack(ack) => ManagerMessage::ReportAck(ack.seq),
        Message::Logs(logs) => ManagerMessage::Logs(read_subscription(logs)?),
    })
}

pub(super) fn welcome_message(welcome: &Welcome) -> internal::Welcome {
    internal::Welcome {
        heartbeat_period: Some(render::duration(welcome.heartbeat)),
        node: welcome.node.to_string(),
        name: welcome.name.to_string(),
        labels: welcome.labels.as_ref().clone(),
    }
}

pub(super) fn read_welcome(message: internal::Welcome) -> Result<Welcome, BadMessage> {
    let period = message.heartbeat_period.and_then(parse::span);
    Ok(Welcome {
        heartbeat: needed("the heartbeat period", period)?,
        node: id(&message.node)?,
        name: message.name.into(),
        labels: Arc::new(message.labels),
    })
}

fn subscription_message(logs: &LogSubscription) -> internal::LogSubscription {
    let request = logs.request.as_ref().map(|request| v1::StreamLogsRequest {
        filter: Some(v1::TaskFilter {
            tasks: request
                .filter
                .tasks
                .iter()
                .map(ToString::to_string)
                .collect(),
            ..v1::TaskFilter::default()
        }),
        follow: request.follow,
        tail: request.tail,
        since_time: request.since.map(render::timestamp),
    });
    internal::LogSubscription {
        id: logs.id.to_string(),
        close: request.is_none(),
        request,
    }
}

fn read_subscription(message: internal::LogSubscription) -> Result<LogSubscription, BadMessage> {
    let request = message.request.filter(|_| !message.close);
    let read = |request: v1::StreamLogsRequest| {
        let filter = request.filter.unwrap_or_default();
        Ok::<_, BadMessage>(LogRequest {
            filter: parse::filter::tasks(&mut Fields::new(), filter),
            follow: request.follow,
            tail: request.tail,
            since: optional_time(request.since_time)?,
        })
    };
    Ok(LogSubscription {
        id: message.id.into(),
        request: request.map(read).transpose()?,
    })
}
