// SPDX-License-Identifier: Apache-2.0
//! Where an engine is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the engine listens unless somebody says otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Where an engine listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EngineAddress {
    /// A Unix socket of this machine.
    Unix(PathBuf),
    /// Plain HTTP, as `host:port`.
    Tcp(String),
}

/// A text that is no address of an engine.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "\"{0}\" is no address of a Docker engine that can be used here: give unix:///path/of/socket \
     or tcp://host:port (plain HTTP; over ssh or TLS an engine cannot be reached)"
)]
pub struct BadAddress(String);

impl Default for EngineAddress {
    fn default() -> Self {
        EngineAddress::Unix(DEFAULT_SOCKET.into())
    }
}

impl FromStr for EngineAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.to_owned());
        if let Some(path) = text.strip_prefix("unix://") {
            return match path {
                "" => Ok(EngineAddress::default()),
                path if path.starts_with('/') => Ok(EngineAddress::Unix(path.into())),
                _ => Err(bad()),
            };
        }
        let host = text
            .strip_prefix("tcp://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or_else(bad)?;
        let host = host.trim_end_matches('/');
        let (name, port) = host.rsplit_once(':').ok_or_else(bad)?;
        let good = !name.is_empty() && !name.contains('/') && port.parse::<u16>().is_ok();
        good.then(|| EngineAddress::Tcp(host.to_owned()))
            .ok_or_else(bad)
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineAddress::Unix(path) => write!(f, "unix://{}", path.display()),
            EngineAddress::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_docker_writes_them() {
        for (text, want) in [
            ("unix://", "unix:///var/run/docker.sock"),
            ("unix:///tmp/d.sock", "unix:///tmp/d.sock"),
            ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375"),
            ("http://[::1]:2375/", "tcp://[::1]:2375"),
        ] {
            let address: EngineAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), want);
        }
        for text in [
            "",
            "ssh://me@host",
            "npipe:////./pipe/x",
            "tcp://host",
            "unix://x",
            "tcp://:1",
        ] {
            let error = text.parse::<EngineAddress>().expect_err(text).to_string();
            assert!(error.contains("unix:///path/of/socket"), "{error}");
        }
    }
}
