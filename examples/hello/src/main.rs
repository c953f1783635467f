// SPDX-License-Identifier: Apache-2.0
//! A small server that says who it is, for demonstrations and tests of an orchestrator.
//!
//! It answers HTTP (and, asked to, UDP) with its task, service, node and slot, and it can be
//! told to misbehave: to exit, to ignore the stop signal, to eat memory, to be unhealthy.
//! `skep-hello --help` lists everything. It writes a line to standard output for each thing
//! that happens to it.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

mod check;
mod http;
mod identity;
mod options;
mod udp;

use identity::Identity;
use options::Options;

/// How long open requests may take to finish after the stop signal.
const DRAIN: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            say(options::HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("skep-hello: {error}\nTry 'skep-hello --help'.");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("skep-hello: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until a signal or `--exit-after` ends it.
fn run(options: Options) -> Result<ExitCode, String> {
    // Blocked here, before any thread starts, so that every thread inherits the mask and the
    // signals arrive at `wait_for_stop` alone.
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    signals
        .thread_block()
        .map_err(|error| format!("cannot block signals: {error}"))?;

    let identity = Arc::new(Identity::from_env(&|name| std::env::var(name).ok())?);
    if options.check {
        return check::check(&identity);
    }
    let address = SocketAddr::new(identity.address, identity.port);
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("cannot listen on {address} (SKEP_ADDR, PORT): {error}"))?;
    let bound = listener.local_addr().map_err(|error| error.to_string())?;
    let server = http::Server::start(listener, Arc::clone(&identity), options.healthy)
        .map_err(|error| format!("cannot serve http: {error}"))?;
    say(&format!(
        "{identity}: serving http on {bound}, greeting {:?}",
        identity.greeting
    ));

    if let Some(target) = options.udp {
        let port = target.port(bound.port(), &|name| std::env::var(name).ok())?;
        let socket = UdpSocket::bind((identity.address, port))
            .map_err(|error| format!("cannot listen on udp port {port}: {error}"))?;
        let bound = socket.local_addr().map_err(|error| error.to_string())?;
        udp::start(socket, Arc::clone(&identity)).map_err(|error| error.to_string())?;
        say(&format!("{identity}: echoing udp on {bound}"));
    }
    if let Some(bytes) = options.eat_memory {
        eat_memory(&identity, bytes);
    }
    if let Some(period) = options.print_every {
        let identity = Arc::clone(&identity);
        thread::spawn(move || print_for_ever(&identity, period));
    }
    if let Some(after) = options.exit_after {
        let identity = Arc::clone(&identity);
        thread::spawn(move || exit_after(&identity, after, options.exit_code));
    }

    wait_for_stop(&signals, &identity, options.ignore_sigterm)?;
    let left = server.stop(DRAIN);
    say(&format!("{identity}: stopped, {left} connections cut off"));
    Ok(ExitCode::SUCCESS)
}

/// Returns at SIGINT, and at SIGTERM unless that is to be ignored.
fn wait_for_stop(signals: &SigSet, identity: &Identity, ignore: bool) -> Result<(), String> {
    loop {
        let signal = signals
            .wait()
            .map_err(|error| format!("cannot wait: {error}"))?;
        if ignore && signal == Signal::SIGTERM {
            say(&format!("{identity}: ignoring {signal}"));
        } else {
            say(&format!("{identity}: stopping on {signal}"));
            return Ok(());
        }
    }
}

/// Takes `bytes` of memory and writes to every page, so that they count, for as long as the
/// process lives.
fn eat_memory(identity: &Identity, bytes: usize) {
    // Not zero: a zeroed allocation stays unbacked until it is written to.
    let eaten = vec![1u8; bytes];
    std::mem::forget(std::hint::black_box(eaten));
    say(&format!("{identity}: ate {bytes} bytes of memory"));
}

fn print_for_ever(identity: &Identity, period: Duration) {
    for number in 1u64.. {
        thread::sleep(period);
        say(&format!("{identity}: line {number}"));
    }
}

fn exit_after(identity: &Identity, after: Duration, code: u8) {
    thread::sleep(after);
    say(&format!("{identity}: exiting with {code} after {after:?}"));
    std::process::exit(i32::from(code));
}

/// Writes one line to standard output. A reader that went away is no reason to die.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
