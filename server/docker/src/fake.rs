// SPDX-License-Identifier: Apache-2.0
//! An engine for tests that says what it is told to: of versions that are not at hand, and with
//! troubles that a real one has only now and then.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::address::EngineAddress;
use crate::engine::Engine;

/// What the fake answers: to requests whose first line has this in it, this status and body. The
/// first that fits.
pub(crate) type Answers = Vec<(&'static str, u16, String)>;

/// An engine that gives the same answers for ever.
pub(crate) struct FakeEngine {
    dir: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl FakeEngine {
    /// One with this version of the API, and these further answers.
    pub(crate) fn new(version: &str, answers: Answers) -> FakeEngine {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(dir.path().join("s")).expect("a socket");
        let mut all = vec![(
            "/version",
            200,
            format!("{{\"ApiVersion\": \"{version}\"}}"),
        )];
        all.extend(answers);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (all, heard) = (Arc::new(all), asked.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, all.clone(), heard.clone()));
            }
        });
        FakeEngine {
            dir,
            asked,
            serving,
        }
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

async fn serve(mut stream: UnixStream, answers: Arc<Answers>, asked: Arc<Mutex<Vec<String>>>) {
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
    let known = answers.iter().find(|(path, ..)| first.contains(path));
    let (status, body) = known.map_or((404, "{}"), |(_, status, body)| (*status, body.as_str()));
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} So\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    // A client that has gone needs no answer.
    stream.write_all(answer.as_bytes()).await.ok();
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
        serve(stream, Arc::new(answers), Arc::default()).await;
    });
    let version = engine.negotiate().await.expect("it is there");
    assert_eq!(version.to_string(), "1.44");
    serving.await.expect("served");
}
