// SPDX-License-Identifier: Apache-2.0
//! Waiting for a service: core judges it whenever something has changed, and when it said so.

use std::time::Duration;

use skep_core::admit::{allow_missing, find_service};
use skep_core::model::{Revision, ServiceId};
use skep_core::state::State;
use skep_core::wait::{Goal, Options, Verdict, Wait};
use skep_proto::v1;
use skep_wire::parse::{self, Fields};
use skep_wire::render;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::service::ServiceApi;
use crate::call::{Call, check_reference};
use crate::catch_up;
use crate::cluster::{Cluster, ClusterError};
use crate::error::Failure;
use crate::member::Manager;

/// Longest silence of the store after which a wait looks whether there is a leader still.
const LEADER_INTERVAL: Duration = Duration::from_secs(5);

impl ServiceApi {
    /// Answers when the service is as was asked for, or is known not to become so.
    pub(super) async fn wait(
        &self,
        call: &Call,
        request: v1::WaitServiceRequest,
    ) -> Result<v1::WaitServiceResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        check_reference(&mut fields, "service", &request.service);
        let mut options = parse::wait::options(&mut fields, &request);
        fields.finish()?;
        let began = Instant::now();
        let patience = call.patience().saturating_duration_since(began);
        options.timeout = options.timeout.min(patience);
        let _room = manager.waits.enter()?;
        let (state, service) = tokio::select! {
            biased;
            failure = ended(&manager) => return Err(failure),
            reached = reached(&*manager.cluster, &request.service, options, began) => reached?,
        };
        let service = service.and_then(|id| state.service(id));
        Ok(v1::WaitServiceResponse {
            service: service.map(|service| render::service(service)),
            revision: state.revision().0,
        })
    }
}

/// The state in which the service is as was asked for, and which service that is; nothing: there
/// was none, and none was wanted.
async fn reached(
    cluster: &dyn Cluster,
    reference: &str,
    options: Options,
    began: Instant,
) -> Result<(State, Option<ServiceId>), Failure> {
    // From before the first look, so that nothing is missed after it.
    let heads = cluster.heads();
    let state = newest(cluster).await?;
    let found = find_service(&state, reference);
    let Some(service) = allow_missing(found, options.goal == Goal::Deleted)? else {
        return Ok((state, None));
    };
    let mut wait = Wait::new(options, &service);
    let state = follow(cluster, heads, &mut wait, state, began).await?;
    Ok((state, Some(wait.service())))
}

/// Looks at every state that may say something new, until one decides.
async fn follow(
    cluster: &dyn Cluster,
    mut heads: watch::Receiver<Revision>,
    wait: &mut Wait,
    mut state: State,
    began: Instant,
) -> Result<State, Failure> {
    let mut is_newest = true;
    loop {
        let until = match wait.look(&state, is_newest, began.elapsed()) {
            Verdict::Reached => return Ok(state),
            Verdict::Failed(ending) => return Err(Failure::Waited(ending)),
            Verdict::Prove => {
                state = newest(cluster).await?;
                is_newest = true;
                continue;
            }
            Verdict::Wait { until } => began + until,
        };
        tokio::select! {
            changed = heads.changed() => changed.map_err(|_| stopping())?,
            () = sleep_until(until.min(Instant::now() + LEADER_INTERVAL)) => {}
        }
        // Whatever is published from here on wakes the wait above.
        heads.borrow_and_update();
        let is_led;
        (state, is_led) = cluster.look(|source| (source.state.clone(), source.fresh));
        if !is_led {
            return Err(Failure::NoQuorum);
        }
        is_newest = false;
    }
}

/// A state that has every change acknowledged so far.
async fn newest(cluster: &dyn Cluster) -> Result<State, Failure> {
    let index = catch_up::newest(cluster).await?;
    catch_up::arrived(cluster, index).await?;
    Ok(cluster.view())
}

/// Waits until this manager stops, or its store does; why no wait goes on here.
async fn ended(manager: &Manager) -> Failure {
    // No store gets that far: this ends when it stops.
    let never = manager.cluster.wait_for(Revision(u64::MAX));
    tokio::select! {
        () = manager.waits.stopped() => stopping(),
        _ = never => {
            let asked = manager.cluster.read_index().await;
            asked.err().map_or_else(stopping, |error: ClusterError| error.into())
        }
    }
}

fn stopping() -> Failure {
    Failure::NotReady("the manager is stopping".to_owned())
}
