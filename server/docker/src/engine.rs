// SPDX-License-Identifier: Apache-2.0
//! The connection to an engine: no more than calls, each with its deadline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bollard::API_DEFAULT_VERSION;
use bollard::Docker;
use bollard::errors::Error as Failed;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, EventMessage, ImageInspect,
    SystemInfo,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, InspectContainerOptions,
    KillContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions,
};
use futures::{Stream, StreamExt};

use crate::address::EngineAddress;
use crate::error::EngineError;
use crate::pull::url_safe;
use crate::version::ApiVersion;

/// How long the engine may take for an answer to what needs no work.
const ANSWER: Duration = Duration::from_secs(20);
/// How long it may take for a sign of life.
const PING: Duration = Duration::from_secs(5);
/// How long it may take to begin to answer what needs work: volumes, networks, a runtime.
const WORK: Duration = Duration::from_secs(120);

/// What events of containers are of interest; all others would only cost. The probes of a health
/// check alone make three each.
const EVENTS: [&str; 9] = [
    "create",
    "start",
    "die",
    "oom",
    "destroy",
    "health_status",
    "pause",
    "unpause",
    "rename",
];

/// A Docker engine.
#[derive(Clone)]
pub struct Engine {
    address: EngineAddress,
    /// Made with the first call: the client wants to see the engine's socket.
    client: Arc<OnceLock<Docker>>,
    said: Arc<Mutex<Said>>,
}

/// What an engine said when it was asked for its version.
#[derive(Clone)]
struct Said {
    version: ApiVersion,
    platform: Arc<str>,
}

/// What an engine says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct About {
    /// Limits that it can enforce.
    pub(crate) limits: Vec<&'static str>,
    /// That its own swarm mode is on, and what that means here.
    pub(crate) swarm_mode: Option<String>,
}

