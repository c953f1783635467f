// SPDX-License-Identifier: Apache-2.0
//! When a call is repeated: the retry policy of `sdk/service_config.json`, the file that every
//! SDK follows. gRPC for Go and Python reads it by itself; this is the same for tonic.

use std::sync::LazyLock;
use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Deserializer, de};
use tonic::Code;

/// The one policy. The file is part of the crate, and a test reads it.
pub(crate) static POLICY: LazyLock<RetryPolicy> = LazyLock::new(|| {
    RetryPolicy::from_json(include_str!("../../service_config.json"))
        .expect("service_config.json is part of this crate, and a test reads it")
});

/// How often and after which waits a call is repeated.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub(crate) max_attempts: u32,
    /// The wait before the second attempt is at most this.
    #[serde(deserialize_with = "seconds")]
    initial_backoff: Duration,
    /// No wait is longer.
    #[serde(deserialize_with = "seconds")]
    max_backoff: Duration,
    /// The longest wait grows by this factor with each attempt.
    backoff_multiplier: f64,
    /// What is worth another attempt.
    retryable_status_codes: Vec<Retryable>,
}

/// The codes that may be repeated: any other may have had an effect, and is refused here.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Retryable {
    Unavailable,
}

impl RetryPolicy {
    /// Reads a gRPC service config with one policy for all methods.
    fn from_json(text: &str) -> serde_json::Result<Self> {
        let mut config: serde_json::Value = serde_json::from_str(text)?;
        serde_json::from_value(config["methodConfig"][0]["retryPolicy"].take())
    }

    /// The longest wait after `failures` attempts (1: the first) have failed.
    fn longest_wait(&self, failures: u32) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let wait = self.initial_backoff.as_secs_f64() * self.backoff_multiplier.powi(exponent);
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
        let mut codes = self.retryable_status_codes.iter();
        codes.any(|Retryable::Unavailable| code == Code::Unavailable)
    }
}

/// A proto JSON duration: `0.1s`.
fn seconds<'de, D: Deserializer<'de>>(text: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(text)?;
    let number = text
        .strip_suffix('s')
        .and_then(|number| number.parse().ok());
    let span = number.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    span.ok_or_else(|| de::Error::custom(format!("{text:?} is not a duration such as 0.1s")))
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
                backoff_multiplier: 2.0,
                retryable_status_codes: vec![Retryable::Unavailable],
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
                .to_string()
                .contains("ABORTED")
        );
    }
}
