// SPDX-License-Identifier: Apache-2.0
//! Programs that keep credentials: `docker-credential-NAME get`.

use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::credentials::Credentials;

/// How long a helper may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The user that a helper names when its secret is a token.
const TOKEN_USER: &str = "<token>";

/// Why a helper was of no help. What it printed is not told: it may be the secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelperError {
    #[error("\"{0}\" is no name of a helper: letters, digits, \"-\", \"_\" and \".\" are")]
    BadName(String),
    #[error("{0} cannot be run: {1}")]
    NotRun(String, std::io::Error),
    #[error("{0} failed ({1})")]
    Failed(String, std::process::ExitStatus),
    #[error("{0} did not answer within {n} s", n = PATIENCE.as_secs())]
    Late(String),
    #[error("{0} answered something that is not understood")]
    Unclear(String),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// What the helper keeps for a registry; nothing: it has none.
pub(crate) async fn ask(name: &str, registry: &str) -> Result<Option<Credentials>, HelperError> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.chars().all(good) {
        return Err(HelperError::BadName(name.to_owned()));
    }
    let program = format!("docker-credential-{name}");
    let asked = tokio::time::timeout(PATIENCE, run(&program, registry)).await;
    let output = asked
        .map_err(|_| HelperError::Late(program.clone()))?
        .map_err(|error| HelperError::NotRun(program.clone(), error))?;
    understood(program, &output)
}

/// What a helper's answer means.
fn understood(program: String, output: &Output) -> Result<Option<Credentials>, HelperError> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        return if said.contains("credentials not found") {
            Ok(None)
        } else {
            Err(HelperError::Failed(program, output.status))
        };
    }
    let answer: Answer =
        serde_json::from_slice(&output.stdout).map_err(|_| HelperError::Unclear(program))?;
    Ok(match (answer.user, answer.secret) {
        (user, secret) if user.is_empty() && secret.is_empty() => None,
        (user, secret) if user == TOKEN_USER => Some(Credentials::Identity(secret)),
        (user, password) => Some(Credentials::Password { user, password }),
    })
}

async fn run(program: &str, registry: &str) -> std::io::Result<Output> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(registry.as_bytes()).await?;
    }
    child.wait_with_output().await
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn answered(code: i32, said: &str) -> Result<Option<Credentials>, HelperError> {
        let output = Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: said.as_bytes().to_vec(),
            stderr: Vec::new(),
        };
        understood("docker-credential-x".to_owned(), &output)
    }

    #[test]
    fn helpers_give_a_password_a_token_or_nothing() {
        let given = |said| answered(0, said).expect("it is good");
        let password = Credentials::Password {
            user: "bee".to_owned(),
            password: "hunter2".to_owned(),
        };
        let said = r#"{"ServerURL": "r", "Username": "bee", "Secret": "hunter2"}"#;
        assert_eq!(given(said), Some(password));
        let token = Some(Credentials::Identity("hunter2".to_owned()));
        assert_eq!(
            given(r#"{"Username": "<token>", "Secret": "hunter2"}"#),
            token
        );
        assert_eq!(given(r#"{"Username": "", "Secret": ""}"#), None);
        let none = answered(1, "credentials not found in native keychain\n");
        assert_eq!(none.expect("that is no failure"), None);
    }

    #[test]
    fn what_a_helper_printed_is_not_told() {
        for (code, said) in [
            (0, "hunter2"),
            (2, "hunter2"),
            (0, r#"{"Secret": "hunter2"}"#),
        ] {
            let error = answered(code, said).expect_err("it is of no help");
            let text = format!("{error} {error:?}");
            assert!(
                text.contains("docker-credential-x") && !text.contains("hunter2"),
                "{text}"
            );
        }
    }
}
