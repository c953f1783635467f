// SPDX-License-Identifier: Apache-2.0
//! Where the daemon is: a host given by the caller, a named context from the configuration
//! file, or the sockets a daemon on this machine uses by default.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use http::uri::Authority;
use serde::Deserialize;

use crate::error::Error;

/// The longest path that fits into a Unix socket address on Linux.
const SOCKET_PATH_MAX_BYTES: usize = 107;

/// The socket of a daemon that runs as root.
const ROOT_SOCKET: &str = "unix:///run/skep/skep.sock";

/// The context that is always there: this machine's sockets.
const DEFAULT: &str = "default";

/// Addresses of one swarm, to be tried in turn: `unix:///path`, or `http://host:port` for the
/// plaintext address that `skepd --dev` serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    hosts: Vec<String>,
}

/// `~/.config/skep/config.json`. TLS files belong to contexts of a later release.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigFile {
    current: Option<String>,
    contexts: BTreeMap<String, ConfigContext>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigContext {
    hosts: Vec<String>,
}

/// Reads an environment variable that is not empty.
type Var<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Context {
    /// Addresses given by the caller, first choice first.
    ///
    /// # Errors
    /// Other schemes, a path or a user behind `http://`, and socket paths over 107 bytes are
    /// refused with the cure.
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let hosts: Vec<String> = hosts.into_iter().collect();
        for host in &hosts {
            check(host).map_err(|why| Error::misuse(format!("bad host {host:?}: {why}")))?;
        }
        Ok(Self { hosts })
    }

    /// The context that the environment chooses: `SKEP_HOST`, else `SKEP_CONTEXT`, else the
    /// current one of `~/.config/skep/config.json`, else this machine's sockets.
    ///
    /// # Errors
    /// A bad host, an unknown context, a configuration file that cannot be read.
    pub fn from_env() -> Result<Self, Error> {
        Self::choose(None, None)
    }

    /// As [`Context::from_env`], but a `host` or the name of a `context` comes before all else.
    /// If both are given the host wins. An empty text is as good as none.
    ///
    /// # Errors
    /// As [`Context::from_env`].
    pub fn choose(host: Option<&str>, context: Option<&str>) -> Result<Self, Error> {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::choose_in(host, context, nix::unistd::geteuid().is_root(), &var)
    }

    /// The addresses, first choice first.
    pub(crate) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    fn choose_in(
        host: Option<&str>,
        context: Option<&str>,
        is_root: bool,
        var: Var<'_>,
    ) -> Result<Self, Error> {
        let host = host.filter(|host| !host.is_empty());
        let context = context.filter(|name| !name.is_empty());
        let from_env = || var("SKEP_HOST").filter(|_| context.is_none());
        if let Some(host) = host.map(str::to_owned).or_else(from_env) {
            return Self::new([host]);
        }
        let config = ConfigFile::read(var)?;
        let named = context.map(str::to_owned).or_else(|| var("SKEP_CONTEXT"));
        let named = named.or_else(|| config.current.clone());
        let name = named.unwrap_or_else(|| DEFAULT.to_owned());
        if name == DEFAULT {
            return Self::new(sockets(is_root, var));
        }
        let Some(found) = config.contexts.get(&name) else {
            let known = Vec::from_iter(config.contexts.into_keys()).join(", ");
            return Err(Error::misuse(format!(
                "there is no context {name:?} in the configuration; there is: {known}"
            )));
        };
        if found.hosts.is_empty() {
            return Err(Error::misuse(format!(
                "the context {name:?} of the configuration has no hosts"
            )));
        }
        Self::new(found.hosts.clone())
    }
}

impl ConfigFile {
    /// The file of this user; without one there is nothing in it.
    fn read(var: Var<'_>) -> Result<Self, Error> {
        let home = || Some(format!("{}/.config", var("HOME")?));
        let Some(folder) = var("XDG_CONFIG_HOME").or_else(home) else {
            return Ok(Self::default());
        };
        let path = format!("{folder}/skep/config.json");
        let read = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| error.to_string()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.to_string()),
        };
        read.map_err(|why| Error::misuse(format!("cannot read {path}: {why}")))
    }
}

/// The user's own socket, then root's.
fn sockets(is_root: bool, var: Var<'_>) -> Vec<String> {
    let run = || Some(format!("{}/skep", var("XDG_RUNTIME_DIR")?));
    let home = || Some(format!("{}/.local/share/skep", var("HOME")?));
    let own = run().or_else(home).filter(|_| !is_root);
    let own = own.map(|folder| format!("unix://{folder}/skep.sock"));
    own.into_iter().chain([ROOT_SOCKET.to_owned()]).collect()
}

/// What is wrong with an address, and how to write it.
fn check(host: &str) -> Result<(), String> {
    let why = match host.split_once("://") {
        Some(("unix", path)) if path.len() > SOCKET_PATH_MAX_BYTES => {
            return Err(format!(
                "the path is {} bytes long, over the {SOCKET_PATH_MAX_BYTES} that the system \
                 allows; start the daemon with a shorter --socket, below /run or /tmp",
                path.len()
            ));
        }
        Some(("unix", path)) if path.starts_with('/') => return Ok(()),
        Some(("unix", _)) => "the path of a socket must be absolute: unix:///run/skep/skep.sock",
        Some(("http", rest)) if rest.trim_matches('/').is_empty() => {
            "the address is missing: http://127.0.0.1:2378"
        }
        Some(("http", rest)) if is_address(rest.trim_end_matches('/')) => return Ok(()),
        Some(("http", _)) => "expected http://host:port",
        Some(("https", _)) => {
            "TLS is not there yet; use unix:///path or, for a dev address, http://"
        }
        Some(("tcp", rest)) => return Err(format!("write http://{rest} for a dev address")),
        _ if host.starts_with('/') => return Err(format!("write unix://{host}")),
        _ => "expected unix:///path/to/skep.sock or http://host:port",
    };
    Err(why.to_owned())
}

