// SPDX-License-Identifier: Apache-2.0
//! The sockets the daemon listens on.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::{Group, chown};
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// The group whose members may call the daemon of a machine, if there is such a group.
const GROUP: &str = "skep";

/// A Unix socket in the file system, which goes away with it.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
}

impl Socket {
    /// Listens at a path, for its owner and its group. A socket that nobody listens on any more
    /// makes way.
    ///
    /// # Errors
    /// If another daemon listens there, or the path cannot be used.
    pub(crate) async fn open(path: &Path) -> Result<(Socket, UnixListener)> {
        make_way(path).await?;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let listener = UnixListener::bind(path)
            .with_context(|| format!("cannot listen on the socket {}", path.display()))?;
        let socket = Socket {
            path: path.to_path_buf(),
        };
        socket.admit_group().with_context(|| {
            format!(
                "cannot set the permissions of the socket {}",
                path.display()
            )
        })?;
        Ok((socket, listener))
    }

    fn admit_group(&self) -> io::Result<()> {
        std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(0o660))?;
        if let Ok(Some(group)) = Group::from_name(GROUP)
            && let Err(error) = chown(&self.path, None, Some(group.gid))
        {
            tracing::warn!(%error, group = GROUP, "cannot give the socket to its group");
        }
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, socket = %self.path.display(), "cannot remove the socket");
        }
    }
}

async fn make_way(path: &Path) -> Result<()> {
    // Connecting to any other file is refused just like connecting to a socket left behind.
    if let Ok(there) = std::fs::symlink_metadata(path)
        && !there.file_type().is_socket()
    {
        bail!(
            "{} is there already and is no socket; name another path with --socket",
            path.display()
        );
    }
    match UnixStream::connect(path).await {
        Ok(_) => bail!(
            "another daemon listens on the socket {}. Stop that one, or name another socket with \
             --socket",
            path.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).with_context(|| {
                format!(
                    "cannot remove the socket {} that a daemon left behind",
                    path.display()
                )
            })
        }
        Err(_) => Ok(()),
    }
}

/// Listens on a TCP address; gives back which, as port 0 takes a free one.
///
/// # Errors
/// If the address is taken or not there. `flag` is what set it.
pub(crate) async fn tcp(address: SocketAddr, flag: &str) -> Result<(SocketAddr, TcpListener)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; name another with {flag}"))?;
    Ok((listener.local_addr()?, listener))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_left_behind_makes_way_and_a_live_one_does_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("deep/skep.sock");
        let (socket, listener) = Socket::open(&path).await.expect("it opens");
        let mode = std::fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o660);
        let error = Socket::open(&path)
            .await
            .expect_err("it is taken")
            .to_string();
        assert!(error.starts_with("another daemon listens"), "{error}");
        std::mem::forget(socket);
        drop(listener);
        let (socket, _listener) = Socket::open(&path).await.expect("it makes way");
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_refused_and_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("thesis.tex");
        std::fs::write(&path, "years of work").expect("written");
        let error = Socket::open(&path).await.expect_err("taken").to_string();
        assert!(error.contains("name another path with --socket"), "{error}");
        let kept = std::fs::read_to_string(&path).expect("it is still there");
        assert_eq!(kept, "years of work");
    }

    #[tokio::test]
    async fn an_address_that_is_taken_names_its_flag() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (address, _listener) = tcp(any, "--dev-addr").await.expect("one is free");
        let error = tcp(address, "--dev-addr")
            .await
            .expect_err("it is taken")
            .to_string();
        assert!(error.contains("name another with --dev-addr"), "{error}");
    }
}
