// SPDX-License-Identifier: Apache-2.0
//! The table, and the page of results.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::limits::Limits;
use crate::proc::{load, processors};
use crate::profile::Profile;
use crate::rounds::{Measured, figure};
use crate::rows::{Sample, Target};
use crate::server::Programs;
use crate::stats::median;

/// Under which circumstances all was measured.
#[derive(Debug)]
pub(crate) struct Circumstances {
    /// The command line.
    pub(crate) command: String,
    /// The commit, and whether files differ from it.
    pub(crate) commit: String,
    /// The day and the time.
    pub(crate) date: String,
    skepd: String,
    etcd: String,
    machine: String,
    load_before: String,
    limits: Limits,
}

impl Circumstances {
    /// As they are now.
    pub(crate) fn now(programs: &Programs, command: String, limits: Limits) -> Circumstances {
        let changed = !said("git", &["status", "--porcelain", "-uno"]).is_empty();
        let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
        let kernel = said("uname", &["-sr"]);
        let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = model
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or("?", |(_, name)| name.trim());
        let etcd = said(&programs.etcd.display().to_string(), &["--version"]);
        Circumstances {
            command,
            commit: if changed {
                format!("{commit}, with changes")
            } else {
                commit
            },
            date: said("date", &["-u", "+%F %R UTC"]),
            skepd: said(&programs.skepd.display().to_string(), &["--version"]),
            etcd: etcd.lines().next().unwrap_or("none").to_owned(),
            machine: format!("{} processors, {model}, {kernel}", processors()),
            load_before: load(),
            limits,
        }
    }
}

/// What a program says; nothing if it cannot be asked.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

/// All that was measured, as a page.
pub(crate) fn page(
    circumstances: &Circumstances,
    rows: &[Measured],
    profiles: &[Profile],
) -> String {
    let mut page = String::new();
    let c = circumstances;
    let _ = writeln!(page, "# Measured on {}\n", c.date);
    let _ = writeln!(page, "- command: `{}`", c.command);
    let _ = writeln!(page, "- commit: {}", c.commit);
    let _ = writeln!(page, "- skep: {}; peer: {}", c.skepd, c.etcd);
    let _ = writeln!(page, "- machine: {}", c.machine);
    let _ = writeln!(
        page,
        "- load averages: {} before, {} after",
        c.load_before,
        load()
    );
    let _ = writeln!(page, "- limits of the machine: {}\n", c.limits);
    page.push_str(&table(rows));
    page.push_str(EXPLANATION);
    for measured in rows {
        page.push_str(&details(measured));
    }
    for profile in profiles {
        let _ = write!(page, "\n{profile}");
    }
    page
}

const EXPLANATION: &str = "
Each round measures the peer, skep and the peer again; a ratio is how many times as good as the
peer skep was in one round. CPU is that of the server alone, per operation where there are any;
memory is the most it ever had; others is the part of the machine that neither the server nor the
load used, at worst: above a few percent, trust ratios and CPU time more than times.
";

/// A row a line.
pub(crate) fn table(rows: &[Measured]) -> String {
    let mut lines = vec![
        [
            "row",
            "unit",
            "peer",
            "peer's",
            "skep's",
            "ratio min/median",
            "target",
            "reached",
            "CPU peer/skep",
            "peak MiB peer/skep",
            "others",
        ]
        .map(str::to_owned),
    ];
    lines.extend(rows.iter().map(line));
    let mut widths = [0; 11];
    for cells in &lines {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (number, cells) in lines.iter().enumerate() {
        let padded = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(text, "| {} |", padded.collect::<Vec<_>>().join(" | "));
        if number == 0 {
            let rules = widths.map(|width| "-".repeat(width + 2));
            let _ = writeln!(text, "|{}|", rules.join("|"));
        }
    }
    text
}

fn line(measured: &Measured) -> [String; 11] {
    let row = &measured.row;
    let of = |samples: &[Sample], get: fn(&Sample) -> f64| match samples {
        [] => "-".to_owned(),
        samples => figure(median(samples.iter().map(get))),
    };
    let both = |get: fn(&Sample) -> f64| {
        format!("{} / {}", of(&measured.peer, get), of(&measured.skep, get))
    };
    let all = measured.peer.iter().chain(&measured.skep);
    let others = all.map(|sample| sample.usage.others).fold(0.0, f64::max);
    [
        row.name.to_owned(),
        row.unit.to_owned(),
        row.peer.name().to_owned(),
        of(&measured.peer, |sample| sample.value),
        of(&measured.skep, |sample| sample.value),
        measured.ratio().map_or("-".to_owned(), |(least, median)| {
            format!("{least:.2} / {median:.2}")
        }),
        match row.target {
            Target::Ratio(ratio) => format!("{ratio:.1}x"),
            Target::AtMost(most) => format!("at most {}", figure(most)),
            Target::Open => "-".to_owned(),
        },
        match measured.is_reached() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        }
        .to_owned(),
        both(cpu) + cpu_unit(measured),
        both(|sample| sample.usage.peak_mib),
        format!("{:.0} %", others * 100.0),
    ]
}

/// CPU time of an operation in microseconds; without operations, of all in seconds.
fn cpu(sample: &Sample) -> f64 {
    match sample.operations {
        0 => sample.usage.cpu,
        count => sample.usage.cpu * 1e6 / count as f64,
    }
}

fn cpu_unit(measured: &Measured) -> &'static str {
    match measured.skep.first() {
        Some(sample) if sample.operations > 0 => " µs each",
        _ => " s",
    }
}

fn details(measured: &Measured) -> String {
    let row = &measured.row;
    let mut text = format!("\n## {}\n\n{}.\n\n", row.name, row.what);
    let sides = [(row.peer.name(), &measured.peer), ("skep", &measured.skep)];
    for (name, samples) in sides {
        for sample in samples {
            let _ = writeln!(
                text,
                "- {name}: {} {} ({}); {:.2} CPU s in {:.2} s, {:.0} MiB, others {:.0} %",
                figure(sample.value),
                row.unit,
                sample.note,
                sample.usage.cpu,
                sample.usage.wall,
                sample.usage.peak_mib,
                sample.usage.others * 100.0
            );
        }
    }
    text
}

/// Writes the page beside those of other days; gives back where.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn save(folder: &Path, date: &str, page: &str) -> Result<PathBuf> {
    let day = date.split(' ').next().unwrap_or(date);
    let names = (1..).map(|number| match number {
        1 => format!("{day}.md"),
        number => format!("{day}-{number}.md"),
    });
    let place = names.map(|name| folder.join(name)).find(|p| !p.exists());
    let place = place.context("there is no free name for the results")?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(&place, page).with_context(|| format!("cannot write {}", place.display()))?;
    Ok(place)
}
