// SPDX-License-Identifier: Apache-2.0
//! An engine for tests that says what it is told to: of versions that are not at hand, and with
//! troubles that a real one has only now and then.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::address::EngineAddress;
use crate::engine::Engine;

/// What the fake answers: to requests whose first line has this in it, this status and body. The
/// first that fits.
pub(crate) type Answers = Vec<(&'static str, u16, String)>;

/// An engine that gives the answers it is told to give, and streams the events it is told.
pub(crate) struct FakeEngine {
    dir: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    script: Arc<Script>,
    serving: JoinHandle<()>,
}

struct Script {
    answers: Mutex<Answers>,
    /// Events for those that listen when they come; nothing: their streams end.
    events: broadcast::Sender<Option<String>>,
    /// Whether lists are answered only once somebody listens to events.
    lists_wait: AtomicBool,
    /// How many listen to events.
    listeners: watch::Sender<usize>,
}

impl Script {
    fn with(answers: Answers) -> Arc<Script> {
        Arc::new(Script {
            answers: Mutex::new(answers),
            events: broadcast::Sender::new(64),
            lists_wait: AtomicBool::new(false),
            listeners: watch::Sender::new(0),
        })
    }

    fn answer(&self, first: &str) -> (u16, String) {
        let answers = self.answers.lock().expect("no test panicked");
        let known = answers.iter().find(|(path, ..)| first.contains(path));
        known.map_or((404, "{}".to_owned()), |(_, status, body)| {
            (*status, body.clone())
        })
    }
}

impl FakeEngine {
    /// One with this version of the API, and these further answers.
    pub(crate) fn new(version: &str, answers: Answers) -> FakeEngine {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(dir.path().join("s")).expect("a socket");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script = Script::with(answers);
        let (told, heard) = (script.clone(), asked.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, told.clone(), heard.clone()));
            }
        });
        let fake = FakeEngine {
            dir,
            asked,
            script,
            serving,
        };
        fake.set_version(version);
        fake.set("/_ping", 200, "OK");
        fake
    }

    /// Answers so from now on.
    pub(crate) fn set(&self, path: &'static str, status: u16, body: impl Into<String>) {
        let mut answers = self.script.answers.lock().expect("no test panicked");
        answers.retain(|(known, ..)| *known != path);
        answers.insert(0, (path, status, body.into()));
    }

    /// Has this version of the API from now on.
    pub(crate) fn set_version(&self, version: &str) {
        self.set(
            "/version",
            200,
            format!("{{\"ApiVersion\": \"{version}\"}}"),
        );
    }

    /// Answers lists only while somebody listens to events, from now on.
    pub(crate) fn let_lists_wait(&self) {
        self.script.lists_wait.store(true, Ordering::SeqCst);
    }

    /// Tells those that listen of an event.
    pub(crate) fn tell(&self, event: impl Into<String>) {
        self.script.events.send(Some(event.into())).ok();
    }

    /// Ends the streams of those that listen, as an engine that stops does.
    pub(crate) fn hang_up(&self) {
        self.script.events.send(None).ok();
    }

    /// Waits until somebody listens to events.
    pub(crate) async fn heard(&self) {
        let mut listeners = self.script.listeners.subscribe();
        listeners
            .wait_for(|count| *count > 0)
            .await
            .expect("it lives");
    }

    /// The way to it.
    pub(crate) fn engine(&self) -> Engine {
        let socket: PathBuf = self.dir.path().join("s");
        Engine::new(EngineAddress::Unix(socket))
    }

    /// The heads of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panicked").clone()
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: UnixStream, script: Arc<Script>, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let first = head.lines().next().unwrap_or_default().to_owned();
    asked.lock().expect("no test panicked").push(head);
    if first.contains("/events") {
        return stream_events(stream, &script).await;
    }
    if first.contains("/containers/json") && script.lists_wait.load(Ordering::SeqCst) {
        let mut listeners = script.listeners.subscribe();
        listeners
            .wait_for(|count| *count > 0)
            .await
            .expect("it lives");
    }
    let (status, body) = script.answer(&first);
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} So\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    // A client that has gone needs no answer.
    stream.write_all(answer.as_bytes()).await.ok();
    stream.shutdown().await.ok();
}

async fn stream_events(mut stream: UnixStream, script: &Script) {
    let mut events = script.events.subscribe();
    let head = "HTTP/1.1 200 So\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    script.listeners.send_modify(|count| *count += 1);
    while let Ok(Some(event)) = events.recv().await {
        if stream
            .write_all(format!("{event}\n").as_bytes())
            .await
            .is_err()
        {
            break;
        }
    }
    script.listeners.send_modify(|count| *count -= 1);
    stream.shutdown().await.ok();
}

#[tokio::test]
async fn the_newest_version_that_both_know_is_used() {
    for (theirs, want) in [("1.41", "1.41"), ("1.52", "1.52")] {
        let fake = FakeEngine::new(theirs, Vec::new());
        let engine = fake.engine();
        let version = engine.negotiate().await.expect("it is good");
        assert_eq!(
            (version.to_string().as_str(), engine.version()),
            (want, version)
        );
    }
    // One that is newer than anything that is known here.
    let fake = FakeEngine::new("9.1", Vec::new());
    let version = fake.engine().negotiate().await.expect("it is good");
    assert!(version < "9.1".parse().expect("a version"), "{version}");

    let fake = FakeEngine::new("1.40", Vec::new());
    let error = fake
        .engine()
        .negotiate()
        .await
        .expect_err("too old")
        .to_string();
    assert!(
        error.contains("its API is 1.40, and 1.41 (Engine 20.10)"),
        "{error}"
    );
    let fake = FakeEngine::new("new", Vec::new());
    let error = fake
        .engine()
        .negotiate()
        .await
        .expect_err("no version")
        .to_string();
    assert!(error.contains("its API version is \"new\""), "{error}");
}

#[tokio::test]
async fn a_socket_may_come_after_the_client() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("s");
    let engine = Engine::new(EngineAddress::Unix(socket.clone()));
    let error = engine.negotiate().await.expect_err("nobody is there");
    assert!(error.is_unreachable(), "{error}");
    assert!(
        error.to_string().contains(&socket.display().to_string()),
        "{error}"
    );
    let listener = UnixListener::bind(&socket).expect("a socket");
    let answers = vec![("/version", 200, "{\"ApiVersion\": \"1.44\"}".to_owned())];
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        serve(stream, Script::with(answers), Arc::default()).await;
    });
    let version = engine.negotiate().await.expect("it is there");
    assert_eq!(version.to_string(), "1.44");
    serving.await.expect("served");
}
