// SPDX-License-Identifier: Apache-2.0
//! A real registry for tests, on a loopback address and with a password.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::skip;
use crate::wait::{DEADLINE, until};

/// Who may use the registry.
pub const USER: &str = "bee";

/// With this: every kind of symbol that somebody somewhere does not expect. In standard base 64 it
/// has both letters that differ from the URL-safe ones.
pub const PASSWORD: &str = "a~b?c>d<e:f/g+h=i \"j\" \u{fc}\u{2713}??>>~~";

/// A registry of its own.
pub struct Registry {
    dir: TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

impl Registry {
    /// A registry without anything in it; nothing: there can be none here, and that was said.
    ///
    /// # Panics
    /// If it does not come up although everything that it needs is there.
    #[must_use]
    pub fn start() -> Option<Registry> {
        let dir = tempfile::tempdir().expect("a directory");
        let Ok(passwords) = Command::new("htpasswd")
            .args(["-nbB", USER, PASSWORD])
            .output()
        else {
            skip("registry", "no htpasswd");
            return None;
        };
        fs::write(dir.path().join("htpasswd"), passwords.stdout).expect("written");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it has one");
        drop(listener);
        let mut registry = Registry {
            dir,
            address,
            child: None,
        };
        registry.write_settings();
        if !registry.start_again() {
            skip("registry", "no docker-registry");
            return None;
        }
        Some(registry)
    }

    /// Its address, as images are named after it.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Starts it, and waits until it listens. Says whether there is such a program.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start_again(&mut self) -> bool {
        let log = fs::File::create(self.dir.path().join("log")).expect("a log");
        let mut command = Command::new("docker-registry");
        command
            .arg("serve")
            .arg(self.dir.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let Ok(child) = command.spawn() else {
            return false;
        };
        self.child = Some(child);
        until("the registry listens", DEADLINE, || {
            TcpStream::connect(self.address).ok()
        });
        true
    }

    /// Ends it, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn write_settings(&self) {
        let dir = self.dir.path().display();
        let settings = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {dir}/data\nhttp:\n  \
             addr: {}\nauth:\n  htpasswd:\n    realm: tests\n    path: {dir}/htpasswd\n",
            self.address
        );
        fs::write(self.dir.path().join("config.yml"), settings).expect("written");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
    }
}
