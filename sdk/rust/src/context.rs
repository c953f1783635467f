// SPDX-License-Identifier: Apache-2.0
//! Where the daemon is: a host given by the caller, a named context from the configuration
//! file, or the sockets a daemon on this machine uses by default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::ConnectError;

/// The longest path that fits into a Unix socket address on Linux.
const SOCKET_PATH_LIMIT: usize = 107;

/// The socket of a daemon that runs as root.
const ROOT_SOCKET: &str = "/run/skep/skep.sock";

/// One address of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A Unix socket, `unix:///run/skep/skep.sock`.
    Unix(PathBuf),
    /// A plaintext address, `http://127.0.0.1:2378`: what `skepd --dev` serves.
    Http(String),
}

impl Host {
    /// Reads `unix:///path` or `http://host:port`.
    ///
    /// # Errors
    /// Other schemes, and socket paths over 107 bytes, are refused with the cure.
    pub fn parse(text: &str) -> Result<Self, ConnectError> {
        let bad = |why: &str| ConnectError::BadHost {
            host: text.to_owned(),
            why: why.to_owned(),
        };
        if let Some(path) = text.strip_prefix("unix://") {
            if !path.starts_with('/') {
                return Err(bad(
                    "the path of a socket must be absolute: unix:///run/skep/skep.sock",
                ));
            }
            return Self::socket(Path::new(path));
        }
        match text.split_once("://") {
            Some(("http", rest)) if !rest.trim_end_matches('/').is_empty() => {
                Ok(Self::Http(text.trim_end_matches('/').to_owned()))
            }
            Some(("http", _)) => Err(bad("the address is missing: http://127.0.0.1:2378")),
            Some(("https", _)) => Err(bad(
                "TLS is not there yet; use unix:///path or, for a dev address, http://",
            )),
            Some(("tcp", rest)) => Err(bad(&format!("write http://{rest} for a dev address"))),
            _ if text.starts_with('/') => Err(bad(&format!("write unix://{text}"))),
            _ => Err(bad(
                "expected unix:///path/to/skep.sock or http://host:port",
            )),
        }
    }

    fn socket(path: &Path) -> Result<Self, ConnectError> {
        let bytes = path.as_os_str().len();
        if bytes > SOCKET_PATH_LIMIT {
            return Err(ConnectError::SocketPathTooLong {
                path: path.to_owned(),
                bytes,
            });
        }
        Ok(Self::Unix(path.to_owned()))
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Http(url) => f.write_str(url),
        }
    }
}

/// Addresses to try in turn, and what chose them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// For people: the name of the context, or what gave the host.
    pub name: String,
    /// The addresses, first choice first.
    pub hosts: Vec<Host>,
}

impl Context {
    /// The context that the environment chooses: `SKEP_HOST`, else `SKEP_CONTEXT`, else the
    /// current one of `~/.config/skep/config.json`, else this machine's sockets.
    ///
    /// # Errors
    /// A bad host, an unknown context, a configuration file that cannot be read.
    pub fn from_env() -> Result<Self, ConnectError> {
        Self::choose(None, None)
    }

    /// As [`Context::from_env`], but a `host` or the name of a `context` comes before all else.
    /// If both are given the host wins.
    ///
    /// # Errors
    /// As [`Context::from_env`].
    pub fn choose(host: Option<&str>, context: Option<&str>) -> Result<Self, ConnectError> {
        Surroundings::of_process().choose(host, context)
    }
}

/// What decides besides the caller's wishes.
#[derive(Debug, Default)]
struct Surroundings {
    host: Option<String>,
    context: Option<String>,
    /// Home directory.
    home: Option<PathBuf>,
    runtime_dir: Option<PathBuf>,
    is_root: bool,
    /// The text of the configuration file, and where it is.
    config: Option<(PathBuf, Result<String, String>)>,
}

/// `~/.config/skep/config.json`. TLS files belong to contexts of a later release.
#[derive(Debug, Deserialize)]
struct ConfigFile {
    #[serde(default)]
    current: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, ConfigContext>,
}

#[derive(Debug, Deserialize)]
struct ConfigContext {
    #[serde(default)]
    hosts: Vec<String>,
}

