// SPDX-License-Identifier: Apache-2.0
//! What Docker's swarm mode prints, taken down by `scripts/docker-goldens.sh`, beside what `skep`
//! prints: each column, label and sentence of Docker's is there in the same order, or stands in a
//! table of differences below, with why. `docs/coming-from-docker.md` shows these tables.

use std::path::{Path, PathBuf};

/// Something of Docker's that is otherwise: where, what, what there is in place of it (empty:
/// nothing), and why.
type Difference = (&'static str, &'static str, &'static str, &'static str);

/// Columns of tables.
const COLUMNS: &[Difference] = &[
    (
        "node ls",
        "HOSTNAME",
        "NAME",
        "nodes have names: several of one machine share its host name",
    ),
    (
        "node ls",
        "ENGINE VERSION",
        "VERSION",
        "the version of the daemon: a node needs no Docker engine",
    ),
];

/// Labels of `service inspect --pretty`; what stands below one is meant too.
const LABELS: &[Difference] = &[
    (
        "service inspect",
        "Capabilities",
        "ContainerSpec.Capabilities",
        "on one line: +NET_ADMIN -MKNOD",
    ),
    (
        "service inspect",
        "SysCtls",
        "ContainerSpec.Sysctls",
        "on one line",
    ),
    (
        "service inspect",
        "Ulimits",
        "ContainerSpec.Ulimits",
        "on one line",
    ),
    (
        "service inspect",
        "Endpoint Mode",
        "",
        "there is one: every node spreads what comes in over the tasks",
    ),
    (
        "service inspect",
        "Ports.Healthcheck",
        "HealthCheck",
        "a part of its own, with probes over HTTP, TCP and gRPC too",
    ),
];

/// Where a change is followed.
const PROGRESS: &str = "service update";

/// Sentences of a change that is followed, with `N` for numbers.
const SENTENCES: &[Difference] = &[
    (
        PROGRESS,
        "N/N:",
        "",
        "tasks have a line of their own on a terminal only",
    ),
    (
        PROGRESS,
        "verify: Waiting N seconds to verify that tasks are stable...",
        "verify: all tasks are as wanted; watching for Ns that they stay so",
        "it is said once, and not counted down",
    ),
    (
        PROGRESS,
        "rollback: manually requested rollback",
        "",
        "who waits has asked for it; why there was an automatic one stands at the end",
    ),
];

/// The text of a golden file of this crate.
fn golden(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let path = folder.join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What Docker printed: the file without the versions and the command.
fn docker(name: &str) -> String {
    let text = golden(&format!("docker/{name}"));
    let mut lines = text.lines();
    let versions = lines.next().unwrap_or_default();
    assert!(versions.starts_with("# Docker "), "{name}: {versions}");
    let command = lines.next().unwrap_or_default();
    assert!(command.starts_with("$ docker "), "{name}: {command}");
    lines.map(|line| format!("{line}\n")).collect()
}

/// What one of Docker's is here; none: it stands for itself.
fn difference<'a>(table: &'a [Difference], place: &str, name: &str) -> Option<&'a Difference> {
    let is_meant = |what: &str| {
        let rest = name.strip_prefix(what);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let mut all = table.iter();
    all.find(|(at, what, ..)| *at == place && is_meant(what))
}

/// What is wrong with names of skep's, held to Docker's: one is missing, or comes out of its order.
fn faults(table: &[Difference], place: &str, theirs: &[String], ours: &[String]) -> Vec<String> {
    let position = |name: &str| ours.iter().position(|it| it == name);
    let mut faults = Vec::new();
    let mut reached = 0;
    for name in theirs {
        let difference = difference(table, place, name);
        match (difference, position(name)) {
            (Some(_), Some(_)) => faults.push(format!("{name} is there: no difference")),
            (Some((_, _, here, _)), None) if !here.is_empty() && position(here).is_none() => {
                faults.push(format!("{here} is not there, for Docker's {name}"));
            }
            (Some(_), None) => {}
            (None, None) => faults.push(format!("{name} is not there")),
            (None, Some(found)) if found < reached => {
                faults.push(format!("{name} is out of its order"));
            }
            (None, Some(found)) => reached = found,
        }
    }
    let is_used = |what: &str| {
        let mut theirs = theirs.iter();
        theirs.any(|name| difference(table, place, name).is_some_and(|it| it.1 == what))
    };
    let unused = table.iter().filter(|it| it.0 == place && !is_used(it.1));
    faults.extend(unused.map(|it| format!("Docker has no {}", it.1)));
    faults
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        if !found.iter().any(|it| it == name) {
            found.push(name.to_owned());
        }
    }
    found
}

/// The headings of a table.
fn columns(text: &str) -> Vec<String> {
    let heading = text.lines().next().unwrap_or_default();
    names(
        heading
            .split("  ")
            .map(str::trim)
            .filter(|it| !it.is_empty()),
    )
}

