// SPDX-License-Identifier: Apache-2.0
//! One session with an agent: core's machine, driven from a stream.

use skep_core::model::{NodeId, Revision};
use skep_core::session::{ManagerMessage, ManagerOutput, ManagerSession};
use skep_proto::internal::v1::{SessionRequest, SessionResponse};
use skep_wire::session::{manager_message, read_agent_message};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::cluster::ClusterError;
use crate::trouble::DELAY_MAX;

use super::Dispatch;
use super::hub::Place;

type Outbox = mpsc::Sender<Result<SessionResponse, Status>>;

/// Why a session ends that another one of the same node follows.
const BEGAN_ANEW: &str = "the agent began anew";

/// A report that was written, or could not be.
type Written = (Option<u64>, Result<(), ClusterError>);

/// Keeps a session until either end ends it.
pub(super) async fn run(
    dispatch: Dispatch,
    node: NodeId,
    inbox: Streaming<SessionRequest>,
    outbox: Outbox,
    stop: CancellationToken,
) {
    let place = dispatch.inner.hub.sit(node);
    let now = dispatch.inner.pace.now();
    let session = place.session;
    let machine = ManagerSession::new(node, place.tracker.clone(), now);
    let mut talk = Talk {
        dispatch: dispatch.clone(),
        node,
        machine,
        outbox,
        writing: JoinSet::new(),
        since: Revision(0),
    };
    let ended = tokio::select! {
        ended = talk.go_on(place, inbox) => ended,
        () = stop.cancelled() => "the manager is stopping".to_owned(),
    };
    tracing::debug!(%node, reason = ended, "a session with an agent ended");
    dispatch
        .inner
        .hub
        .leave(node, session, talk.machine.into_tracker());
}

struct Talk {
    dispatch: Dispatch,
    node: NodeId,
    machine: ManagerSession,
    outbox: Outbox,
    writing: JoinSet<Written>,
    /// The revision at which the agent was welcomed.
    since: Revision,
}

impl Talk {
    /// Takes what comes until the session ends; gives the reason.
    async fn go_on(&mut self, mut place: Place, mut inbox: Streaming<SessionRequest>) -> String {
        loop {
            let acted = tokio::select! {
                acted = self.act(place.session) => acted,
                // An agent that reads nothing more must not keep its next session waiting.
                () = place.end.cancelled() => Err(BEGAN_ANEW.to_owned()),
            };
            if let Err(reason) = acted {
                return reason;
            }
            let pace = self.dispatch.inner.pace;
            let wake_at = self.machine.wake_at();
            let wake = async {
                match wake_at {
                    Some(time) => tokio::time::sleep(time.since(pace.now())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = inbox.message() => match message {
                    Ok(Some(message)) => {
                        if let Err(reason) = self.take(message) {
                            return reason;
                        }
                    }
                    Ok(None) => return "the agent hung up".to_owned(),
                    Err(status) => return status.message().to_owned(),
                },
                Some(written) = self.writing.join_next() => match written {
                    Ok((report, Ok(()))) => self.written(report),
                    Ok((_, Err(error))) => return error.to_string(),
                    Err(error) => return error.to_string(),
                },
                // Before its Hello an agent takes no orders: they wait.
                Some(subscription) = place.subscriptions.recv(), if self.machine.is_live() => {
                    let now = self.dispatch.inner.pace.now();
                    self.machine.tell(ManagerMessage::Logs(subscription), now);
                }
                () = place.wake.notified() => {}
                () = wake => {}
                () = place.end.cancelled() => return BEGAN_ANEW.to_owned(),
            }
        }
    }

    fn take(&mut self, message: SessionRequest) -> Result<(), String> {
        let message = read_agent_message(message).map_err(|error| error.to_string())?;
        let inner = &self.dispatch.inner;
        let (state, now) = (inner.cluster.view(), inner.pace.now());
        let welcomed = self.machine.is_live();
        self.machine.receive(message, &state, now);
        if self.machine.is_live() {
            if !welcomed {
                self.since = state.revision();
            }
            inner.hub.heard(&state, self.node, now);
        }
        Ok(())
    }

    fn written(&mut self, report: Option<u64>) {
        if let Some(report) = report {
            self.machine
                .committed(report, self.dispatch.inner.pace.now());
        }
    }

    /// Does what the machine wants done.
    async fn act(&mut self, session: u64) -> Result<(), String> {
        let inner = self.dispatch.inner.clone();
        inner.hub.acked(self.node, session, self.machine.ack());
        let now = inner.pace.now();
        let outputs = inner.hub.tick(session, &mut self.machine, self.since, now);
        for output in outputs {
            match output {
                ManagerOutput::Send(message) => {
                    let sent = self.outbox.send(Ok(manager_message(&message))).await;
                    sent.map_err(|_| "the agent hung up".to_owned())?;
                }
                ManagerOutput::Write { report, writes } => {
                    let batch = inner.batch.clone();
                    self.writing.spawn(async move {
                        let written = batch.write(writes).await;
                        if written.is_err() {
                            // The session ends with this, and the agent is back at once with
                            // the same report.
                            tokio::time::sleep(DELAY_MAX).await;
                        }
                        (report, written)
                    });
                }
                ManagerOutput::Refused(reports) => {
                    let (node, count) = (self.node, reports.len());
                    tracing::warn!(%node, count, ?reports, "a node reports what is not its own");
                }
                ManagerOutput::Close(end) => return Err(end.to_string()),
            }
        }
        Ok(())
    }
}
