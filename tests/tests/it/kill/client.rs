// SPDX-License-Identifier: Apache-2.0
//! A client that changes services of its own and knows what the daemon told it of each.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use skep_sdk::v1::service_spec::Mode;
use skep_sdk::v1::{
    CreateServiceRequest, DeleteServiceRequest, Placement, Replicated, Requirement, Service,
    ServiceSpec, UpdateServiceRequest,
};
use skep_sdk::{Client, Code, Error, Status, new_request_id};
use tokio::sync::watch;

use crate::api::program;

/// Most services that a client has at a time.
const SERVICES_MAX: usize = 3;

/// So many clients have services whose tasks run. Those of the others wait for a node that
/// there is not, which is as much work for the manager and none for the machine.
const CLIENTS_WITH_PROGRAMS: u64 = 3;

/// A label that no node has.
const NOWHERE: &str = "node.labels.nowhere";

/// What the clients and the one who kills tell each other.
pub(super) struct Pace {
    changes: watch::Sender<u64>,
    ended: AtomicBool,
}

impl Pace {
    /// Also gives the number of changes that were acknowledged so far.
    pub(super) fn new() -> (Arc<Pace>, watch::Receiver<u64>) {
        let (changes, made) = watch::channel(0);
        let ended = AtomicBool::new(false);
        (Arc::new(Pace { changes, ended }), made)
    }

    /// Lets the clients end, each once its present change is acknowledged.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// A service as the daemon acknowledged it.
pub(super) struct Kept {
    pub(super) spec: ServiceSpec,
    /// The revision of the last change.
    pub(super) spec_revision: u64,
    /// The newest revision of it that was seen.
    pub(super) revision: u64,
}

/// What a client knows in the end.
#[derive(Default)]
pub(super) struct Account {
    /// By name.
    pub(super) kept: BTreeMap<String, Kept>,
    /// The newest revision that it was told of.
    pub(super) newest: u64,
    /// Changes that were acknowledged.
    pub(super) acknowledged: u64,
    /// Calls that were made again, besides those that the SDK repeats by itself.
    pub(super) repeated: u64,
}

/// A client.
pub(super) struct Writer {
    number: u64,
    made: u32,
    random: StdRng,
    client: Client,
    pace: Arc<Pace>,
    account: Account,
}

impl Writer {
    pub(super) fn new(number: u64, seed: u64, client: Client, pace: Arc<Pace>) -> Writer {
        Writer {
            number,
            made: 0,
            random: StdRng::seed_from_u64(seed),
            client,
            pace,
            account: Account::default(),
        }
    }

    /// Makes one change after the other until it is told to end.
    ///
    /// # Panics
    /// If the daemon refuses a change or answers with anything but what was asked for.
    pub(super) async fn write(mut self) -> Account {
        while !self.pace.ended.load(Ordering::Relaxed) {
            let any = self.account.kept.keys().choose(&mut self.random).cloned();
            match (any, self.random.random_range(0..10)) {
                (None, _) => self.create().await,
                (Some(_), 0..3) if self.account.kept.len() < SERVICES_MAX => self.create().await,
                (Some(name), 0..2) => self.delete(&name).await,
                (Some(name), choice) => self.update(&name, choice < 6).await,
            }
            self.account.acknowledged += 1;
            self.pace.changes.send_modify(|changes| *changes += 1);
        }
        self.account
    }

    /// A second effect would be refused: the name is taken then.
    async fn create(&mut self) {
        self.made += 1;
        let name = format!("client-{}-{}", self.number, self.made);
        let mut spec = program(
            &name,
            self.random.random_range(0..3),
            &["/bin/sleep", "86400"],
        );
        if self.number >= CLIENTS_WITH_PROGRAMS {
            let nowhere = Requirement {
                key: NOWHERE.to_owned(),
                ..Default::default()
            };
            let placement = Placement {
                requirements: vec![nowhere],
                ..Default::default()
            };
            spec.template.get_or_insert_default().placement = Some(placement);
        }
        let request = CreateServiceRequest {
            spec: Some(spec.clone()),
            request_id: new_request_id(),
        };
        let answer = self
            .acknowledged(|client| {
                let request = request.clone();
                async move {
                    let answer = client.services().create_service(request).await?;
                    Ok(answer.into_inner())
                }
            })
            .await;
        self.keep(spec, answer.service, answer.revision);
    }

