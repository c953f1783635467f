// SPDX-License-Identifier: Apache-2.0
//! Where things are kept.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::config::Config;

/// Most bytes of the path of a Unix socket: Linux keeps 108 for it, one of them for the end.
pub(crate) const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Where this daemon keeps what.
#[derive(Debug)]
pub(crate) struct Paths {
    /// Everything that is kept.
    pub data: PathBuf,
    /// The Unix socket of the API.
    pub socket: PathBuf,
    /// The directory that goes away with the daemon, if `data` is one.
    pub temporary: Option<TempDir>,
}

/// What the default places depend on.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// The daemon runs as root.
    pub root: bool,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`.
    pub runtime: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub(crate) fn of_process() -> Surroundings {
        let path = |name| {
            std::env::var_os(name)
                .filter(|text| !text.is_empty())
                .map(PathBuf::from)
        };
        Surroundings {
            root: nix::unistd::geteuid().is_root(),
            home: path("HOME"),
            runtime: path("XDG_RUNTIME_DIR"),
        }
    }
}

impl Paths {
    /// Decides where things are kept, and makes the temporary directory if there is to be one.
    ///
    /// # Errors
    /// If there is no place, or the path of the socket is too long.
    pub(crate) fn choose(config: &Config, around: &Surroundings) -> Result<Paths> {
        let temporary = match (&config.data_dir, config.dev) {
            (None, true) => {
                let made = tempfile::Builder::new().prefix("skep-").tempdir();
                Some(made.context("cannot make a temporary directory")?)
            }
            _ => None,
        };
        let named = temporary.as_ref().map(|dir| dir.path().to_path_buf());
        let named = named.or_else(|| config.data_dir.clone());
        let socket = match (&config.socket, &named) {
            (Some(socket), _) => socket.clone(),
            (None, Some(data)) => data.join("skep.sock"),
            (None, None) => default_socket(around)?,
        };
        let data = match named {
            Some(data) => data,
            None => default_data(around)?,
        };
        check_socket(&socket)?;
        Ok(Paths {
            data: absolute(&data)?,
            socket: absolute(&socket)?,
            temporary,
        })
    }
}

fn default_data(around: &Surroundings) -> Result<PathBuf> {
    if around.root {
        return Ok("/var/lib/skep".into());
    }
    let home = around
        .home
        .as_ref()
        .context("HOME is not set; say where with --data-dir")?;
    Ok(home.join(".local/share/skep"))
}

fn default_socket(around: &Surroundings) -> Result<PathBuf> {
    if around.root {
        return Ok("/run/skep/skep.sock".into());
    }
    match &around.runtime {
        Some(runtime) => Ok(runtime.join("skep/skep.sock")),
        None => Ok(default_data(around)?.join("skep.sock")),
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))
}

fn check_socket(path: &Path) -> Result<()> {
    let bytes = path.as_os_str().len();
    if bytes > SOCKET_PATH_BYTES_MAX {
        bail!(
            "the path of the socket has {bytes} bytes, and Linux allows {SOCKET_PATH_BYTES_MAX}: \
             {}. Name a shorter one with --socket",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn chosen(arguments: &[&str], root: bool) -> Result<Paths> {
        let around = Surroundings {
            root,
            home: Some("/users/ada".into()),
            runtime: Some("/run/user/1000".into()),
        };
        let config = Config::try_parse_from(std::iter::once(&"skepd").chain(arguments))?;
        Paths::choose(&config, &around)
    }

    #[test]
    fn the_usual_places() {
        for (arguments, root, data, socket) in [
            (&[][..], true, "/var/lib/skep", "/run/skep/skep.sock"),
            (
                &[],
                false,
                "/users/ada/.local/share/skep",
                "/run/user/1000/skep/skep.sock",
            ),
            (&["--data-dir", "/d"], true, "/d", "/d/skep.sock"),
            (&["--data-dir", "/d", "--dev"], true, "/d", "/d/skep.sock"),
            (&["--data-dir", "/d", "--socket", "/s"], true, "/d", "/s"),
        ] {
            let paths = chosen(arguments, root).expect("there is a place");
            assert_eq!(
                (paths.data, paths.socket),
                (data.into(), socket.into()),
                "{arguments:?}"
            );
        }
    }

    #[test]
    fn a_long_socket_path_is_refused_with_the_cure() {
        let long = format!("/{}", "x".repeat(107));
        let error = chosen(&["--socket", &long], true)
            .expect_err("too long")
            .to_string();
        assert!(
            error.contains("108 bytes") && error.contains("--socket"),
            "{error}"
        );
        assert!(chosen(&["--socket", &long[..107]], true).is_ok());
    }

    #[test]
    fn dev_leaves_nothing_behind() {
        let paths = chosen(&["--dev"], false).expect("there is a place");
        let place = paths.data.clone();
        assert!(place.exists());
        drop(paths);
        assert!(!place.exists());
    }
}
