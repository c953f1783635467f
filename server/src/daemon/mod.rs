// SPDX-License-Identifier: Apache-2.0
//! The daemon: in no swarm, or a member of one.

mod disk;
mod executors;
mod failure;
mod layout;
mod member;
mod nodes;
mod start;
mod streams;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use anyhow::Result;
use async_trait::async_trait;
use skep_core::model::{NodeId, NodeRole, Revision, SwarmId, SwarmSpec, Timestamp};
use skep_manager::daemon::{DaemonControl, DaemonFacts, DaemonState, Founding};
use skep_manager::error::Failure;
use skep_manager::member::{Clock, Membership, SystemClock};
use tokio::sync::{Mutex, watch};

use crate::config::Config;
use crate::identity::Identity;

use failure::AlreadyMember;
use member::Member;
use start::{Start, StoreFound, at_founding, at_start};

pub(crate) use layout::Layout;

/// What a daemon is made of, whatever swarm it is in.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The settings.
    pub config: Arc<Config>,
    /// Where everything is kept.
    pub data: PathBuf,
    /// The nodes that this daemon is, when it founds a swarm.
    pub layout: Layout,
}

/// The daemon.
pub(crate) struct Daemon {
    /// Itself, for what must go on though the caller who asked for it has gone.
    itself: Weak<Daemon>,
    setup: Setup,
    start_time: Timestamp,
    /// What answers calls.
    pub membership: Arc<Membership>,
    member: Mutex<Option<Member>>,
    shown: Arc<RwLock<Shown>>,
}

/// What is said of the daemon's part in a swarm.
#[derive(Clone, Default)]
struct Shown {
    member: Option<(NodeId, SwarmId, String)>,
    error: String,
}

impl Daemon {
    /// A daemon that is in no swarm yet.
    #[must_use]
    pub(crate) fn new(setup: Setup) -> Arc<Daemon> {
        Arc::new_cyclic(|itself| Daemon {
            itself: itself.clone(),
            setup,
            start_time: SystemClock.now(),
            membership: Arc::new(Membership::outside()),
            member: Mutex::new(None),
            shown: Arc::default(),
        })
    }

    /// Takes up its part in the swarm that it was in before, if there was one; with --dev,
    /// founds one otherwise.
    ///
    /// # Errors
    /// If what is kept cannot be used.
    pub(crate) async fn resume(&self) -> Result<()> {
        // Also where nothing is to be run yet: whoever founds a swarm later gave no flags.
        executors::engine_address(&self.setup.config)?;
        let data = &self.setup.data;
        let identity = Identity::load(data)?;
        let mut found = disk::look(data, identity.is_some());
        if let (Start::Resume, Some(identity)) = (at_start(found), &identity) {
            if let Some(member) = Member::resume(&self.setup, identity).await? {
                self.enter(identity, member).await;
                return Ok(());
            }
            found.store = StoreFound::Empty;
        }
        match at_start(found) {
            Start::Refuse(why) => return Err(disk::refused(data, why).into()),
            Start::CleanUp => {
                tracing::warn!(
                    "the daemon died while it founded or left a swarm: what is left is removed"
                );
                disk::erase(data)?;
            }
            Start::Outside | Start::Resume => {}
        }
        if self.setup.config.dev {
            let spec = SwarmSpec::default();
            let founding = Founding {
                spec,
                node_name: None,
                availability: None,
            };
            self.found(founding).await?;
        } else {
            tracing::info!("in no swarm: waiting for \"skep swarm init\"");
        }
        Ok(())
    }

    /// Founds a swarm. A daemon that dies before this is done is in none.
    async fn found(&self, founding: Founding) -> Result<Identity> {
        let mut place = self.member.lock().await;
        if place.is_some() {
            // Another founding came first.
            return Err(AlreadyMember.into());
        }
        let data = &self.setup.data;
        at_founding(disk::look(data, false)).map_err(|why| disk::refused(data, why))?;
        let identity = self.setup.layout.new_identity(founding.node_name.as_ref());
        identity.save(&self.setup.data)?;
        let member = match Member::found(&self.setup, &identity, founding).await {
            Ok(member) => member,
            Err(error) => {
                disk::erase(&self.setup.data)?;
                return Err(error);
            }
        };
        self.show_member(&identity, &member);
        *place = Some(member);
        Ok(identity)
    }

    async fn enter(&self, identity: &Identity, member: Member) {
        let mut place = self.member.lock().await;
        self.show_member(identity, &member);
        *place = Some(member);
    }

    fn show_member(&self, identity: &Identity, member: &Member) {
        self.membership.join(member.manager());
        if let Some(first) = identity.nodes.first() {
            let address = first.address_text();
            self.show(|shown| shown.member = Some((first.id, identity.swarm, address)));
        }
        let noted = note_failure(member.failures(), self.shown.clone());
        let stopping = member.stopping();
        tokio::spawn(async move {
            // A store that is told to stop stops as well, and that is no failure.
            tokio::select! {
                biased;
                () = stopping.cancelled() => {}
                () = noted => {}
            }
        });
    }

    /// Ends its part in the swarm for now. Its tasks end too, or go on and are found again by
    /// the next start.
    pub(crate) async fn stop(&self, end_tasks: bool) {
        if let Some(member) = self.member.lock().await.take() {
            member.stop(end_tasks).await;
        }
    }

