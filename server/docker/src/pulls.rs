// SPDX-License-Identifier: Apache-2.0
//! All pulls of a node: one at a time for each image, whoever waits for it, and none too soon
//! after one that failed. So a crowd of tasks, or one that is tried again and again, asks a
//! registry no more than a single patient client would.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use skep_core::model::{Revision, ServiceId};
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
/// For how many templates that want an image its registry is asked at once; all others wait.
const TEMPLATES_MAX: usize = 100;

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
    /// When the registry is asked again by those who asked already.
    again_at: Instant,
}

impl PullFailure {
    /// The words, and when and by what the registry is asked again.
    pub(crate) fn told(&self) -> String {
        let left = self.again_at.saturating_duration_since(Instant::now());
        let seconds = left.as_millis().div_ceil(1_000);
        format!(
            "{}; the registry is asked again in {seconds} s at the earliest, or at once after a \
             login or an update",
            self.words
        )
    }
}

/// Whose pull it is: another template of a service is another try of a person.
pub(crate) type Template = (ServiceId, Revision);

/// How the file of credentials is told from what it was: when it was written, and its length.
type Login = Option<(SystemTime, u64)>;

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
    /// For which templates the registry was asked.
    asked: BTreeSet<Template>,
    /// The credentials that it was asked with.
    login: Login,
}

struct Running {
    pull: WeakShared<BoxFuture<'static, Result<(), PullFailure>>>,
    progress: watch::Receiver<String>,
}

struct Failed {
    failure: PullFailure,
    wait: Duration,
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
    /// If it cannot be pulled, also for a while after it could not be: unless there are other
    /// credentials since, or it is the first time for this template.
    pub(crate) async fn pull(
        self: &Arc<Self>,
        reference: &Reference,
        template: Template,
        tell: impl Fn(String),
    ) -> Result<(), PullFailure> {
        let (pull, mut progress) = self.join(reference, template)?;
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
        template: Template,
    ) -> Result<(Pull, watch::Receiver<String>), PullFailure> {
        let login = self.login();
        let mut images = self.images();
        let image = images.entry(key(reference)).or_default();
        let is_new = image.asked.len() < TEMPLATES_MAX && image.asked.insert(template);
        if let Some(running) = &image.running
            && let Some(pull) = running.pull.upgrade()
        {
            return Ok((pull, running.progress.clone()));
        }
        if is_new || image.login != login {
            image.failed = None;
            image.login = login;
        }
        if let Some(failed) = &image.failed
            && Instant::now() < failed.failure.again_at
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

    /// The file of credentials as it is now.
    fn login(&self) -> Login {
        let about = std::fs::metadata(self.settings.as_deref()?).ok()?;
        Some((about.modified().ok()?, about.len()))
    }

    fn note(&self, reference: &Reference, result: &mut Result<(), PullFailure>) {
        let mut images = self.images();
        let key = key(reference);
        let Err(failure) = result else {
            images.remove(&key);
            return;
        };
        if images.len() > REMEMBERED_MAX {
            let now = Instant::now();
            let recent = |failed: &Failed| failed.failure.again_at + WAIT_MAX > now;
            images.retain(|_, image| image.failed.as_ref().is_some_and(recent));
        }
        let image = images.entry(key).or_default();
        image.running = None;
        let wait = image
            .failed
            .as_ref()
            .map_or(WAIT_FIRST, |failed| failed.wait * 2);
        let wait = wait.min(WAIT_MAX);
        failure.again_at = Instant::now() + wait;
        image.failed = Some(Failed {
            failure: failure.clone(),
            wait,
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
        return Err(failure("the node stops".to_owned(), "", ""));
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
    let mut result = match credentials {
        Ok(credentials) => pull(&pulls.engine, &reference, credentials, tell)
            .await
            .map_err(|error| failure(error.words(), &pulls.engine.platform(), registry)),
        Err(error) => Err(failure(
            error.to_string(),
            &pulls.engine.platform(),
            registry,
        )),
    };
    pulls.note(&reference, &mut result);
    result
}

fn failure(words: String, platform: &str, registry: &str) -> PullFailure {
    let lower = words.to_lowercase();
    let cure = cure::login(&words, registry).or_else(|| cure::registry(&words, registry));
    let words = match (cure::foreign(&words, platform), cure) {
        (Some(words), _) => words,
        (None, Some(cure)) => format!("{words}; {cure}"),
        (None, None) => words,
    };
    PullFailure {
        is_final: FINAL.iter().any(|known| lower.contains(known)),
        words: words.into(),
        again_at: Instant::now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::EngineAddress;
    use crate::fake::FakeEngine;
    use crate::testing::PLATFORM;

    const ONE: Template = (ServiceId(1), Revision(1));

    #[test]
    fn what_a_registry_denies_is_final_and_what_is_down_is_not() {
        let is_final = |words: &str| failure(words.to_owned(), PLATFORM, "r").is_final;
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
            failed.failure.again_at - Instant::now()
        };
        for seconds in [1, 2, 4] {
            pulls
                .pull(&reference, ONE, |_| ())
                .await
                .expect_err("no engine");
            assert_eq!(wait(&pulls), Duration::from_secs(seconds));
            // Before that the answer is the same, and nobody is asked.
            let again = pulls.pull(&reference, ONE, |_| ()).await;
            let told = again.expect_err("too soon").told();
            let want = format!("; the registry is asked again in {seconds} s at the earliest");
            assert!(told.contains(&want), "{told}");
            assert_eq!(wait(&pulls), Duration::from_secs(seconds));
            tokio::time::advance(Duration::from_secs(seconds)).await;
        }
        pulls.note(&reference, &mut Ok(()));
        assert!(pulls.images().is_empty());
    }

    #[tokio::test]
    async fn other_credentials_and_another_template_are_a_new_try() {
        let settings = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(settings.path(), "{}").expect("no login");
        let denied = "{\"message\": \"denied\"}".to_owned();
        let fake = FakeEngine::new("1.44", vec![("/images/create", 500, denied)]);
        let file = Some(settings.path().to_owned());
        let pulls = Pulls::new(fake.engine(), file);
        let reference = Reference::parse("reg.example/web:1").expect("a reference");
        let asked_for = async |template| {
            // A wait that no test outlasts.
            if let Some(image) = pulls.images().get_mut(&key(&reference))
                && let Some(failed) = &mut image.failed
            {
                failed.failure.again_at = Instant::now() + WAIT_MAX;
            }
            let failed = pulls.pull(&reference, template, |_| ()).await;
            let words = failed.expect_err("denied").words;
            assert!(
                words.starts_with("denied; run \"docker login reg.example\""),
                "{words}"
            );
            fake.asked().len()
        };
        assert_eq!(asked_for(ONE).await, 1);
        assert_eq!(asked_for(ONE).await, 1, "it was asked for already");
        // As \"update --force\" makes one.
        let next = (ONE.0, Revision(ONE.1.0 + 1));
        assert_eq!(asked_for(next).await, 2);
        assert_eq!(asked_for(ONE).await, 2);
        assert_eq!(asked_for(next).await, 2);
        std::fs::write(settings.path(), "{\"auths\": {}}").expect("a login");
        assert_eq!(asked_for(ONE).await, 3);
        assert_eq!(asked_for(next).await, 3);
    }
}
