// SPDX-License-Identifier: Apache-2.0
//! One pull of an image, from the first word to the last.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::BollardRequest;
use bollard::auth::DockerCredentials;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::StreamExt;
use http::HeaderValue;

use crate::credentials::Credentials;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::reference::Reference;

/// The header that credentials travel in.
const CREDENTIALS: &str = "x-registry-auth";

/// How long nothing may come before a pull is given up.
const STALL: Duration = Duration::from_secs(300);

/// Bytes of one of those that people count in.
const MEGABYTE: f64 = 1e6;

/// How far a pull is.
#[derive(Default)]
pub(crate) struct Progress {
    /// Bytes there and bytes wanted, by layer.
    layers: BTreeMap<String, (u64, u64)>,
}

impl Progress {
    /// Takes in one message. Says whether anything came further.
    fn take(&mut self, message: &CreateImageInfo) -> bool {
        let Some(layer) = &message.id else {
            return false;
        };
        let bytes = |bytes: Option<i64>| bytes.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let detail = message.progress_detail.as_ref();
        let now = match (message.status.as_deref(), detail) {
            (Some("Downloading"), Some(detail)) => (bytes(detail.current), bytes(detail.total)),
            (Some("Download complete" | "Pull complete" | "Already exists"), _) => {
                let total = self.layers.get(layer).map_or(0, |(_, total)| *total);
                (total, total)
            }
            // Unpacking has bytes of its own, and they say that something moves.
            (Some("Extracting"), Some(_)) => return true,
            _ => return false,
        };
        self.layers.insert(layer.clone(), now) != Some(now)
    }

    /// That in words: "3.1 of 12.0 MB".
    fn words(&self) -> String {
        let (done, total) = self
            .layers
            .values()
            .fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
        #[allow(clippy::cast_precision_loss)]
        let megabytes = |bytes: u64| bytes as f64 / MEGABYTE;
        format!("{:.1} of {:.1} MB", megabytes(done), megabytes(total))
    }
}

/// Pulls an image. `tell` hears how far it is whenever it comes further.
///
/// # Errors
/// What the engine or the registry says. Errors may come long after the engine's first word.
pub(crate) async fn pull(
    engine: &Engine,
    reference: &Reference,
    credentials: Option<Credentials>,
    mut tell: impl FnMut(String),
) -> Result<(), EngineError> {
    let options = CreateImageOptionsBuilder::new()
        .from_image(&reference.repository)
        .tag(reference.version())
        .build();
    let credentials = credentials.map(|known| shown(known, &reference.registry));
    let what = "cannot pull the image";
    let client = engine.patient()?;
    let mut messages = client.create_image(Some(options), None, credentials);
    let mut progress = Progress::default();
    loop {
        let next = tokio::time::timeout(STALL, messages.next()).await;
        let next = next.map_err(|_| {
            let seconds = STALL.as_secs();
            EngineError::other(what, format!("nothing came for {seconds} s"))
        })?;
        let Some(message) = next else { break };
        let message = message.map_err(|failed| EngineError::new(what, failed))?;
        if progress.take(&message) {
            tell(progress.words());
        }
    }
    Ok(())
}

fn shown(credentials: Credentials, registry: &str) -> DockerCredentials {
    let empty = DockerCredentials {
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    };
    match credentials {
        Credentials::Password { user, password } => DockerCredentials {
            username: Some(user),
            password: Some(password),
            ..empty
        },
        Credentials::Identity(token) => DockerCredentials {
            identitytoken: Some(token),
            ..empty
        },
        Credentials::Registry(token) => DockerCredentials {
            registrytoken: Some(token),
            ..empty
        },
    }
}

/// Rewrites credentials into the URL-safe alphabet of base 64. The engine ignores a header in
/// the other one without a word, so that a password with the wrong letters in it would not work.
pub(crate) fn url_safe(mut request: BollardRequest) -> BollardRequest {
    if let Some(value) = request.headers_mut().get_mut(CREDENTIALS) {
        let bytes: Vec<u8> = value.as_bytes().iter().map(|byte| letter(*byte)).collect();
        if let Ok(mut safe) = HeaderValue::from_bytes(&bytes) {
            safe.set_sensitive(true);
            *value = safe;
        }
    }
    request
}

fn letter(standard: u8) -> u8 {
    match standard {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE;
    use bollard::models::ProgressDetail;

    use super::*;
    use crate::fake::FakeEngine;

    fn message(layer: &str, status: &str, bytes: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(layer.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: bytes.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn progress_is_the_sum_of_the_layers() {
        let mut progress = Progress::default();
        assert!(!progress.take(&message("a", "Pulling fs layer", None)));
        assert!(progress.take(&message("a", "Downloading", Some((1_000_000, 4_000_000)))));
        assert!(!progress.take(&message("a", "Downloading", Some((1_000_000, 4_000_000)))));
        assert!(progress.take(&message("b", "Downloading", Some((500_000, 1_000_000)))));
        assert_eq!(progress.words(), "1.5 of 5.0 MB");
        assert!(progress.take(&message("a", "Download complete", None)));
        assert_eq!(progress.words(), "4.5 of 5.0 MB");
    }

    #[test]
    fn credentials_travel_in_letters_that_the_engine_takes() {
        let header: Vec<u8> = b"ab+/cd==".iter().map(|byte| letter(*byte)).collect();
        assert_eq!(header, b"ab-_cd==");
    }

    async fn pulled(body: &str, status: u16) -> (Result<(), EngineError>, String) {
        let fake = FakeEngine::new("1.41", vec![("/images/create", status, body.to_owned())]);
        let reference = Reference::parse("reg.example/web:1").expect("a reference");
        // In the standard alphabet this has both letters that the engine does not take.
        let credentials = Credentials::Password {
            user: "bee".to_owned(),
            password: "a??>>~~\u{fc}".to_owned(),
        };
        let done = pull(&fake.engine(), &reference, Some(credentials), |_| ()).await;
        (done, fake.asked().remove(0))
    }

    #[tokio::test]
    async fn one_tag_is_asked_for_with_credentials_that_the_engine_reads() {
        let (done, head) = pulled("{\"status\": \"Pull complete\", \"id\": \"a\"}\n", 200).await;
        done.expect("it is pulled");
        assert!(
            head.contains("fromImage=reg.example%2Fweb") && head.contains("tag=1"),
            "{head}"
        );
        let header = head
            .lines()
            .find(|line| line.starts_with("x-registry-auth: "));
        let header = header
            .expect("credentials")
            .trim_start_matches("x-registry-auth: ");
        assert!(!header.contains(['+', '/']), "{header}");
        assert!(
            header.contains(['-', '_']),
            "the test is of no use: {header}"
        );
        let text = URL_SAFE.decode(header).expect("URL-safe base 64");
        let text = String::from_utf8(text).expect("text");
        assert!(text.contains("\"password\":\"a??>>~~\u{fc}\""), "{text}");
    }

    #[tokio::test]
    async fn an_error_may_come_after_a_good_beginning() {
        let late = "{\"status\": \"Downloading\"}\n\
                    {\"errorDetail\": {\"message\": \"no space left\"}, \"error\": \"no space left\"}\n";
        let (done, _) = pulled(late, 200).await;
        assert_eq!(done.expect_err("it failed").words(), "no space left");
        let (done, _) = pulled("{\"message\": \"manifest unknown\"}", 404).await;
        assert_eq!(done.expect_err("it failed").words(), "manifest unknown");
    }
}
