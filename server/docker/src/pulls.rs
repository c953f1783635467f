// SPDX-License-Identifier: Apache-2.0
//! All pulls of a node: one at a time for each image, whoever waits for it, and none too soon
//! after one that failed. So a crowd of tasks, or one that is tried again and again, asks a
//! registry no more than a single patient client would.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::credentials;
use crate::cure;
use crate::engine::Engine;
use crate::pull::pull;
use crate::reference::Reference;

/// How many images are pulled at a time.
const AT_ONCE: usize = 3;
/// The wait after a pull that failed; it doubles with each further failure.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// What that wait doubles up to.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// How often at most those who wait are told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// How many images whose pull failed are remembered.
const REMEMBERED_MAX: usize = 1_000;

/// What a registry says of an image that it will not say otherwise when asked again soon.
const FINAL: [&str; 8] = [
    "manifest unknown",
    "not found",
    "does not exist",
    "no matching manifest",
    "denied",
    "unauthorized",
    "no basic auth credentials",
    "invalid reference format",
];

/// Why an image could not be pulled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PullFailure {
    /// In the engine's words.
    pub(crate) words: Arc<str>,
    /// Asking again soon is of no use.
    pub(crate) is_final: bool,
}

type Pull = Shared<BoxFuture<'static, Result<(), PullFailure>>>;

/// The pulls of one node.
pub(crate) struct Pulls {
    engine: Engine,
    /// Where credentials are looked up.
    settings: Option<PathBuf>,
    images: Mutex<HashMap<String, Image>>,
    turns: Arc<Semaphore>,
}

/// What is known of one image's pulls.
#[derive(Default)]
struct Image {
    running: Option<Running>,
    failed: Option<Failed>,
}

struct Running {
    pull: WeakShared<BoxFuture<'static, Result<(), PullFailure>>>,
    progress: watch::Receiver<String>,
}

struct Failed {
    failure: PullFailure,
    wait: Duration,
    again_at: Instant,
}

