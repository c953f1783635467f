// SPDX-License-Identifier: Apache-2.0
//! Measures skep against its peers, on the machine it runs on: see bench/README.md.

mod echo;
mod etcd;
mod limits;
mod proc;
mod profile;
mod report;
mod rounds;
mod rows;
mod server;
mod stats;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

use limits::Limits;
use report::Circumstances;
use rows::{Peer, ROWS, Row, Setup};
use server::Programs;

/// As the daemon has it: what is compared with the echo is what the daemon adds.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds and seconds of a short look.
const SMOKE: (u32, f64) = (1, 1.0);

/// Measures skep against its peers, and writes a page of results.
#[derive(Parser, Debug)]
#[command(name = "skep-bench", max_term_width = 100)]
struct Arguments {
    /// Rows to measure, by name or by the beginning of it; none: all.
    rows: Vec<String>,

    /// Rounds of peer, skep, peer.
    #[arg(long, default_value_t = 3, value_name = "N")]
    rounds: u32,

    /// How long each measurement takes, about.
    #[arg(long, default_value_t = 4.0, value_name = "SECONDS")]
    seconds: f64,

    /// One short round, to see whether all works. Writes no page.
    #[arg(long)]
    smoke: bool,

    /// Look with perf at what skepd does, once more for each row that has a peer or a target.
    #[arg(long)]
    profile: bool,

    /// The daemon of skep, built for release.
    #[arg(long, value_name = "PATH")]
    skepd: PathBuf,

    /// The peer; Debian has it in the package etcd-server.
    #[arg(long, default_value = "/usr/bin/etcd", value_name = "PATH")]
    etcd: PathBuf,

    /// Where programs keep their data meanwhile: on a real disk.
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,

    /// Where the page is written.
    #[arg(long, default_value = "bench/results", value_name = "DIR")]
    results: PathBuf,

    /// What to say was typed.
    #[arg(long, hide = true, default_value = "skep-bench", value_name = "TEXT")]
    command: String,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().context("the system gives no threads");
    let done = runtime.and_then(|runtime| runtime.block_on(run()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    // The echo is this program again, and is told nothing else.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "--echo")
        && let Some(place) = words.next()
    {
        return echo::serve(place.as_ref()).await;
    }
    let arguments = Arguments::parse();
    let rows = chosen(&arguments.rows)?;
    let (rounds, seconds) = match arguments.smoke {
        true => SMOKE,
        false => (arguments.rounds, arguments.seconds),
    };
    let setup = Setup {
        programs: Programs {
            skepd: arguments.skepd,
            etcd: arguments.etcd,
            scratch: arguments.scratch,
        },
        seconds,
    };
    check(&setup.programs, &rows)?;
    let limits = Limits::measure(&setup.programs)?;
    eprintln!("{limits}; load {}", proc::load());
    let circumstances = Circumstances::now(&setup.programs, arguments.command, limits);
    let mut measured = Vec::with_capacity(rows.len());
    for row in &rows {
        measured.push(rounds::run(*row, rounds, &setup).await?);
    }
    let mut profiles = Vec::new();
    for row in rows
        .iter()
        .filter(|row| arguments.profile && row.peer != Peer::None)
    {
        profiles.push(profile::take(row, &setup).await?);
    }
    println!("{}", report::table(&measured));
    if arguments.smoke {
        profiles.iter().for_each(|profile| println!("{profile}"));
        return Ok(());
    }
    let page = report::page(&circumstances, &measured, &profiles);
    let place = report::save(&arguments.results, &circumstances.date, &page)?;
    println!("written: {}", place.display());
    Ok(())
}

/// The rows whose names begin with one of these words.
fn chosen(words: &[String]) -> Result<Vec<Row>> {
    let names = || ROWS.map(|row| row.name).join(", ");
    for word in words {
        if !ROWS.iter().any(|row| row.name.starts_with(word.as_str())) {
            bail!("there is no row \"{word}\"; there are: {}", names());
        }
    }
    let exact = |row: &Row| words.iter().any(|word| word == row.name);
    let begun = |row: &Row| {
        let mut open = words
            .iter()
            .filter(|word| !ROWS.iter().any(|r| r.name == word.as_str()));
        open.any(|word| row.name.starts_with(word.as_str()))
    };
    let is_chosen = |row: &Row| words.is_empty() || exact(row) || begun(row);
    Ok(ROWS.into_iter().filter(is_chosen).collect())
}

fn check(programs: &Programs, rows: &[Row]) -> Result<()> {
    let skepd = &programs.skepd;
    ensure!(
        skepd.exists(),
        "{} is missing: use `make bench`, which builds it",
        skepd.display()
    );
    let needs_etcd = |row: &Row| matches!(row.peer, Peer::Etcd | Peer::EtcdStandIn);
    ensure!(
        programs.etcd.exists() || !rows.iter().any(needs_etcd),
        "{} is missing: install it (Debian: apt-get install etcd-server), or name it with ETCD=",
        programs.etcd.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Result<Vec<&'static str>> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(chosen(&words)?.iter().map(|row| row.name).collect())
    }

    #[test]
    fn rows_are_chosen_by_name() {
        assert_eq!(names(&[]).expect("all").len(), ROWS.len());
        assert_eq!(names(&["fanout"]).expect("one"), ["fanout"]);
        assert_eq!(
            names(&["writes"]).expect("several"),
            ["writes-1", "writes-64", "writes-256"]
        );
        let error = names(&["nothing"]).expect_err("no row").to_string();
        assert!(error.contains("there are: writes-1,"), "{error}");
    }

    #[test]
    fn arguments_fit_together() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
