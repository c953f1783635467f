// SPDX-License-Identifier: Apache-2.0
//! What a node runs tasks with: as it was told, or what is there.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use skep_agent::executor::Executor;
use skep_agent::executor::combined::CombinedExecutor;
use skep_agent::executor::idle::IdleExecutor;
use skep_agent::executor::process::{ProcessExecutor, ProcessOptions};
use skep_agent::executor::simulated::SimulatedExecutor;
use skep_docker::{DockerExecutor, DockerOptions, Engine, EngineAddress, Owner};

use crate::config::{Config, ExecutorKind};

/// How long an engine that nobody asked for may take to answer.
const PROBE: Duration = Duration::from_secs(2);

/// The directory of a node that had an engine, so that it is waited for when the node comes back.
const CONTAINERS_DIR: &str = "containers";

/// Where a node keeps its programs.
const PROCESSES_DIR: &str = "tasks";

/// What a node is to run tasks with.
pub(super) struct Wanted<'a> {
    /// The settings.
    pub(super) config: &'a Config,
    /// The node's directory.
    pub(super) dir: &'a Path,
    /// Whose containers are the node's.
    pub(super) owner: Owner,
    /// The node's address.
    pub(super) address: IpAddr,
}

impl Wanted<'_> {
    /// Opens it.
    ///
    /// # Errors
    /// If the settings make no sense, or a directory cannot be used.
    pub(super) async fn open(&self) -> Result<Arc<dyn Executor>> {
        let engine = Engine::new(engine_address(self.config)?);
        let mut parts: Vec<(&'static str, Arc<dyn Executor>)> = Vec::new();
        for kind in self.kinds(&engine).await {
            parts.push(match kind {
                ExecutorKind::Simulated => return Ok(Arc::new(SimulatedExecutor::new())),
                ExecutorKind::Process => ("workload.process", self.processes().await?),
                ExecutorKind::Docker => ("workload.container", self.containers(&engine).await?),
            });
        }
        Ok(match parts.pop() {
            None => Arc::new(IdleExecutor),
            Some((_, only)) if parts.is_empty() => only,
            Some(last) => {
                parts.push(last);
                Arc::new(CombinedExecutor::new(parts))
            }
        })
    }

    async fn kinds(&self, engine: &Engine) -> Vec<ExecutorKind> {
        if !self.config.executor.is_empty() {
            return self.config.executor.clone();
        }
        let mut kinds = Vec::new();
        if self.config.dev {
            kinds.push(ExecutorKind::Process);
        }
        if self.had_engine() || answers(engine).await {
            kinds.push(ExecutorKind::Docker);
        }
        kinds
    }

    /// Whether the node had an engine before: then its tasks may still be there, although the
    /// engine does not answer yet.
    fn had_engine(&self) -> bool {
        self.dir.join(CONTAINERS_DIR).exists()
    }

    async fn processes(&self) -> Result<Arc<dyn Executor>> {
        let options = ProcessOptions::new(self.dir.join(PROCESSES_DIR));
        let opened = ProcessExecutor::open(options).await;
        Ok(Arc::new(opened.context("cannot look after processes")?))
    }

    async fn containers(&self, engine: &Engine) -> Result<Arc<dyn Executor>> {
        let place = self.dir.join(CONTAINERS_DIR);
        std::fs::create_dir_all(&place)
            .with_context(|| format!("cannot make {}", place.display()))?;
        let options = DockerOptions {
            engine: engine.clone(),
            owner: self.owner,
            address: self.address,
            registry_config: registry_config(self.config),
        };
        Ok(Arc::new(DockerExecutor::open(options).await))
    }
}

/// Where the engine is, by the settings.
///
/// # Errors
/// If that is no address of one.
pub(super) fn engine_address(config: &Config) -> Result<EngineAddress> {
    let from = |name: &str, text: &str| -> Result<EngineAddress> {
        text.parse().with_context(|| format!("{name} is wrong"))
    };
    if let Some(text) = &config.docker_host {
        return from("--docker-host", text);
    }
    match std::env::var("DOCKER_HOST") {
        Ok(text) if !text.is_empty() => from("DOCKER_HOST", &text),
        _ => Ok(EngineAddress::default()),
    }
}

async fn answers(engine: &Engine) -> bool {
    let asked = tokio::time::timeout(PROBE, engine.negotiate()).await;
    asked.is_ok_and(|answer| answer.is_ok())
}

/// Where credentials for registries are: as a flag says, else where `docker login` of the daemon's
/// user keeps them. It is logged, for a daemon that finds none asks registries without.
fn registry_config(config: &Config) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty());
    let file = config.registry_config.clone().or_else(|| {
        login_file(
            variable("DOCKER_CONFIG").map(PathBuf::from),
            variable("HOME").map(PathBuf::from),
            home_by_passwd,
        )
    });
    match &file {
        Some(file) if file.exists() => {
            tracing::info!(file = %file.display(), "credentials for registries are read from here");
        }
        Some(file) => tracing::info!(
            file = %file.display(),
            "no credentials for registries yet: they are read from here once \"docker login\" \
             wrote them"
        ),
        None => tracing::warn!(
            "the daemon's user has no home directory, so registries are asked without \
             credentials: name a file with --registry-config"
        ),
    }
    file
}

/// The file that `docker login` writes, by its own variable, that of the home directory, and what
/// the system knows of the user: services are started without variables.
fn login_file(
    docker_config: Option<PathBuf>,
    home: Option<PathBuf>,
    known_home: impl FnOnce() -> Option<PathBuf>,
) -> Option<PathBuf> {
    let dir = docker_config.or_else(|| Some(home.or_else(known_home)?.join(".docker")))?;
    Some(dir.join("config.json"))
}

fn home_by_passwd() -> Option<PathBuf> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let home = user.ok().flatten()?.dir;
    home.is_absolute().then_some(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_where_docker_login_of_the_daemons_user_writes_them() {
        let path = |text: &str| Some(PathBuf::from(text));
        let nobody = || None;
        let known = || path("/known");
        for (docker_config, home, found, want) in [
            (
                path("/etc/docker-of-me"),
                path("/of/me"),
                known(),
                "/etc/docker-of-me/config.json",
            ),
            (None, path("/of/me"), known(), "/of/me/.docker/config.json"),
            (None, None, known(), "/known/.docker/config.json"),
        ] {
            assert_eq!(login_file(docker_config, home, || found), path(want));
        }
        assert_eq!(login_file(None, None, nobody), None);
        // Who runs this has a home, without any variable.
        assert!(home_by_passwd().is_some_and(|home| home.is_absolute()));
    }
}
