// SPDX-License-Identifier: Apache-2.0
//! Versions of the engine's API, and what came with which.

use std::fmt;
use std::str::FromStr;

/// A version of the engine's API.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ApiVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

impl ApiVersion {
    /// The oldest that is used: that of Engine 20.10.
    pub const OLDEST: ApiVersion = ApiVersion::new(1, 41);

    /// This version.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        ApiVersion { major, minor }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        Ok(ApiVersion::new(major.parse()?, minor.parse()?))
    }
}

/// What older engines cannot do. A newer engine is needed then, not silence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Feature {
    /// `health_check.start_interval`.
    StartInterval,
    /// `mounts[i].volume.subpath`.
    Subpath,
}

impl Feature {
    /// The version that it came with, and the engine that has that.
    pub(crate) const fn since(self) -> (ApiVersion, &'static str) {
        match self {
            Feature::StartInterval => (ApiVersion::new(1, 44), "25.0"),
            Feature::Subpath => (ApiVersion::new(1, 45), "26.0"),
        }
    }

    /// Why the engine with this version cannot do it; nothing: it can.
    pub(crate) fn problem(self, engine: ApiVersion) -> Option<String> {
        let (since, release) = self.since();
        (engine < since).then(|| {
            format!(
                "the Docker engine of this node has API {engine}, and this needs {since} (Engine \
                 {release} or later): leave it out, or place the task on a node with a newer engine"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let version = |text: &str| text.parse::<ApiVersion>().expect(text);
        assert!(version("1.9") < version("1.41") && version("1.52") < version("2.0"));
        assert_eq!(version("1.41").to_string(), "1.41");
        assert!("one".parse::<ApiVersion>().is_err());
    }

    #[test]
    fn what_an_engine_cannot_do_is_named() {
        let problem = Feature::Subpath
            .problem(ApiVersion::OLDEST)
            .expect("too old");
        assert!(
            problem.contains("has API 1.41, and this needs 1.45 (Engine 26.0"),
            "{problem}"
        );
        assert_eq!(Feature::StartInterval.problem(ApiVersion::new(1, 44)), None);
    }
}
