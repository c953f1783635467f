// SPDX-License-Identifier: Apache-2.0
//! A small HTTP/1.1 server: a thread a connection, keep-alive, a graceful end.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::identity::Identity;

/// Connections served at once; further ones are closed.
const CONNECTIONS_MAX: usize = 4096;
/// Request line and headers of one request.
const HEAD_BYTES_MAX: u64 = 16 << 10;
/// A request's body, which is read and dropped.
const BODY_BYTES_MAX: u64 = 1 << 20;
/// A connection silent for longer is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// The running server.
pub(crate) struct Server {
    shared: Arc<Shared>,
    listener: TcpListener,
}

struct Shared {
    identity: Arc<Identity>,
    healthy: bool,
    stopping: AtomicBool,
    connections: Mutex<HashMap<u64, TcpStream>>,
    closed: Condvar,
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Serves `listener` on threads of its own.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn start(
        listener: TcpListener,
        identity: Arc<Identity>,
        healthy: bool,
    ) -> io::Result<Server> {
        let shared = Arc::new(Shared {
            identity,
            healthy,
            stopping: AtomicBool::new(false),
            connections: Mutex::default(),
            closed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        let accepted = listener.try_clone()?;
        thread::Builder::new()
            .name("accept".into())
            .spawn(move || accept(&accepted, &accepting))?;
        Ok(Server { shared, listener })
    }

    /// Takes no new connection and no new request, lets open requests finish for up to
    /// `drain`, and says how many connections were still open then.
    pub(crate) fn stop(self, drain: Duration) -> usize {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Ends the blocked accept; fails only if the listener is gone already.
        let _ =
            nix::sys::socket::shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
        let connections = self.shared.connections();
        for stream in connections.values() {
            // Idle ones read their end and close; a response under way is still written.
            let _ = stream.shutdown(Shutdown::Read);
        }
        let (connections, _) = self
            .shared
            .closed
            .wait_timeout_while(connections, drain, |open| !open.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        connections.len()
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (number, stream) in (0u64..).zip(listener.incoming()) {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let Ok(registered) = stream.try_clone() else {
            continue;
        };
        {
            let mut connections = shared.connections();
            // Looked at again under the lock: `stop` ends the reads of those it finds here.
            if shared.stopping.load(Ordering::SeqCst) || connections.len() >= CONNECTIONS_MAX {
                continue;
            }
            connections.insert(number, registered);
        }
        let serving = Arc::clone(shared);
        let spawned = thread::Builder::new().stack_size(128 << 10).spawn(move || {
            // A peer that vanishes is nothing to report.
            let _ = serve(&stream, &serving);
            let mut connections = serving.connections();
            connections.remove(&number);
            serving.closed.notify_all();
        });
        if spawned.is_err() {
            shared.connections().remove(&number);
        }
    }
}

/// Answers the requests of one connection, one after the other.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE_MAX))?;
    stream.set_write_timeout(Some(IDLE_MAX))?;
    let mut reader = BufReader::new(stream);
    while let Some(head) = Head::read(&mut reader)? {
        if head.expects_continue {
            (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = head.body_bytes.unwrap_or(0);
        let refused = head.refusal();
        if refused.is_none() {
            io::copy(&mut (&mut reader).take(body), &mut io::sink())?;
        }
        let keep = head.keep_alive && refused.is_none() && !shared.stopping.load(Ordering::SeqCst);
        let response = refused.unwrap_or_else(|| respond(&head, shared));
        (&mut &*stream).write_all(&response.bytes(head.method == "HEAD", keep))?;
        if !keep {
            break;
        }
    }
    Ok(())
}

/// What a request's first lines say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    method: String,
    path: String,
    wants_json: bool,
    keep_alive: bool,
    expects_continue: bool,
    /// Nothing: a length that cannot be handled.
    body_bytes: Option<u64>,
}

impl Head {
    /// Reads up to the empty line; nothing if the peer ended the connection between requests.
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
        let mut reader = reader.take(HEAD_BYTES_MAX);
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut head = Head {
            method: method.to_owned(),
            path: target.split('?').next().unwrap_or_default().to_owned(),
            keep_alive: version == "HTTP/1.1",
            body_bytes: Some(0),
            ..Head::default()
        };
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.trim_end().is_empty() {
                return Ok(Some(head));
            }
            let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
            head.header(
                &name.to_ascii_lowercase(),
                &value.trim().to_ascii_lowercase(),
            );
        }
    }

    fn header(&mut self, name: &str, value: &str) {
        match name {
            "connection" if value.contains("close") => self.keep_alive = false,
            "connection" if value.contains("keep-alive") => self.keep_alive = true,
            "accept" => self.wants_json = value.starts_with("application/json"),
            "expect" => self.expects_continue = value == "100-continue",
            "transfer-encoding" => self.body_bytes = None,
            "content-length" if self.body_bytes.is_some() => {
                self.body_bytes = value.parse().ok().filter(|bytes| *bytes <= BODY_BYTES_MAX);
            }
            _ => {}
        }
    }

    /// The answer to a request whose body cannot be read past.
    fn refusal(&self) -> Option<Response> {
        self.body_bytes.is_none().then(|| {
            Response::text(
                "413 Content Too Large",
                "a body needs a length of at most 1 MiB\n",
            )
        })
    }
}

struct Response {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl Response {
    fn text(status: &'static str, body: &str) -> Response {
        Response {
            status,
            kind: "text/plain; charset=utf-8",
            body: body.to_owned(),
        }
    }

    fn json(body: String) -> Response {
        Response {
            status: "200 OK",
            kind: "application/json",
            body,
        }
    }

    /// One write for head and body: half as many packets.
    fn bytes(&self, head_only: bool, keep_alive: bool) -> Vec<u8> {
        let connection = if keep_alive { "keep-alive" } else { "close" };
        format!(
            "HTTP/1.1 {}\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: {connection}\r\n\r\n{}",
            self.status,
            self.kind,
            self.body.len(),
            if head_only { "" } else { &self.body },
        )
        .into_bytes()
    }
}

fn respond(head: &Head, shared: &Shared) -> Response {
    let identity = &shared.identity;
    match head.path.as_str() {
        "/" if !head.wants_json => Response::text("200 OK", &identity.text()),
        "/" | "/json" => Response::json(identity.json()),
        "/task" => Response::text("200 OK", &format!("{}\n", identity.task)),
        "/healthz" if shared.healthy => Response::text("200 OK", "ok\n"),
        "/healthz" => Response::text("503 Service Unavailable", "unhealthy, as told\n"),
        _ => Response::text("404 Not Found", "try /, /json, /task or /healthz\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> io::Result<Option<Head>> {
        Head::read(&mut text.as_bytes())
    }

    #[test]
    fn a_head_is_read_up_to_its_empty_line() {
        let text = "POST /json?x=1 HTTP/1.1\r\nContent-Length: 5\r\nConnection: Close\r\n\r\nhello";
        let head = head(text).expect("well formed").expect("a request");
        assert_eq!(
            (head.method.as_str(), head.path.as_str()),
            ("POST", "/json")
        );
        assert_eq!((head.body_bytes, head.keep_alive), (Some(5), false));
    }

    #[test]
    fn old_clients_ask_for_keep_alive() {
        let keeps = |text| {
            head(text)
                .expect("well formed")
                .expect("a request")
                .keep_alive
        };
        assert!(keeps("GET / HTTP/1.1\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.0\r\n\r\n"));
        assert!(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    }

    #[test]
    fn what_is_no_request_ends_the_connection() {
        assert_eq!(head("").expect("an end"), None);
        let long = format!(
            "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
            "y".repeat(HEAD_BYTES_MAX as usize)
        );
        for text in [
            "\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\nx\r\n",
            &long,
        ] {
            assert!(head(text).is_err(), "{text:.40}");
        }
    }
}