    /// A second effect would be refused: `if_spec_revision` has passed then.
    async fn update(&mut self, name: &str, scale: bool) {
        let kept = &self.account.kept[name];
        let if_spec_revision = kept.spec_revision;
        let mut spec = kept.spec.clone();
        if scale {
            let replicas = Some(self.random.random_range(0..3));
            spec.mode = Some(Mode::Replicated(Replicated { replicas }));
        }
        let note = new_request_id();
        spec.labels.insert("note".to_owned(), note.clone());
        let request = UpdateServiceRequest {
            service: name.to_owned(),
            spec: Some(spec.clone()),
            if_spec_revision,
            request_id: note,
            ..Default::default()
        };
        let answer = self
            .acknowledged(|client| {
                let request = request.clone();
                async move {
                    let answer = client.services().update_service(request).await?;
                    Ok(answer.into_inner())
                }
            })
            .await;
        assert!(answer.revision > if_spec_revision, "{name} was changed");
        self.keep(spec, answer.service, answer.revision);
    }

    /// A second effect would be refused: there is no such service then, or it is leaving.
    async fn delete(&mut self, name: &str) {
        let kept = self.account.kept.remove(name).expect("it was chosen");
        let request = DeleteServiceRequest {
            service: name.to_owned(),
            if_spec_revision: kept.spec_revision,
            request_id: new_request_id(),
            ..Default::default()
        };
        let answer = self
            .acknowledged(|client| {
                let request = request.clone();
                async move {
                    let answer = client.services().delete_service(request).await?;
                    Ok(answer.into_inner())
                }
            })
            .await;
        self.note(answer.revision);
    }

    /// Makes one call until it is acknowledged, with one request id.
    async fn acknowledged<T, F>(&mut self, call: impl Fn(Client) -> F) -> T
    where
        F: Future<Output = Result<T, Status>>,
    {
        loop {
            let error = match call(self.client.clone()).await {
                Ok(answer) => return answer,
                Err(status) => Error::from(status),
            };
            let unknown = error.is_local() || error.code == Code::Unavailable;
            assert!(
                unknown,
                "client {}: {error} ({})",
                self.number, error.reason
            );
            self.account.repeated += 1;
        }
    }

    fn keep(&mut self, spec: ServiceSpec, service: Option<Service>, revision: u64) {
        let service = service.expect("the answer holds the service");
        assert_eq!(
            service.spec.as_ref(),
            Some(&spec),
            "the answer to client {}",
            self.number
        );
        self.note(revision);
        let meta = service.meta.unwrap_or_default();
        let kept = Kept {
            spec_revision: meta.spec_revision,
            revision: meta.revision,
            spec,
        };
        self.account.kept.insert(kept.spec.name.clone(), kept);
    }

    /// A client makes one change after the other, so their revisions grow.
    fn note(&mut self, revision: u64) {
        let newest = self.account.newest;
        assert!(
            revision > newest,
            "client {}: {revision} after {newest}",
            self.number
        );
        self.account.newest = revision;
    }
}

/// The name of a service.
pub(super) fn name(service: &Service) -> String {
    service.spec.clone().unwrap_or_default().name
}

/// Whether a service is being deleted.
pub(super) fn is_leaving(service: &Service) -> bool {
    let meta = service.meta.as_ref();
    meta.is_some_and(|meta| meta.delete_time.is_some())
}

/// Whether the tasks of a service find a node.
pub(super) fn runs_programs(spec: &ServiceSpec) -> bool {
    let template = spec.template.clone().unwrap_or_default();
    template.placement.is_none()
}