/// The labels of a text for people, each behind those it stands below: `Resources.Limits.CPU`.
fn labels(text: &str) -> Vec<String> {
    let mut above: Vec<(usize, &str)> = Vec::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let deep = indent + 4 * line.matches("\t ").count();
        above.retain(|(depth, _)| *depth < deep);
        // What people named themselves is no label.
        if above
            .iter()
            .any(|(_, it)| ["Labels", "LogOpts"].contains(it))
        {
            continue;
        }
        let label = line.split_once(" =").or_else(|| line.split_once(':'));
        if let Some((label, _)) = label {
            above.push((deep, label.trim()));
            let path: Vec<&str> = above.iter().map(|(_, label)| *label).collect();
            found.push(path.join("."));
        }
    }
    names(found.iter().map(String::as_str))
}

/// The sentences of a text, with `N` for each number.
fn sentences(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut text = String::new();
        for c in line.chars() {
            match (c.is_ascii_digit(), text.ends_with('N')) {
                (true, true) => {}
                (true, false) => text.push('N'),
                (false, _) => text.push(c),
            }
        }
        text
    };
    let lines: Vec<String> = text.lines().map(line).collect();
    names(lines.iter().map(String::as_str))
}

#[test]
fn tables_have_dockers_columns() {
    for (place, file) in [
        ("node ls", "node-ls.txt"),
        ("service ls", "service-ls.txt"),
        ("service ps", "service-ps.txt"),
    ] {
        let theirs = columns(&docker(file));
        let here = |name: &String| match difference(COLUMNS, place, name) {
            Some((_, _, here, _)) => (*here).to_owned(),
            None => name.clone(),
        };
        let wanted: Vec<String> = theirs.iter().map(here).collect();
        let ours = columns(&golden(file));
        assert_eq!(ours, wanted, "{place}");
        assert_eq!(faults(COLUMNS, place, &theirs, &ours), [""; 0], "{place}");
    }
}

#[test]
fn a_service_has_dockers_labels() {
    let theirs = labels(&docker("service-pretty.txt"));
    for label in ["UpdateConfig.On failure", "Resources.Limits.PIDs"] {
        assert!(theirs.iter().any(|it| it == label), "{theirs:?}");
    }
    let ours = labels(&golden("service-pretty-updated.txt"));
    assert_eq!(faults(LABELS, "service inspect", &theirs, &ours), [""; 0]);
}

#[test]
fn progress_has_dockers_sentences() {
    let both = |update: &str, rollback: &str| sentences(&format!("{update}{rollback}"));
    let mut theirs = both(&docker("update.txt"), &docker("rollback.txt"));
    let ours = both(
        &golden("progress-update.txt"),
        &golden("progress-rollback.txt"),
    );
    // The name, which is the result: it goes to standard output.
    assert_eq!(theirs.remove(0), "web");
    let way_back = "overall progress: rolling back update: N out of N tasks";
    assert!(theirs.iter().any(|it| it == way_back), "{theirs:?}");
    assert_eq!(faults(SENTENCES, PROGRESS, &theirs, &ours), [""; 0]);
}

#[test]
fn bars_are_drawn_as_dockers() {
    let bar = |text: &str, word: &str| {
        let is_of = |line: &&str| line.contains(&format!("/3: {word} "));
        let line = text.lines().find(is_of).expect("there is such a bar");
        line[1..].to_owned()
    };
    let (theirs, ours) = (docker("update-bars.txt"), golden("progress-bars.txt"));
    for word in ["starting", "running"] {
        assert_eq!(bar(&ours, word), bar(&theirs, word));
    }
}

#[test]
fn what_differs_is_found_and_what_differs_no_more_too() {
    let list = |all: &[&str]| -> Vec<String> { names(all.iter().copied()) };
    let table: &[Difference] = &[("ls", "B", "X", "why"), ("ls", "C", "", "why")];
    let theirs = list(&["A", "B", "B.b", "C", "D"]);
    let found = |ours: &[&str]| faults(table, "ls", &theirs, &list(ours));
    assert_eq!(found(&["A", "new", "D", "X"]), [""; 0]);
    assert_eq!(found(&["X", "D", "A"]), ["D is out of its order"]);
    assert_eq!(found(&["A", "X"]), ["D is not there"]);
    assert_eq!(found(&["A", "C", "X", "D"]), ["C is there: no difference"]);
    let missing = "X is not there, for Docker's B";
    assert_eq!(found(&["A", "D"])[0], missing);
    let none = faults(table, "ls", &list(&["B"]), &list(&["X"]));
    assert_eq!(none, ["Docker has no C"]);
}

#[test]
fn the_page_names_every_difference() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/coming-from-docker.md");
    let page = std::fs::read_to_string(page).expect("it is there");
    for (place, theirs, here, why) in [COLUMNS, LABELS, SENTENCES].concat() {
        let here = match here {
            "" => String::new(),
            here => format!("`{here}`"),
        };
        let row = format!("| `{place}` | `{theirs}` | {here} | {why} |").replace("|  |", "| |");
        assert!(page.contains(&row), "{row}");
    }
}
