// SPDX-License-Identifier: Apache-2.0
//! Credentials for registries, out of the file that `docker login` writes. It is read for every
//! pull, so a new login needs no restart. Neither it nor what helpers say goes into any message.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::helper;
use crate::reference::HUB;

/// What the file calls Docker's own registry.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The most bytes of the file that are read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a registry is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that stands for a user and is exchanged at the registry.
    Identity(String),
    /// A token that the registry takes as it is.
    Registry(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(secret)")
    }
}

/// Why there are no credentials although there should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    #[error("cannot read the registry settings {}: {source}", file.display())]
    Io {
        file: PathBuf,
        source: std::io::Error,
    },
    // What the parser says may quote the file, and with it a password.
    #[error("the registry settings {} are not what \"docker login\" writes (line {line})", file.display())]
    Bad { file: PathBuf, line: usize },
    #[error("the registry settings {} have an entry for {key} whose \"auth\" is not user:password in base64", file.display())]
    BadEntry { file: PathBuf, key: String },
    #[error("the credential helper {0}")]
    Helper(#[from] helper::HelperError),
}

/// The file, as far as it is of interest.
#[derive(Deserialize, Default)]
#[serde(default)]
struct File {
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    store: String,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// The credentials for a registry; nothing: there are none, so it is asked without.
pub(crate) async fn find(
    file: Option<&Path>,
    registry: &str,
) -> Result<Option<Credentials>, CredentialsError> {
    let Some(file) = file else { return Ok(None) };
    let Some(settings) = read(file)? else {
        return Ok(None);
    };
    let key = if registry == HUB { HUB_KEY } else { registry };
    if let Some(name) = settings.helper(registry) {
        return Ok(helper::ask(name, key).await?);
    }
    settings.entry(file, registry)
}

fn read(file: &Path) -> Result<Option<File>, CredentialsError> {
    let failed = |source| CredentialsError::Io {
        file: file.to_owned(),
        source,
    };
    let length = match std::fs::metadata(file) {
        Ok(about) => about.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if length > FILE_BYTES_MAX {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    let text = std::fs::read(file).map_err(failed)?;
    let settings = serde_json::from_slice(&text).map_err(|error| CredentialsError::Bad {
        file: file.to_owned(),
        line: error.line(),
    })?;
    Ok(Some(settings))
}

impl File {
    /// The helper that is asked for this registry.
    fn helper(&self, registry: &str) -> Option<&str> {
        let own = self.helpers.iter().find(|(key, _)| host(key) == registry);
        let name = own.map_or(&self.store, |(_, name)| name);
        (!name.is_empty()).then_some(name.as_str())
    }

    fn entry(self, file: &Path, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
        let found = self
            .auths
            .into_iter()
            .find(|(key, _)| host(key) == registry);
        let Some((key, entry)) = found else {
            return Ok(None);
        };
        entry
            .credentials()
            .ok_or_else(|| CredentialsError::BadEntry {
                file: file.to_owned(),
                key,
            })
    }
}

impl Entry {
    /// Nothing: the entry makes no sense. An empty one, as logouts leave, means no credentials.
    fn credentials(self) -> Option<Option<Credentials>> {
        if !self.identitytoken.is_empty() {
            return Some(Some(Credentials::Identity(self.identitytoken)));
        }
        if !self.registrytoken.is_empty() {
            return Some(Some(Credentials::Registry(self.registrytoken)));
        }
        if self.auth.is_empty() {
            let (user, password) = (self.username, self.password);
            return Some((!user.is_empty()).then_some(Credentials::Password { user, password }));
        }
        let pair = STANDARD.decode(self.auth.trim()).ok()?;
        let pair = String::from_utf8(pair).ok()?;
        let (user, password) = pair.split_once(':')?;
        Some(Some(Credentials::Password {
            user: user.to_owned(),
            // Docker once wrote a zero byte after it.
            password: password.trim_end_matches('\0').to_owned(),
        }))
    }
}

/// The registry that a key of the file stands for: keys may be URLs.
fn host(key: &str) -> &str {
    let key = key.trim_start_matches("https://");
    let key = key.trim_start_matches("http://");
    match key.split('/').next().unwrap_or(key) {
        "index.docker.io" | "registry-1.docker.io" => HUB,
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(text: &str, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("config.json");
        std::fs::write(&file, text).expect("it is written");
        find(Some(&file), registry).await
    }

    fn password(user: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Password {
            user: user.into(),
            password: password.into(),
        })
    }

    #[tokio::test]
    async fn entries_are_found_by_the_registry_they_stand_for() {
        let auth = STANDARD.encode("me:a:b~?>\u{fc}");
        let text = format!(
            r#"{{"auths": {{
                "https://index.docker.io/v1/": {{"auth": "{auth}"}},
                "reg.example:5000": {{"username": "u", "password": "p"}},
                "http://token.example/v2/": {{"identitytoken": "t"}},
                "gone.example": {{}}
            }}, "HttpHeaders": {{"x": "y"}}}}"#
        );
        let of = async |registry| found(&text, registry).await.expect("it is good");
        assert_eq!(of(HUB).await, password("me", "a:b~?>\u{fc}"));
        assert_eq!(of("reg.example:5000").await, password("u", "p"));
        assert_eq!(
            of("token.example").await,
            Some(Credentials::Identity("t".into()))
        );
        assert_eq!(of("gone.example").await, None);
        assert_eq!(of("reg.example").await, None);
        assert_eq!(find(None, HUB).await.expect("none"), None);
        let missing = Path::new("/nowhere/config.json");
        assert_eq!(find(Some(missing), HUB).await.expect("none"), None);
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_without_secrets() {
        let said = async |text| {
            let error = found(text, "r.example").await.expect_err("it is bad");
            format!("{error} {error:?}")
        };
        let words = said(r#"{"auths": {"r.example": "hunter2"}}"#).await;
        assert!(
            words.contains("(line 1)") && !words.contains("hunter2"),
            "{words}"
        );
        let words = said(r#"{"auths": {"r.example": {"auth": "hunter2"}}}"#).await;
        assert!(
            words.contains("entry for r.example") && !words.contains("hunter2"),
            "{words}"
        );
        let shown = format!("{:?}", password("me", "hunter2"));
        assert_eq!(shown, "Some(Credentials(secret))");
    }

    #[tokio::test]
    async fn helpers_go_before_entries() {
        let text = r#"{"auths": {"r.example": {}}, "credsStore": "skep-not-there"}"#;
        let error = found(text, "r.example")
            .await
            .expect_err("no such helper")
            .to_string();
        assert!(
            error.contains("docker-credential-skep-not-there"),
            "{error}"
        );
        let text = r#"{"credHelpers": {"r.example": "../../bin/sh"}}"#;
        let error = found(text, "r.example")
            .await
            .expect_err("no name")
            .to_string();
        assert!(error.contains("no name of a helper"), "{error}");
        assert_eq!(found(text, "other.example").await.expect("none"), None);
    }
}
