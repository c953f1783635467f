// SPDX-License-Identifier: Apache-2.0
//! What surrounds the services, as small as it gets.

use std::sync::Mutex;

use async_trait::async_trait;
use futures::stream;
use skep_core::model::{NodeId, NodeRole, Revision, SwarmId, Timestamp};
use skep_proto::v1;
use tonic::Status;

use crate::daemon::{DaemonControl, DaemonFacts, DaemonState, Founding};
use crate::error::Failure;
use crate::facts::{LiveFacts, ManagerFacts, NodeFacts, RaftRole};
use crate::member::Clock;
use crate::streams::{Frames, Streams};

/// A daemon that notes what it is told to do.
#[derive(Default)]
pub(super) struct StandDaemon {
    pub(super) founded: Mutex<Option<Founding>>,
    pub(super) forced: Mutex<Option<bool>>,
    pub(super) broken: Mutex<bool>,
}

#[async_trait]
impl DaemonControl for StandDaemon {
    fn describe(&self) -> DaemonFacts {
        assert!(!*self.broken.lock().unwrap(), "this daemon is broken");
        DaemonFacts {
            version: "0.1.0".to_owned(),
            start_time: Timestamp::from_millis(5),
            state: DaemonState::Member,
            error: String::new(),
            node: Some(NodeId(1)),
            swarm: Some(SwarmId(1)),
            role: Some(NodeRole::Manager),
            address: "127.0.0.1".to_owned(),
            revision: Revision(4),
        }
    }

    async fn init_swarm(&self, founding: Founding) -> Result<(NodeId, SwarmId), Failure> {
        let mut founded = self.founded.lock().unwrap();
        if founded.is_some() {
            return Err(Failure::WrongSwarmState {
                state: DaemonState::Member,
                message: "it is in a swarm already".to_owned(),
            });
        }
        *founded = Some(founding);
        Ok((NodeId(7), SwarmId(8)))
    }

    async fn leave_swarm(&self, force: bool) -> Result<(), Failure> {
        *self.forced.lock().unwrap() = Some(force);
        if force {
            return Ok(());
        }
        Err(Failure::QuorumAtRisk {
            managers: 1,
            reachable: 1,
        })
    }
}

/// A leader that remembers little.
pub(super) struct StandFacts;

impl LiveFacts for StandFacts {
    fn term(&self) -> u64 {
        3
    }

    fn managers(&self) -> Vec<ManagerFacts> {
        vec![ManagerFacts {
            node: NodeId(1),
            raft_id: 1,
            role: RaftRole::Leader,
            reachable: true,
            match_revision: Revision(4),
        }]
    }

    fn node(&self, node: NodeId) -> NodeFacts {
        NodeFacts {
            assigned_revision: Revision(u64::try_from(node.0).unwrap_or(0)),
            endpoint_revision: Revision(2),
        }
    }
}

/// Streams with the faults that streams can have.
pub(super) struct StandStreams;

#[async_trait]
impl Streams for StandStreams {
    /// One frame, then what the filter's first task asks for: an error without details, or a
    /// panic; else silence.
    async fn watch_tasks(
        &self,
        request: v1::WatchTasksRequest,
    ) -> Result<Frames<v1::EncodedFrame>, Failure> {
        let fault = request
            .filter
            .and_then(|filter| filter.tasks.into_iter().next());
        let first = v1::EncodedFrame {
            revision: 1,
            ..v1::EncodedFrame::default()
        };
        Ok(Box::pin(stream::unfold(0, move |place| {
            let (first, fault) = (first.clone(), fault.clone());
            async move {
                if place == 1 {
                    // Lets the first frame out before the fault.
                    tokio::task::yield_now().await;
                }
                match (place, fault.as_deref()) {
                    (0, _) => Some((Ok(first), 1)),
                    (1, Some("bare")) => Some((Err(Status::internal("bare")), 2)),
                    (1, Some("panic")) => panic!("this stream is broken"),
                    _ => std::future::pending().await,
                }
            }
        })))
    }

    async fn watch(&self, request: v1::WatchRequest) -> Result<Frames<v1::EncodedFrame>, Failure> {
        if request.after_revision > 1_000 {
            return Err(Failure::UnknownRevision(Revision(1_000)));
        }
        Err(Failure::Limit {
            subject: "watches",
            limit: 0,
            message: "close some watches".to_owned(),
        })
    }

    async fn stream_logs(
        &self,
        _request: v1::StreamLogsRequest,
    ) -> Result<Frames<v1::StreamLogsResponse>, Failure> {
        Ok(Box::pin(stream::empty()))
    }
}

/// A clock that stands still.
pub(super) struct StandClock;

impl Clock for StandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000_000)
    }
}