    /// The metrics, while the daemon is in a swarm.
    #[must_use]
    pub(crate) fn metrics(&self) -> Option<String> {
        let member = self.member.try_lock().ok()?;
        member.as_ref()?.metrics()
    }

    /// Carries something out to its end, even if the caller goes away meanwhile: half a founding
    /// would leave a store open that nobody knows of, half a leaving tasks that nobody ends.
    async fn to_the_end<T, F>(&self, act: impl FnOnce(Arc<Daemon>) -> F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let daemon = self.itself.upgrade();
        let daemon = daemon.ok_or_else(|| Failure::NotReady("skepd is stopping".to_owned()))?;
        let data = daemon.setup.data.clone();
        let done = tokio::spawn(act(daemon)).await;
        done.map_err(|broken| Failure::internal(&broken.to_string()))?
            .map_err(|error| failure::failure(&error, &data))
    }

    fn show(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.write().unwrap_or_else(PoisonError::into_inner));
    }

    async fn leave(&self) -> Result<()> {
        let mut place = self.member.lock().await;
        if let Some(member) = place.take() {
            self.membership.leave();
            member.stop(true).await;
        }
        disk::erase(&self.setup.data)?;
        self.show(|shown| *shown = Shown::default());
        Ok(())
    }
}

/// Notes that the store stopped because of an error, if it does: the daemon goes on to answer
/// reads, and its tasks go on to run.
async fn note_failure(
    mut failures: watch::Receiver<Option<skep_store::Failure>>,
    shown: Arc<RwLock<Shown>>,
) {
    let failed = failures.wait_for(Option::is_some).await;
    let Some(error) = failed.ok().and_then(|failure| failure.clone()) else {
        return;
    };
    tracing::error!(%error, "no change is acknowledged any more; mend this, then start skepd again");
    shown.write().unwrap_or_else(PoisonError::into_inner).error = error.to_string();
}

#[async_trait]
impl DaemonControl for Daemon {
    fn describe(&self) -> DaemonFacts {
        let shown = self
            .shown
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let state = match (&shown.member, shown.error.is_empty()) {
            (_, false) => DaemonState::Error,
            (Some(_), true) => DaemonState::Member,
            (None, true) => DaemonState::Outside,
        };
        let manager = self.membership.manager().ok();
        let revision = manager.map_or(Revision(0), |manager| manager.cluster.view().revision());
        let (node, swarm, address) = match shown.member {
            Some((node, swarm, address)) => (Some(node), Some(swarm), address),
            None => (None, None, String::new()),
        };
        DaemonFacts {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start_time: self.start_time,
            state,
            error: shown.error,
            node,
            swarm,
            role: node.map(|_| NodeRole::Manager),
            address,
            revision,
        }
    }

    async fn init_swarm(&self, founding: Founding) -> Result<(NodeId, SwarmId), Failure> {
        if self.describe().state != DaemonState::Outside {
            return Err(failure::already_member(self.describe().state));
        }
        let identity = self
            .to_the_end(|daemon| async move { daemon.found(founding).await })
            .await?;
        let node = identity.nodes.first().map(|node| node.id);
        let node = node.ok_or_else(|| Failure::internal("a swarm was founded without a node"))?;
        Ok((node, identity.swarm))
    }

    async fn leave_swarm(&self, force: bool) -> Result<(), Failure> {
        if self.describe().node.is_none() {
            return Err(Failure::WrongSwarmState {
                state: self.describe().state,
                message: "this daemon is in no swarm".to_owned(),
            });
        }
        if !force {
            return Err(Failure::QuorumAtRisk {
                managers: 1,
                reachable: 1,
            });
        }
        self.to_the_end(|daemon| async move { daemon.leave().await })
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use futures::FutureExt;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_founding_goes_on_though_its_caller_has_gone() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = Config::try_parse_from(["skepd"]).expect("good flags");
        let daemon = Daemon::new(Setup {
            data: dir.path().to_path_buf(),
            layout: Layout::of(&config).expect("a layout"),
            config: Arc::new(config),
        });
        let founding = Founding {
            spec: SwarmSpec::default(),
            node_name: None,
            availability: None,
        };
        // Begun, and then given up by the caller.
        assert!(daemon.init_swarm(founding).now_or_never().is_none());
        let founded = async {
            while daemon.describe().state != DaemonState::Member {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(60), founded).await;
        in_time.expect("the swarm is founded all the same");
        daemon.stop(true).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_two_foundings_at_once_the_second_is_told_that_there_is_a_swarm() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = Config::try_parse_from(["skepd"]).expect("good flags");
        let daemon = Daemon::new(Setup {
            data: dir.path().to_path_buf(),
            layout: Layout::of(&config).expect("a layout"),
            config: Arc::new(config),
        });
        let founding = || Founding {
            spec: SwarmSpec::default(),
            node_name: None,
            availability: None,
        };
        // Both see a daemon in no swarm before either has begun.
        let both =
            futures::future::join(daemon.init_swarm(founding()), daemon.init_swarm(founding()));
        let (one, other) = tokio::time::timeout(Duration::from_secs(60), both)
            .await
            .expect("both are answered");
        let failures: Vec<Failure> = [one.err(), other.err()].into_iter().flatten().collect();
        assert_eq!(failures, [failure::already_member(DaemonState::Member)]);
        daemon.stop(true).await;
    }
}
