// SPDX-License-Identifier: Apache-2.0
//! The daemon from start to end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use skep_manager::api::{self, Api};
use skep_store::DataDir;
use skep_store::fs::RealFs;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::daemon::{Daemon, Layout, Setup};
use crate::paths::{Paths, Surroundings};
use crate::ready::{self, Ready};
use crate::{listen, metrics, serve};

/// Where the dev API is served with --dev unless a flag says otherwise.
const DEV_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2378);

/// How long calls that are on their way may take once the daemon stops.
const LAST_CALLS_TIME: Duration = Duration::from_secs(5);

/// The exit code of a daemon that was ended at once by signal N is this and N, as in shells.
const SIGNAL_EXIT_BASE: i32 = 128;

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// If it cannot start, or cannot go on.
pub(crate) fn run(config: Config) -> Result<()> {
    allow_many_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("the system gives no threads")?;
    let done = runtime.block_on(serve_until_told(config));
    runtime.shutdown_timeout(LAST_CALLS_TIME);
    done
}

/// Every connection through a published port takes files, of which systems allow a thousand
/// unless they are asked for more. Tasks inherit what is allowed here.
fn allow_many_files() {
    const FILES_MAX: u64 = 1 << 20;
    let allowed = getrlimit(Resource::RLIMIT_NOFILE);
    let raised = allowed.and_then(|(soft, hard)| {
        let wanted = hard.min(FILES_MAX).max(soft);
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// The listeners, opened before anything else, so that what is wrong with them is said at once.
struct Doors {
    socket: listen::Socket,
    unix: tokio::net::UnixListener,
    dev: Option<(SocketAddr, TcpListener)>,
    metrics: Option<(SocketAddr, TcpListener)>,
}

impl Doors {
    async fn open(config: &Config, paths: &Paths) -> Result<Doors> {
        let (socket, unix) = listen::Socket::open(&paths.socket).await?;
        let dev = match config.dev_addr.or(config.dev.then_some(DEV_ADDR)) {
            Some(address) => Some(listen::tcp(address, "--dev-addr").await?),
            None => None,
        };
        let metrics = match config.metrics_addr {
            Some(address) => Some(listen::tcp(address, "--metrics-addr").await?),
            None => None,
        };
        Ok(Doors {
            socket,
            unix,
            dev,
            metrics,
        })
    }

    fn ready(&self, paths: &Paths) -> Ready {
        Ready {
            pid: std::process::id(),
            socket: paths.socket.clone(),
            dev_addr: self.dev.as_ref().map(|(address, _)| *address),
            metrics_addr: self.metrics.as_ref().map(|(address, _)| *address),
        }
    }
}

async fn serve_until_told(config: Config) -> Result<()> {
    // Before anything is made: from here on a signal ends nothing half way. One that comes
    // while the daemon starts is obeyed once it has started, so that what it made is cleared up.
    let mut signals = Signals::catch()?;
    let paths = Paths::choose(&config, &Surroundings::of_process())?;
    let _data_dir = DataDir::open(&RealFs, &paths.data)?;
    ready::retract(&paths.data);
    let doors = Doors::open(&config, &paths).await?;
    let ready = doors.ready(&paths);
    let layout = Layout::of(&config)?;
    let setup = Setup {
        config: Arc::new(config),
        data: paths.data.clone(),
        layout,
    };
    let daemon = Daemon::new(setup);
    daemon.resume().await?;

    let stop = CancellationToken::new();
    let (socket, mut serving) = start_serving(doors, &daemon, &stop).await;
    ready.announce(&paths.data)?;
    let dev_addr = ready.dev_addr.map(tracing::field::display);
    tracing::info!(socket = %ready.socket.display(), dev_addr, "ready");

    let failed = tokio::select! {
        _ = signals.told_to_stop() => None,
        Some(ended) = serving.join_next() => ended.map_or_else(|e| Some(e.into()), Result::err),
    };
    let left = paths.temporary.as_ref().map(|dir| dir.path().to_owned());
    tokio::spawn(signals.end_at_once(left));
    ready::say_stopping();
    ready::retract(&paths.data);
    drop(socket);
    daemon.stop(paths.temporary.is_some()).await;
    stop.cancel();
    let last_calls = async { while serving.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_CALLS_TIME, last_calls)
        .await
        .is_err()
    {
        tracing::warn!("calls that did not end were cut off");
    }
    tracing::info!("stopped");
    failed.map_or(Ok(()), Err)
}

async fn start_serving(
    doors: Doors,
    daemon: &Arc<Daemon>,
    stop: &CancellationToken,
) -> (listen::Socket, JoinSet<Result<()>>) {
    let api = Api {
        membership: daemon.membership.clone(),
        daemon: daemon.clone(),
    };
    let services = api::services(&api).await;
    let mut serving = JoinSet::new();
    serving.spawn(serve::socket(
        doors.unix,
        services.routes.clone(),
        stop.clone(),
    ));
    if let Some((_, listener)) = doors.dev {
        serving.spawn(serve::dev(listener, services.routes, stop.clone()));
    }
    if let Some((_, listener)) = doors.metrics {
        let daemon = daemon.clone();
        let source: metrics::Source = Arc::new(move || daemon.metrics());
        serving.spawn(metrics::serve(listener, source, stop.clone()));
    }
    (doors.socket, serving)
}

/// The signals that tell the daemon to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on these signals are noted, and do not end the process.
    fn catch() -> Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them; one that came since [`Signals::catch`] counts. Gives its number.
    async fn told_to_stop(&mut self) -> i32 {
        let (signal, name) = tokio::select! {
            _ = self.terminate.recv() => (SignalKind::terminate(), "SIGTERM"),
            _ = self.interrupt.recv() => (SignalKind::interrupt(), "SIGINT"),
        };
        tracing::info!("told to stop ({name}); told so again, skepd ends at once");
        signal.as_raw_value()
    }

    /// Ends the process with the next one, whatever is still being stopped: as after a power
    /// cut the next start goes on with what is on disk, and finds the tasks that still run. If
    /// that is in the directory `left`, which would have gone away, it has to be told of it.
    async fn end_at_once(mut self, left: Option<PathBuf>) {
        let signal = self.told_to_stop().await;
        match left {
            None => {
                tracing::warn!(
                    "ended at once; tasks may run on and are found again by the next start"
                );
            }
            Some(dir) => tracing::warn!(
                "ended at once; tasks may run on, and {dir} stays: `skepd --dev --data-dir {dir}` \
                 finds them again",
                dir = dir.display()
            ),
        }
        std::process::exit(SIGNAL_EXIT_BASE + signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_during_the_start_is_obeyed_after_it() {
        let mut signals = Signals::catch().expect("the system allows it");
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM).expect("it is sent");
        // Nobody waited when it came.
        signals.told_to_stop().await;
    }
}