impl Engine {
    /// The engine at this address, which is not asked yet.
    #[must_use]
    pub fn new(address: EngineAddress) -> Engine {
        Engine {
            address,
            client: Arc::default(),
            said: Arc::new(Mutex::new(Said {
                version: ApiVersion::OLDEST,
                platform: "its engine's".into(),
            })),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &EngineAddress {
        &self.address
    }

    /// The version of its API, as it was when it last said so.
    #[must_use]
    pub fn version(&self) -> ApiVersion {
        self.said().version
    }

    /// What it runs images of, in their words, as it was when it last said so: "linux/amd64".
    #[must_use]
    pub(crate) fn platform(&self) -> Arc<str> {
        self.said().platform
    }

    fn said(&self) -> Said {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }

    /// For calls that need no work.
    fn quick(&self) -> Result<Docker, EngineError> {
        Ok(self.client()?.clone().with_timeout(ANSWER))
    }

    /// For calls that need work, and for streams.
    pub(crate) fn patient(&self) -> Result<Docker, EngineError> {
        Ok(self.client()?.clone().with_timeout(WORK))
    }

    fn client(&self) -> Result<&Docker, EngineError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = connect(&self.address).map_err(|failed| {
            let what = format!("cannot use the engine at {}", self.address);
            EngineError::new(what, failed)
        })?;
        // The client writes credentials with letters that the engine does not take.
        let client = client.with_request_modifier(url_safe);
        Ok(self.client.get_or_init(|| client))
    }

    /// Asks the engine which version it has, which also tells that it is there. Calls always go
    /// by the newest version that both sides know; what only newer ones have is left out.
    ///
    /// # Errors
    /// If it does not answer, or is too old.
    pub async fn negotiate(&self) -> Result<ApiVersion, EngineError> {
        let what = || format!("cannot use the engine at {}", self.address);
        let answer = self.quick()?.version().await;
        let answer = answer.map_err(|failed| EngineError::new(what(), failed))?;
        let text = answer.api_version.unwrap_or_default();
        let theirs: ApiVersion = text.parse().map_err(|_| {
            EngineError::other(what(), format!("it says its API version is \"{text}\""))
        })?;
        if theirs < ApiVersion::OLDEST {
            let oldest = ApiVersion::OLDEST;
            let words =
                format!("its API is {theirs}, and {oldest} (Engine 20.10) is the oldest known");
            return Err(EngineError::other(what(), words));
        }
        let ours = API_DEFAULT_VERSION;
        let ours = ApiVersion::new(
            u16::try_from(ours.major_version).unwrap_or(u16::MAX),
            u16::try_from(ours.minor_version).unwrap_or(u16::MAX),
        );
        let version = theirs.min(ours);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.version = version;
        if let (Some(os), Some(arch)) = (answer.os, answer.arch) {
            said.platform = format!("{os}/{arch}").into();
        }
        Ok(version)
    }

    /// Whether it takes a new connection, and answers on it.
    pub(crate) async fn takes_calls(&self) -> bool {
        match connect(&self.address) {
            Ok(client) => client.with_timeout(PING).ping().await.is_ok(),
            Err(_) => false,
        }
    }

    pub(crate) async fn about(&self) -> Result<About, EngineError> {
        let info = self.quick()?.info().await;
        let info = info.map_err(|failed| EngineError::new("cannot ask the engine", failed))?;
        Ok(about(&info))
    }

    /// The containers with all of these labels, in whatever state they are.
    pub(crate) async fn list(
        &self,
        labels: &[String],
    ) -> Result<Vec<ContainerSummary>, EngineError> {
        let filters = HashMap::from([("label", labels.to_vec())]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters);
        let listed = self.quick()?.list_containers(Some(options.build())).await;
        listed.map_err(|failed| EngineError::new("cannot list containers", failed))
    }

    /// A container by its id or name; nothing: there is none.
    pub(crate) async fn inspect(
        &self,
        container: &str,
    ) -> Result<Option<ContainerInspectResponse>, EngineError> {
        let options = None::<InspectContainerOptions>;
        let seen = self.quick()?.inspect_container(container, options).await;
        there(seen.map_err(|failed| EngineError::new("cannot look at the container", failed)))
    }

    /// An image by its id or reference; nothing: the engine does not have it.
    pub(crate) async fn image(&self, image: &str) -> Result<Option<ImageInspect>, EngineError> {
        let seen = self.quick()?.inspect_image(image).await;
        there(seen.map_err(|failed| EngineError::new("cannot look at the image", failed)))
    }

    pub(crate) async fn create(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<(), EngineError> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let made = self.patient()?.create_container(Some(options), body).await;
        made.map(drop)
            .map_err(|failed| EngineError::new("cannot make the container", failed))
    }

    pub(crate) async fn start(&self, container: &str) -> Result<(), EngineError> {
        let options = None::<StartContainerOptions>;
        let started = self.patient()?.start_container(container, options).await;
        started.map_err(|failed| EngineError::new("cannot start the container", failed))
    }

    /// Sends a signal. One that does not run needs none.
    pub(crate) async fn kill(&self, container: &str, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let sent = self.quick()?.kill_container(container, Some(options)).await;
        match sent.map_err(|failed| EngineError::new("cannot stop the container", failed)) {
            Err(error) if !matches!(error.status(), Some(404 | 409)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes a container with the volumes that are its own, killing it if it runs.
    pub(crate) async fn remove(&self, container: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().v(true).force(true);
        let removed = self
            .patient()?
            .remove_container(container, Some(options.build()))
            .await;
        match removed.map_err(|failed| EngineError::new("cannot remove the container", failed)) {
            Err(error) if error.is_gone() => Ok(()),
            other => other,
        }
    }

    /// Events of containers with all of these labels, from `since` on, in seconds since 1970.
    pub(crate) fn events(
        &self,
        labels: &[String],
        since: i64,
    ) -> Result<impl Stream<Item = Result<EventMessage, EngineError>> + use<>, EngineError> {
        let filters = HashMap::from([
            ("type", vec!["container".to_owned()]),
            ("event", EVENTS.map(str::to_owned).to_vec()),
            ("label", labels.to_vec()),
        ]);
        let options = EventsOptionsBuilder::new()
            .since(&since.to_string())
            .filters(&filters)
            .build();
        let events = self.patient()?.events(Some(options));
        Ok(events.map(|event| {
            event.map_err(|failed| EngineError::new("cannot hear the engine's events", failed))
        }))
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({})", self.address)
    }
}

fn connect(address: &EngineAddress) -> Result<Docker, Failed> {
    let seconds = WORK.as_secs();
    match address {
        EngineAddress::Unix(path) => {
            let path = path.to_string_lossy();
            Docker::connect_with_unix(&path, seconds, API_DEFAULT_VERSION)
        }
        EngineAddress::Tcp(host) => {
            let host = format!("http://{host}");
            Docker::connect_with_http(&host, seconds, API_DEFAULT_VERSION)
        }
    }
}

fn there<T>(answer: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_gone() => Ok(None),
        Err(error) => Err(error),
    }
}

fn about(info: &SystemInfo) -> About {
    let known = [
        (
            info.cpu_cfs_period == Some(true) && info.cpu_cfs_quota == Some(true),
            "container.limits.cpu",
        ),
        (info.memory_limit == Some(true), "container.limits.memory"),
        (info.pids_limit == Some(true), "container.limits.pids"),
    ];
    let swarm = info.swarm.as_ref().and_then(|swarm| swarm.local_node_state);
    let swarm = swarm.map(|state| state.to_string()).unwrap_or_default();
    let quiet = matches!(&*swarm, "" | "inactive");
    About {
        limits: known
            .into_iter()
            .filter_map(|(can, name)| can.then_some(name))
            .collect(),
        swarm_mode: (!quiet).then(|| {
            format!(
                "the engine's own swarm mode is {swarm}: it takes ports 2377/tcp, 7946/tcp, \
                 7946/udp and 4789/udp of this machine, and may run tasks of its own beside \
                 these; end it with \"docker swarm leave\" (a manager: with --force) if it is \
                 not needed"
            )
        }),
    }
}