/// Whether a text is a host, or a host and a port, and nothing else.
fn is_address(text: &str) -> bool {
    text.parse::<Authority>().is_ok_and(|address| {
        let is_all = address.port_u16().is_some() || address.host() == text;
        is_all && !address.host().is_empty() && !text.contains('@')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses that are chosen with these variables.
    fn choose(
        (host, context): (Option<&str>, Option<&str>),
        is_root: bool,
        vars: &[(&str, &str)],
    ) -> Result<Vec<String>, String> {
        let var = |name: &str| {
            let found = vars.iter().find(|(key, _)| *key == name)?;
            Some(found.1.to_owned())
        };
        let context = Context::choose_in(host, context, is_root, &var);
        context
            .map(|context| context.hosts)
            .map_err(|error| error.to_string())
    }

    fn config(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("skep")).unwrap();
        std::fs::write(folder.path().join("skep/config.json"), text).unwrap();
        folder
    }

    #[test]
    fn the_users_own_socket_comes_before_roots() {
        let mut vars = vec![("HOME", "/h")];
        let own = "unix:///h/.local/share/skep/skep.sock";
        let root = "unix:///run/skep/skep.sock";
        let none = (None, None);
        assert_eq!(choose(none, false, &vars).unwrap(), [own, root]);
        vars.push(("XDG_RUNTIME_DIR", "/run/user/7"));
        let own = "unix:///run/user/7/skep/skep.sock";
        assert_eq!(choose(none, false, &vars).unwrap(), [own, root]);
        assert_eq!(choose(none, true, &vars).unwrap(), [root]);
        assert_eq!(choose(none, false, &[]).unwrap(), [root]);
    }

    #[test]
    fn flags_beat_the_environment_and_it_beats_the_file() {
        let folder = config(
            r#"{"current": "prod", "contexts": {
            "prod": {"hosts": ["http://10.0.0.1:2378", "http://10.0.0.2:2378"]},
            "test": {"hosts": ["unix:///tmp/t.sock"]}}}"#,
        );
        let mut vars = vec![("XDG_CONFIG_HOME", folder.path().to_str().unwrap())];
        let prod = ["http://10.0.0.1:2378", "http://10.0.0.2:2378"];
        let none = (None, None);
        assert_eq!(choose(none, true, &vars).unwrap(), prod);
        vars.push(("SKEP_CONTEXT", "test"));
        assert_eq!(choose(none, true, &vars).unwrap(), ["unix:///tmp/t.sock"]);
        vars.push(("SKEP_HOST", "http://h:1"));
        assert_eq!(choose(none, true, &vars).unwrap(), ["http://h:1"]);
        let empty = (Some(""), Some(""));
        assert_eq!(choose(empty, true, &vars).unwrap(), ["http://h:1"]);
        let named = (None, Some("prod"));
        assert_eq!(choose(named, true, &vars).unwrap(), prod);
        let both = (Some("unix:///x"), Some("prod"));
        assert_eq!(choose(both, true, &vars).unwrap(), ["unix:///x"]);
        let default = (None, Some("default"));
        assert_eq!(choose(default, true, &vars).unwrap(), [ROOT_SOCKET]);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_cure() {
        let folder = config("{");
        let vars = [("XDG_CONFIG_HOME", folder.path().to_str().unwrap())];
        let error = choose((None, None), true, &vars).unwrap_err();
        let path = folder.path().join("skep/config.json");
        let begin = format!("cannot read {}: EOF", path.display());
        assert!(error.starts_with(&begin), "{error}");

        let folder = config(r#"{"contexts": {"prod": {"hosts": ["tcp://h:2377"]}, "none": {}}}"#);
        let vars = [("XDG_CONFIG_HOME", folder.path().to_str().unwrap())];
        for (name, words) in [
            (
                "pord",
                "no context \"pord\" in the configuration; there is: none, prod",
            ),
            (
                "none",
                "the context \"none\" of the configuration has no hosts",
            ),
            ("prod", "write http://h:2377 for a dev address"),
        ] {
            let error = choose((None, Some(name)), true, &vars).unwrap_err();
            assert!(error.ends_with(words), "{error}");
        }
    }

    #[test]
    fn hosts_are_checked_before_they_are_tried() {
        let long = format!("unix:///{}", "x".repeat(107));
        let error = Context::new([long.clone()]).unwrap_err().to_string();
        assert!(error.contains("is 108 bytes long, over the 107"), "{error}");
        assert!(Context::new([long[..long.len() - 1].to_owned()]).is_ok());
        for (text, cure) in [
            ("/run/skep.sock", "write unix:///run/skep.sock"),
            ("unix://run/skep.sock", "must be absolute"),
            ("https://h:2377", "TLS is not there yet"),
            ("http://", "the address is missing"),
            ("localhost:2378", "expected unix:///path"),
            ("http://:2378", "expected http://host:port"),
            ("http://h:port", "expected http://host:port"),
            ("http://h:99999", "expected http://host:port"),
            ("http://h:1/path", "expected http://host:port"),
            ("http://h:1?query", "expected http://host:port"),
            ("http://h:1#part", "expected http://host:port"),
            ("http://user@h:1", "expected http://host:port"),
        ] {
            let error = Context::new([text.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(cure), "{text}: {error}");
        }
        for text in ["http://h", "http://h:1", "http://h:1/", "http://[::1]:2378"] {
            assert!(Context::new([text.to_owned()]).is_ok(), "{text}");
        }
    }
}