impl Surroundings {
    fn of_process() -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = var("HOME").map(PathBuf::from);
        let config_dir = var("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| home.as_ref().map(|home| home.join(".config")));
        let path = config_dir.map(|dir| dir.join("skep/config.json"));
        let config = path.and_then(|path| match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, Ok(text))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => Some((path, Err(error.to_string()))),
        });
        Self {
            host: var("SKEP_HOST"),
            context: var("SKEP_CONTEXT"),
            home,
            runtime_dir: var("XDG_RUNTIME_DIR").map(PathBuf::from),
            is_root: nix::unistd::geteuid().is_root(),
            config,
        }
    }

    fn choose(&self, host: Option<&str>, context: Option<&str>) -> Result<Context, ConnectError> {
        if let Some(host) = host {
            return Ok(Context {
                name: "host".to_owned(),
                hosts: vec![Host::parse(host)?],
            });
        }
        if let Some(name) = context {
            return self.named(name);
        }
        if let Some(host) = &self.host {
            return Ok(Context {
                name: "SKEP_HOST".to_owned(),
                hosts: vec![Host::parse(host)?],
            });
        }
        if let Some(name) = &self.context {
            return self.named(name);
        }
        match self.read_config()?.and_then(|config| config.current) {
            Some(name) if name != "default" => self.named(&name),
            _ => self.sockets(),
        }
    }

    fn read_config(&self) -> Result<Option<ConfigFile>, ConnectError> {
        let Some((path, text)) = &self.config else {
            return Ok(None);
        };
        let bad = |why: String| ConnectError::BadConfig {
            path: path.clone(),
            why,
        };
        let text = text.as_ref().map_err(|why| bad(why.clone()))?;
        serde_json::from_str(text)
            .map(Some)
            .map_err(|error| bad(error.to_string()))
    }

    fn named(&self, name: &str) -> Result<Context, ConnectError> {
        if name == "default" {
            return self.sockets();
        }
        let contexts = self
            .read_config()?
            .map(|config| config.contexts)
            .unwrap_or_default();
        let Some(context) = contexts.get(name) else {
            let known = contexts.into_keys().collect();
            return Err(ConnectError::UnknownContext {
                name: name.to_owned(),
                known,
            });
        };
        let hosts = context
            .hosts
            .iter()
            .map(|host| Host::parse(host))
            .collect::<Result<Vec<_>, _>>()?;
        if hosts.is_empty() {
            return Err(ConnectError::UnknownContext {
                name: name.to_owned(),
                known: Vec::new(),
            });
        }
        Ok(Context {
            name: name.to_owned(),
            hosts,
        })
    }

    /// The user's own socket, then root's.
    fn sockets(&self) -> Result<Context, ConnectError> {
        let mut paths = Vec::new();
        if !self.is_root {
            let own = match (&self.runtime_dir, &self.home) {
                (Some(dir), _) => Some(dir.join("skep/skep.sock")),
                (None, Some(home)) => Some(home.join(".local/share/skep/skep.sock")),
                (None, None) => None,
            };
            paths.extend(own);
        }
        paths.push(PathBuf::from(ROOT_SOCKET));
        let hosts = paths
            .iter()
            .map(|path| Host::socket(path))
            .collect::<Result<_, _>>()?;
        Ok(Context {
            name: "default".to_owned(),
            hosts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Option<(PathBuf, Result<String, String>)> {
        Some((
            PathBuf::from("/h/.config/skep/config.json"),
            Ok(text.to_owned()),
        ))
    }

    fn hosts(context: Result<Context, ConnectError>) -> Vec<String> {
        context
            .unwrap()
            .hosts
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_users_own_socket_comes_before_roots() {
        let mut around = Surroundings {
            home: Some("/h".into()),
            ..Surroundings::default()
        };
        let own = "unix:///h/.local/share/skep/skep.sock";
        assert_eq!(
            hosts(around.choose(None, None)),
            [own, "unix:///run/skep/skep.sock"]
        );
        around.runtime_dir = Some("/run/user/7".into());
        let own = "unix:///run/user/7/skep/skep.sock";
        assert_eq!(
            hosts(around.choose(None, None)),
            [own, "unix:///run/skep/skep.sock"]
        );
        around.is_root = true;
        assert_eq!(
            hosts(around.choose(None, None)),
            ["unix:///run/skep/skep.sock"]
        );
    }

    #[test]
    fn flags_beat_the_environment_and_it_beats_the_file() {
        let file = r#"{"current": "prod", "contexts": {
            "prod": {"hosts": ["http://10.0.0.1:2378", "http://10.0.0.2:2378"]},
            "test": {"hosts": ["unix:///tmp/t.sock"]}}}"#;
        let mut around = Surroundings {
            config: config(file),
            ..Surroundings::default()
        };
        let prod = ["http://10.0.0.1:2378", "http://10.0.0.2:2378"];
        assert_eq!(hosts(around.choose(None, None)), prod);
        around.context = Some("test".into());
        assert_eq!(hosts(around.choose(None, None)), ["unix:///tmp/t.sock"]);
        around.host = Some("http://h:1".into());
        assert_eq!(hosts(around.choose(None, None)), ["http://h:1"]);
        assert_eq!(hosts(around.choose(None, Some("prod"))), prod);
        assert_eq!(
            hosts(around.choose(Some("unix:///x"), Some("prod"))),
            ["unix:///x"]
        );
        assert_eq!(
            hosts(around.choose(None, Some("default"))),
            ["unix:///run/skep/skep.sock"]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_the_cure() {
        let around = Surroundings {
            config: config("{"),
            ..Surroundings::default()
        };
        let error = around.choose(None, None).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read /h/.config/skep/config.json: EOF"),
            "{error}"
        );

        let file = r#"{"contexts": {"prod": {"hosts": ["tcp://h:2377"]}}}"#;
        let around = Surroundings {
            config: config(file),
            ..Surroundings::default()
        };
        let error = around.choose(None, Some("pord")).unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no context \"pord\" in the configuration; there is: prod"
        );
        let error = around.choose(None, Some("prod")).unwrap_err().to_string();
        assert!(
            error.ends_with("write http://h:2377 for a dev address"),
            "{error}"
        );
    }

    #[test]
    fn hosts_are_checked_before_they_are_tried() {
        let long = format!("unix:///{}", "x".repeat(107));
        let error = Host::parse(&long).unwrap_err().to_string();
        assert!(error.contains("is 108 bytes long, over the 107"), "{error}");
        assert!(Host::parse(&format!("unix:///{}", "x".repeat(106))).is_ok());
        for (text, cure) in [
            ("/run/skep.sock", "write unix:///run/skep.sock"),
            ("unix://run/skep.sock", "must be absolute"),
            ("https://h:2377", "TLS is not there yet"),
            ("http://", "the address is missing"),
            ("localhost:2378", "expected unix:///path"),
        ] {
            let error = Host::parse(text).unwrap_err().to_string();
            assert!(error.contains(cure), "{text}: {error}");
        }
    }
}
