// SPDX-License-Identifier: Apache-2.0
//! When a call is repeated: the retry policy of `sdk/service_config.json`, the file that every
//! SDK follows. gRPC for Go and Python reads it by itself; this is the same for tonic.

use std::sync::LazyLock;
use std::time::Duration;

use rand::Rng;
use serde::Deserialize;
use tonic::Code;

/// The one policy. The file is part of the crate, and a test reads it.
pub(crate) static POLICY: LazyLock<RetryPolicy> = LazyLock::new(|| {
    RetryPolicy::from_json(include_str!("../../service_config.json"))
        .expect("service_config.json is part of this crate, and a test reads it")
});

/// How often and after which waits a call is repeated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub(crate) max_attempts: u32,
    /// The wait before the second attempt is at most this.
    pub(crate) initial_backoff: Duration,
    /// No wait is longer.
    pub(crate) max_backoff: Duration,
    /// The longest wait grows by this factor with each attempt.
    pub(crate) multiplier: f64,
    /// What is worth another attempt.
    pub(crate) codes: Vec<Code>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceConfig {
    method_config: Vec<MethodConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MethodConfig {
    retry_policy: RawPolicy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPolicy {
    max_attempts: u32,
    initial_backoff: String,
    max_backoff: String,
    backoff_multiplier: f64,
    retryable_status_codes: Vec<String>,
}

impl RetryPolicy {
    /// Reads a gRPC service config with one policy for all methods.
    fn from_json(text: &str) -> Result<Self, String> {
        let config: ServiceConfig = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let [MethodConfig { retry_policy: raw }] = config.method_config.as_slice() else {
            return Err("expected one methodConfig, for all methods".to_owned());
        };
        Ok(Self {
            max_attempts: raw.max_attempts,
            initial_backoff: seconds(&raw.initial_backoff)?,
            max_backoff: seconds(&raw.max_backoff)?,
            multiplier: raw.backoff_multiplier,
            codes: raw
                .retryable_status_codes
                .iter()
                .map(|c| code(c))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The longest wait after `failures` attempts (1: the first) have failed.
    pub(crate) fn longest_wait(&self, failures: u32) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let wait = self.initial_backoff.as_secs_f64() * self.multiplier.powi(exponent);
        Duration::from_secs_f64(wait.min(self.max_backoff.as_secs_f64()))
    }

    /// The wait after `failures` attempts have failed: between half of the longest and all of
    /// it, at random, so that clients which failed together do not come back together.
    pub(crate) fn wait(&self, failures: u32) -> Duration {
        self.longest_wait(failures)
            .mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Whether a failure is worth another attempt.
    pub(crate) fn repeats(&self, code: Code) -> bool {
        self.codes.contains(&code)
    }
}

/// A proto JSON duration: `0.1s`.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text
        .strip_suffix('s')
        .and_then(|number| number.parse().ok());
    number
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{text:?} is not a duration such as 0.1s"))
}

fn code(name: &str) -> Result<Code, String> {
    match name {
        "UNAVAILABLE" => Ok(Code::Unavailable),
        _ => Err(format!(
            "{name} is not to be retried: it may have had an effect"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_what_the_design_says() {
        assert_eq!(
            *POLICY,
            RetryPolicy {
                max_attempts: 5,
                initial_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                multiplier: 2.0,
                codes: vec![Code::Unavailable],
            }
        );
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let millis: Vec<u128> = (1..8).map(|n| POLICY.longest_wait(n).as_millis()).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        for failures in 1..100 {
            let (wait, longest) = (POLICY.wait(failures), POLICY.longest_wait(failures));
            assert!(
                wait <= longest && wait >= longest / 2,
                "{wait:?} of {longest:?}"
            );
        }
    }

    #[test]
    fn other_codes_are_refused() {
        let text = include_str!("../../service_config.json").replace("UNAVAILABLE", "ABORTED");
        assert!(
            RetryPolicy::from_json(&text)
                .unwrap_err()
                .contains("ABORTED")
        );
    }
}
