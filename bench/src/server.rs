// SPDX-License-Identifier: Apache-2.0
//! A program that is measured: in a directory of its own, and gone with it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// How long a program may take to start, and to end.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(10);
/// The windows of HTTP/2 flow control, for all alike: no row measures those.
const WINDOW_BYTES: u32 = 4 << 20;

/// Where the programs are, and where they may write.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The daemon of skep.
    pub(crate) skepd: PathBuf,
    /// The peer.
    pub(crate) etcd: PathBuf,
    /// Where each one gets a directory: on the disk that is measured.
    pub(crate) scratch: PathBuf,
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    dir: TempDir,
    address: SocketAddr,
}

/// What `skepd` writes once it is up.
#[derive(Deserialize)]
struct Ready {
    dev_addr: SocketAddr,
}

impl Server {
    /// Starts `skepd --dev` with so many nodes; `flags` say the rest.
    ///
    /// # Errors
    /// If it does not come up, with the end of its log.
    pub(crate) async fn skepd(programs: &Programs, nodes: u32, flags: &[&str]) -> Result<Server> {
        let dir = scratch(programs, "skepd")?;
        let settings = dir.path().join("skepd.toml");
        File::create(&settings)?;
        let data = dir.path().join("data");
        let mut command = Command::new(&programs.skepd);
        command
            .args(["--dev", "--dev-addr", "127.0.0.1:0"])
            .args(["--node-addr", "127.77.0.1", "--nodes", &nodes.to_string()])
            .arg("--config")
            .arg(&settings)
            .arg("--data-dir")
            .arg(&data)
            .args(flags);
        let mut server = Server::spawn("skepd", command, dir)?;
        let ready = data.join("ready.json");
        let told = server.until(|| Ok(std::fs::read_to_string(&ready).ok()));
        let ready: Ready = serde_json::from_str(&told.await?).context("ready.json of skepd")?;
        server.address = ready.dev_addr;
        Ok(server)
    }

    /// Starts one etcd, the only member of its cluster.
    ///
    /// # Errors
    /// If it does not come up, with the end of its log.
    pub(crate) async fn etcd(programs: &Programs) -> Result<Server> {
        let dir = scratch(programs, "etcd")?;
        let (clients, peers) = (free_address()?, free_address()?);
        let (client_url, peer_url) = (format!("http://{clients}"), format!("http://{peers}"));
        let mut command = Command::new(&programs.etcd);
        command
            .args(["--name", "bench", "--data-dir"])
            .arg(dir.path().join("data"))
            .args(["--listen-client-urls", &client_url])
            .args(["--advertise-client-urls", &client_url])
            .args(["--listen-peer-urls", &peer_url])
            .args(["--initial-advertise-peer-urls", &peer_url])
            .args(["--initial-cluster", &format!("bench={peer_url}")])
            // Its default of 2 GiB would end a long run with an alarm.
            .args(["--quota-backend-bytes", "8589934592"]);
        let mut server = Server::spawn("etcd", command, dir)?;
        server.address = clients;
        let health =
            format!("GET /health HTTP/1.1\r\nHost: {clients}\r\nConnection: close\r\n\r\n");
        server
            .until(|| Ok(ask(clients, &health).filter(|answer| answer.contains("\"true\""))))
            .await?;
        Ok(server)
    }

    /// Starts this program as a gRPC server that stores nothing.
    ///
    /// # Errors
    /// If it does not come up.
    pub(crate) async fn echo(programs: &Programs) -> Result<Server> {
        let dir = scratch(programs, "echo")?;
        let place = dir.path().join("address");
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--echo").arg(&place);
        let mut server = Server::spawn("echo", command, dir)?;
        let told = server.until(|| Ok(std::fs::read_to_string(&place).ok()));
        server.address = told.await?.parse().context("the address of the echo")?;
        Ok(server)
    }

    fn spawn(name: &'static str, mut command: Command, dir: TempDir) -> Result<Server> {
        let log = File::create(dir.path().join("log"))?;
        for (variable, _) in std::env::vars_os() {
            let text = variable.to_string_lossy();
            if text.starts_with("SKEPD_") || text.starts_with("ETCD_") {
                command.env_remove(&variable);
            }
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Server {
            name,
            child,
            dir,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
        })
    }

    /// Waits until there is something.
    async fn until<T>(&mut self, look: impl Fn() -> Result<Option<T>>) -> Result<T> {
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, self.last_words());
            }
            if let Some(found) = look()? {
                return Ok(found);
            }
            ensure!(
                Instant::now() < deadline,
                "{} does not come up: {}",
                self.name,
                self.last_words()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// So many connections to it.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) async fn channels(&self, count: usize) -> Result<Vec<Channel>> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))?
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        let mut channels = Vec::with_capacity(count);
        for _ in 0..count {
            channels.push(endpoint.connect().await?);
        }
        Ok(channels)
    }

    /// Stops it and waits until it is gone.
    ///
    /// # Errors
    /// If it is not gone in time; it is killed then.
    pub(crate) async fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(self.pid().cast_signed()), Signal::SIGTERM)?;
        let deadline = Instant::now() + START_TIME_MAX;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "{} does not end", self.name);
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn scratch(programs: &Programs, name: &str) -> Result<TempDir> {
    let place = &programs.scratch;
    std::fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    let dir = tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .tempdir_in(place);
    dir.with_context(|| format!("cannot write to {}", place.display()))
}

/// An address that is free, for a program that cannot choose one by itself.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// What an HTTP server answers; nothing if there is none.
fn ask(address: SocketAddr, request: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
