// SPDX-License-Identifier: Apache-2.0
//! Tags of a registry, as services of real daemons follow them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use skep_tests::registry::{PASSWORD, USER};
use skep_tests::{DEADLINE, Daemon, Engine, Registry, until};

use super::images::{push, stocked};
use super::swarm::containers;
use crate::journeys_rollouts::ends;

/// A daemon that may use a registry, with the engine, and what it needs to go on.
struct Yard {
    engine: std::sync::Arc<Engine>,
    home: tempfile::TempDir,
    registry: Registry,
    /// An image that the registry has as `:1`.
    name: String,
    daemon: Daemon,
}

impl Yard {
    fn new(flags: &[&str]) -> Option<Yard> {
        let engine = Engine::shared()?;
        let home = tempfile::tempdir().expect("a directory");
        let (registry, settings, name) = stocked(&engine, home.path())?;
        let (host, settings) = (engine.host(), settings.display().to_string());
        let own = ["--dev", "--nodes", "1", "--docker-host", &host];
        let login = ["--registry-config", &settings];
        let daemon = Daemon::start_with(&[&own[..], &login, flags].concat());
        Some(Yard {
            engine,
            home,
            registry,
            name,
            daemon,
        })
    }

    /// Gives the registry this version of the program as `:1`.
    fn push(&self, version: &str) {
        let (from, to) = (format!("skep-hello:{version}"), format!("{}:1", self.name));
        push(&self.engine, self.home.path(), &from, &to);
    }

    fn service(&self, verb: &str, words: &[&str]) {
        let quick = ["service", verb, "--quiet", "--stable-for", "0"];
        self.daemon.skep_ok([&quick[..], words].concat());
    }

    /// The versions of the program that run in a service, in order.
    fn versions(&self, service: &str) -> String {
        let format = "{{.State.Running}} {{range .Config.Env}}{{println .}}{{end}}";
        let version = |id: String| {
            let shown = self.engine.docker_ok(&["inspect", "-f", format, &id]);
            let mut lines = shown.lines().filter(|_| shown.starts_with("true"));
            let version = lines.find_map(|line| line.strip_prefix("VERSION="));
            version.map(str::to_owned)
        };
        let ids = containers(&self.engine, service).into_iter();
        let mut versions: Vec<String> = ids.filter_map(version).collect();
        versions.sort();
        versions.concat()
    }

    /// The digest that a service is pinned to, after the name of its image.
    fn digest(&self, service: &str) -> String {
        let inspect = ["service", "inspect", "--format", "{{.status.image}}"];
        let shown = self.daemon.skep_ok([&inspect[..], &[service]].concat());
        let shown = shown.trim();
        let digest = shown.strip_prefix(&format!("{}@sha256:", self.name));
        digest.unwrap_or_default().to_owned()
    }
}

impl Drop for Yard {
    /// Takes the containers along, also when a test failed: the engine is shared.
    fn drop(&mut self) {
        for service in ["web", "loose", "late", "nope"] {
            let _ = self.daemon.skep(["service", "rm", service]);
        }
    }
}

#[test]
fn a_tag_that_is_pushed_anew_is_taken_when_it_is_asked_for() {
    let Some(mut yard) = Yard::new(&[]) else {
        return;
    };
    let image = format!("{}:1", yard.name);
    yard.service("create", &["--name", "web", &image]);
    yard.service("create", &["--name", "loose", "--no-resolve-image", &image]);
    let first = yard.digest("web");
    assert_eq!((first.len(), yard.digest("loose")), (64, String::new()));

    yard.push("2");
    yard.service("scale", &["web=2"]);
    yard.service("scale", &["loose=2"]);
    assert_eq!(
        (yard.versions("web"), yard.versions("loose")),
        ("11".into(), "12".into())
    );
    yard.daemon.kill();
    yard.daemon.start_again();
    yard.service("scale", &["web=3"]);
    assert_eq!(
        (yard.versions("web"), yard.digest("web")),
        ("111".into(), first.clone())
    );

    // The tag is the same, so that is no change, and the way to ask again is told.
    let same = [
        "service",
        "update",
        "--stable-for",
        "0",
        "--image",
        &image,
        "web",
    ];
    let text = ends(&yard.daemon, &same, 0);
    assert!(
        text.contains("nothing to change; --force asks the registry"),
        "{text}"
    );
    assert_eq!(yard.versions("web"), "111");
    yard.service("update", &["--force", "--update-parallelism", "0", "web"]);
    let second = yard.digest("web");
    assert_eq!((yard.versions("web").as_str(), second.len()), ("222", 64));
    assert_ne!(first, second);
    yard.service("rollback", &["web"]);
    assert_eq!(
        (yard.versions("web"), yard.digest("web")),
        ("111".into(), first)
    );
}

