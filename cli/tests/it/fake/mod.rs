// SPDX-License-Identifier: Apache-2.0
//! A swarm that keeps what it is asked, and a way to run the program against it.

mod answers;
mod mask;
mod service;
mod swarm;
mod task;
mod watch;

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use skep_sdk::v1::daemon_service_server::DaemonServiceServer;
use skep_sdk::v1::log_service_server::LogServiceServer;
use skep_sdk::v1::node_service_server::NodeServiceServer;
use skep_sdk::v1::service_service_server::ServiceServiceServer;
use skep_sdk::v1::swarm_service_server::SwarmServiceServer;
use skep_sdk::v1::task_service_server::TaskServiceServer;
use skep_sdk::v1::watch_service_server::WatchServiceServer;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

/// What was asked: the message's name without its package, and the message.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

#[derive(Clone, Default)]
struct Fake {
    asked: Asked,
}

/// A running swarm.
pub(crate) struct Swarm {
    asked: Asked,
    dir: TempDir,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program with nothing of this machine's around it.
pub(crate) fn skep(home: &std::path::Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_skep"));
    command
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

pub(crate) async fn run(mut command: tokio::process::Command) -> Ran {
    let output = command.output().await.unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Swarm {
    pub(crate) async fn start() -> Self {
        let fake = Fake::default();
        let asked = fake.asked.clone();
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("skep.sock")).unwrap();
        let server = Server::builder()
            .add_service(DaemonServiceServer::new(fake.clone()))
            .add_service(SwarmServiceServer::new(fake.clone()))
            .add_service(NodeServiceServer::new(fake.clone()))
            .add_service(ServiceServiceServer::new(fake.clone()))
            .add_service(TaskServiceServer::new(fake.clone()))
            .add_service(LogServiceServer::new(fake.clone()))
            .add_service(WatchServiceServer::new(fake))
            .serve_with_incoming(UnixListenerStream::new(listener));
        let server = tokio::spawn(async move { server.await.unwrap() });
        Self { asked, dir, server }
    }

    /// The program, told where the swarm is.
    pub(crate) fn command(&self, line: &[&str]) -> tokio::process::Command {
        let mut command = skep(self.dir.path());
        command.env(
            "SKEP_HOST",
            format!("unix://{}/skep.sock", self.dir.path().display()),
        );
        command.args(line);
        command
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, line: &[&str]) -> Ran {
        run(self.command(line)).await
    }

    /// Runs a line without blanks in its words.
    pub(crate) async fn line(&self, line: &str) -> Ran {
        self.run(&line.split_whitespace().collect::<Vec<_>>()).await
    }

    /// What was asked since the last time, `request_id`s left out.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// A file for a run to read.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}