impl Pulls {
    pub(crate) fn new(engine: Engine, settings: Option<PathBuf>) -> Arc<Pulls> {
        Arc::new(Pulls {
            engine,
            settings,
            images: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// Pulls an image, or waits for the pull that is under way. `tell` hears how far it is. When
    /// nobody waits any more the pull ends.
    ///
    /// # Errors
    /// If it cannot be pulled, also for a while after it could not be.
    pub(crate) async fn pull(
        self: &Arc<Self>,
        reference: &Reference,
        tell: impl Fn(String),
    ) -> Result<(), PullFailure> {
        let (pull, mut progress) = self.join(reference)?;
        tokio::pin!(pull);
        loop {
            tokio::select! {
                done = &mut pull => return done,
                Ok(()) = progress.changed() => tell(progress.borrow_and_update().clone()),
            }
        }
    }

    fn join(
        self: &Arc<Self>,
        reference: &Reference,
    ) -> Result<(Pull, watch::Receiver<String>), PullFailure> {
        let key = key(reference);
        let mut images = self.images();
        let image = images.entry(key.clone()).or_default();
        if let Some(running) = &image.running
            && let Some(pull) = running.pull.upgrade()
        {
            return Ok((pull, running.progress.clone()));
        }
        if let Some(failed) = &image.failed
            && Instant::now() < failed.again_at
        {
            return Err(failed.failure.clone());
        }
        let (telling, progress) = watch::channel(String::new());
        let pull = carry_out(Arc::downgrade(self), reference.clone(), telling);
        let pull = pull.boxed().shared();
        image.running = pull.downgrade().map(|pull| Running {
            pull,
            progress: progress.clone(),
        });
        Ok((pull, progress))
    }

    fn note(&self, reference: &Reference, result: &Result<(), PullFailure>) {
        let mut images = self.images();
        let key = key(reference);
        let Err(failure) = result else {
            images.remove(&key);
            return;
        };
        if images.len() > REMEMBERED_MAX {
            let now = Instant::now();
            let recent = |failed: &Failed| failed.again_at + WAIT_MAX > now;
            images.retain(|_, image| image.failed.as_ref().is_some_and(recent));
        }
        let image = images.entry(key).or_default();
        image.running = None;
        let wait = image
            .failed
            .as_ref()
            .map_or(WAIT_FIRST, |failed| failed.wait * 2);
        let wait = wait.min(WAIT_MAX);
        image.failed = Some(Failed {
            failure: failure.clone(),
            wait,
            again_at: Instant::now() + wait,
        });
    }

    fn images(&self) -> MutexGuard<'_, HashMap<String, Image>> {
        // Nothing that is done under this lock leaves the map half changed.
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(reference: &Reference) -> String {
    format!("{} {}", reference.repository, reference.version())
}

async fn carry_out(
    pulls: Weak<Pulls>,
    reference: Reference,
    telling: watch::Sender<String>,
) -> Result<(), PullFailure> {
    let Some(pulls) = pulls.upgrade() else {
        return Err(failure("the node stops".to_owned(), ""));
    };
    let _turn = pulls.turns.acquire().await;
    let mut told = Instant::now();
    let tell = |progress: String| {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            telling.send_replace(progress);
        }
    };
    let registry = &reference.registry;
    let credentials = credentials::find(pulls.settings.as_deref(), registry).await;
    let result = match credentials {
        Ok(credentials) => pull(&pulls.engine, &reference, credentials, tell)
            .await
            .map_err(|error| failure(error.words(), &pulls.engine.platform())),
        Err(error) => Err(failure(error.to_string(), &pulls.engine.platform())),
    };
    pulls.note(&reference, &result);
    result
}

fn failure(words: String, platform: &str) -> PullFailure {
    let lower = words.to_lowercase();
    let words = cure::foreign(&words, platform).unwrap_or(words);
    PullFailure {
        is_final: FINAL.iter().any(|known| lower.contains(known)),
        words: words.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::EngineAddress;
    use crate::testing::PLATFORM;

    #[test]
    fn what_a_registry_denies_is_final_and_what_is_down_is_not() {
        let is_final = |words: &str| failure(words.to_owned(), PLATFORM).is_final;
        assert!(is_final(
            "manifest for web:9 not found: manifest unknown: manifest unknown"
        ));
        assert!(is_final(
            "pull access denied for x, repository does not exist"
        ));
        assert!(is_final("Get https://r/v2/: no basic auth credentials"));
        assert!(is_final(
            "no matching manifest for linux/amd64 in the manifest list entries"
        ));
        assert!(!is_final(
            "dial tcp 127.0.0.1:5000: connect: connection refused"
        ));
        assert!(!is_final(
            "net/http: request canceled (Client.Timeout exceeded)"
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pull_that_failed_is_not_tried_again_too_soon() {
        let nowhere = EngineAddress::Unix("/nowhere/engine.sock".into());
        let pulls = Pulls::new(Engine::new(nowhere), None);
        let reference = Reference::parse("web:1").expect("a reference");
        let wait = |pulls: &Pulls| {
            let images = pulls.images();
            let failed = images[&key(&reference)].failed.as_ref().expect("it failed");
            failed.again_at - Instant::now()
        };
        for seconds in [1, 2, 4] {
            pulls.pull(&reference, |_| ()).await.expect_err("no engine");
            assert_eq!(wait(&pulls), Duration::from_secs(seconds));
            // Before that the answer is the same, and nobody is asked.
            pulls.pull(&reference, |_| ()).await.expect_err("too soon");
            assert_eq!(wait(&pulls), Duration::from_secs(seconds));
            tokio::time::advance(Duration::from_secs(seconds)).await;
        }
        pulls.note(&reference, &Ok(()));
        assert!(pulls.images().is_empty());
    }
}