#[test]
fn what_a_registry_cannot_give_is_told_early_and_with_its_cure() {
    let Some(mut yard) = Yard::new(&[]) else {
        return;
    };
    let missing = format!("{}:nope", yard.name);
    let create = ["service", "create", "--restart-delay", "10ms", "--name"];
    let text = ends(
        &yard.daemon,
        &[&create[..], &["nope", &missing]].concat(),
        11,
    );
    for words in [
        "Error: service nope is in a crash loop: ".to_owned(),
        format!("cannot pull \"{missing}\": "),
        "manifest unknown; push it, or correct its name or tag; ".to_owned(),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }

    // One that is down may come back, so that is waited for; but not in silence.
    yard.registry.kill();
    let said = yard.daemon.dir().join("said");
    let told = std::fs::File::create(&said).expect("a file");
    let image = format!("{}:1", yard.name);
    let late = ["late", "--stable-for", "0", &image];
    let mut waits = yard.daemon.command([&create[..], &late].concat());
    waits.stdout(Stdio::null()).stderr(told);
    let mut waits = waits.spawn().expect("skep can be run");
    let cause = "connect: connection refused; start the registry ";
    until("the cause is told", DEADLINE, || {
        let said = std::fs::read_to_string(&said).ok()?;
        said.contains(cause).then_some(())
    });
    until("it is shown", DEADLINE, || {
        let ps = [
            "service",
            "ps",
            "--no-trunc",
            "--format",
            "{{.Error}}",
            "late",
        ];
        yard.daemon.skep_ok(ps).contains(cause).then_some(())
    });
    assert!(
        waits.try_wait().expect("a child").is_none(),
        "it still waits"
    );
    assert!(yard.registry.start_again());
    let status = until("the registry is asked again", DEADLINE, || {
        waits.try_wait().expect("a child")
    });
    assert!(status.success(), "{status}");
}

/// The files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("it can be read").flatten();
    let paths = entries.map(|entry| entry.path());
    let below = paths.flat_map(|path| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    });
    below.collect()
}

/// How a text may stand somewhere: as it is, in JSON, or in base 64.
fn spellings(yard: &Yard) -> Vec<Vec<u8>> {
    let file = std::fs::read_to_string(yard.home.path().join("config.json"));
    let file: serde_json::Value = serde_json::from_str(&file.expect("a login")).expect("JSON");
    let auth = &file["auths"][yard.registry.address()]["auth"];
    let auth = auth.as_str().expect("USER:PASSWORD in base 64");
    let json = serde_json::to_string(PASSWORD).expect("a text");
    let debug = format!("{PASSWORD:?}");
    // Of the middle, so that neither what stands before nor the end of the text matters.
    let auth = &auth[8..auth.len() - 8];
    [
        PASSWORD,
        json.trim_matches('"'),
        debug.trim_matches('"'),
        auth,
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

#[test]
fn a_password_is_nowhere_but_in_its_file() {
    // Whatever a library has to say.
    let Some(yard) = Yard::new(&["--log-level", "trace"]) else {
        return;
    };
    let image = format!("{}:1", yard.name);
    let said = yard.daemon.dir().join("watched");
    let told = std::fs::File::create(&said).expect("a file");
    let mut watch = yard.daemon.command(["watch", "--format", "json"]);
    let mut watch = watch.stdout(told).spawn().expect("skep can be run");
    yard.service("create", &["--name", "web", &image]);
    // A refusal is told with more words than a pull.
    let missing = format!("{}:nope", yard.name);
    yard.daemon
        .skep_ok(["service", "create", "-d", "--name", "nope", &missing]);
    let ids = yard.daemon.skep_ok(["service", "ps", "-q", "nope"]);
    let task = ids.lines().next().expect("a task").to_owned();
    until("it is refused", DEADLINE, || {
        let shown = yard.daemon.skep_ok(["service", "ps", "nope"]);
        shown.contains("Rejected ").then_some(())
    });
    for (number, words) in [
        &["service", "inspect", "web", "nope"][..],
        &["task", "inspect", &task],
        &["node", "inspect", "self"],
        &["service", "ps", "--no-trunc", "nope"],
    ]
    .into_iter()
    .enumerate()
    {
        let shown = yard.daemon.skep_ok(words);
        assert!(!shown.is_empty());
        std::fs::write(yard.daemon.dir().join(format!("shown-{number}")), shown).expect("written");
    }
    until("the watch has seen it", DEADLINE, || {
        let watched = std::fs::read_to_string(&said).ok()?;
        watched.contains("manifest unknown").then_some(())
    });
    watch.kill().expect("it runs");
    watch.wait().expect("it can be waited for");

    let spellings = spellings(&yard);
    let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    let login = std::fs::read(yard.home.path().join("config.json")).expect("a login");
    assert!(has(&login, &spellings[3]), "it would be found");
    let mut names = 0;
    for path in files(yard.daemon.dir()) {
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        names += usize::from(has(&bytes, yard.name.as_bytes()));
        for text in &spellings {
            assert!(!has(&bytes, text), "{} as {USER}", path.display());
        }
    }
    assert!(names >= 5, "log, store and answers name the image: {names}");
}
