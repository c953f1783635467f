// SPDX-License-Identifier: Apache-2.0
//! The program as it runs: real sockets, real signals.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Far longer than anything here takes: only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(30);

/// The program, ended with the test.
struct Hello {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    http: SocketAddr,
}

impl Hello {
    fn start(args: &[&str]) -> Hello {
        let mut child = Command::new(env!("CARGO_BIN_EXE_skep-hello"))
            .args(args)
            .env_clear()
            .envs([
                ("PORT", "0"),
                ("SKEP_ADDR", "127.0.0.1"),
                ("SKEP_TASK_ID", "tsk_1"),
            ])
            .envs([("SKEP_TASK_NAME", "web.1"), ("GREETING", "hi \"there\"")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("piped");
        let mut lines = BufReader::new(stdout).lines();
        let first = lines.next().expect("a first line").expect("text");
        let http = address_in(&first);
        Hello { child, lines, http }
    }

    fn next_line(&mut self) -> String {
        self.lines.next().expect("another line").expect("text")
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("it is still there");
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.http).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream
    }

    fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in "…: serving http on 127.0.0.1:4711, …".
fn address_in(line: &str) -> SocketAddr {
    let (_, after) = line.split_once(" on ").expect("an address");
    let text = after.split([',', ' ']).next().expect("a word");
    text.parse().expect("an address")
}

/// Sends a request and reads one response: its head and its body.
fn ask(stream: &mut TcpStream, request: &str) -> (String, String) {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a response");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text");
    let (_, length) = head.split_once("content-length: ").expect("a length");
    let length = length
        .split("\r\n")
        .next()
        .expect("a line")
        .parse()
        .expect("a number");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    (head, String::from_utf8(body).expect("text"))
}

#[test]
fn one_connection_serves_many_requests() {
    let hello = Hello::start(&[]);
    let mut stream = hello.connect();
    for (request, status, part) in [
        ("GET / HTTP/1.1\r\n\r\n", "200 OK", "task: tsk_1\n"),
        (
            "GET /json HTTP/1.1\r\n\r\n",
            "200 OK",
            r#""greeting":"hi \"there\"""#,
        ),
        (
            "GET / HTTP/1.1\r\nAccept: application/json\r\n\r\n",
            "200 OK",
            r#""task":"tsk_1""#,
        ),
        (
            "POST /task HTTP/1.1\r\nContent-Length: 3\r\n\r\nGET",
            "200 OK",
            "tsk_1\n",
        ),
        ("GET /healthz HTTP/1.1\r\n\r\n", "200 OK", "ok\n"),
        ("GET /nowhere HTTP/1.1\r\n\r\n", "404", "try /"),
        (
            "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
            "200 OK",
            "greeting: hi",
        ),
    ] {
        let (head, body) = ask(&mut stream, request);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}: {head}"
        );
        assert!(body.contains(part), "{request}: {body}");
    }
    assert_eq!(
        stream.read(&mut [0]).expect("an end"),
        0,
        "close was asked for"
    );
}

#[test]
fn a_head_request_gets_no_body() {
    let hello = Hello::start(&[]);
    let mut stream = hello.connect();
    let request = b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("sent");
    let mut all = String::new();
    stream.read_to_string(&mut all).expect("text");
    assert!(
        all.starts_with("HTTP/1.1 200 OK") && all.ends_with("\r\n\r\n"),
        "{all}"
    );
}

#[test]
fn a_body_too_large_is_refused_and_ends_the_connection() {
    let hello = Hello::start(&[]);
    for header in ["Content-Length: 1048577", "Transfer-Encoding: chunked"] {
        let mut stream = hello.connect();
        let (head, _) = ask(&mut stream, &format!("POST / HTTP/1.1\r\n{header}\r\n\r\n"));
        assert!(head.starts_with("HTTP/1.1 413"), "{head}");
        assert_eq!(stream.read(&mut [0]).expect("an end"), 0);
    }
}

#[test]
fn told_to_be_unhealthy_it_says_so() {
    let hello = Hello::start(&["--unhealthy"]);
    let (head, _) = ask(&mut hello.connect(), "GET /healthz HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
}

#[test]
fn datagrams_come_back_with_its_name() {
    let mut hello = Hello::start(&["--udp"]);
    let udp = address_in(&hello.next_line());
    assert_eq!(udp, hello.http, "the same number as HTTP");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    socket.send_to(b"ping", udp).expect("sent");
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).expect("an answer");
    assert_eq!(&buffer[..length], b"tsk_1 ping");
}

#[test]
fn sigterm_ends_it_gracefully_with_an_idle_connection_open() {
    let mut hello = Hello::start(&[]);
    let mut idle = hello.connect();
    ask(&mut idle, "GET / HTTP/1.1\r\n\r\n");
    hello.signal(Signal::SIGTERM);
    assert_eq!(hello.next_line(), "web.1: stopping on SIGTERM");
    assert_eq!(hello.next_line(), "web.1: stopped, 0 connections cut off");
    assert!(hello.wait().success());
    assert_eq!(idle.read(&mut [0]).expect("an end"), 0);
}

#[test]
fn sigterm_can_be_ignored_but_not_sigkill() {
    use std::os::unix::process::ExitStatusExt;
    let mut hello = Hello::start(&["--ignore-sigterm"]);
    hello.signal(Signal::SIGTERM);
    assert_eq!(hello.next_line(), "web.1: ignoring SIGTERM");
    let (head, _) = ask(&mut hello.connect(), "GET / HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    hello.signal(Signal::SIGKILL);
    assert_eq!(hello.wait().signal(), Some(Signal::SIGKILL as i32));
}

#[test]
fn it_prints_eats_and_exits_as_told() {
    let args = [
        "--exit-after=200ms",
        "--exit-code=3",
        "--eat-memory=1M",
        "--print-every=10ms",
    ];
    let mut hello = Hello::start(&args);
    assert_eq!(hello.next_line(), "web.1: ate 1048576 bytes of memory");
    assert_eq!(hello.next_line(), "web.1: line 1");
    // A printed line may still follow it.
    let exits = |line: &str| line == "web.1: exiting with 3 after 200ms";
    assert!(hello.lines.by_ref().any(|line| exits(&line.expect("text"))));
    assert_eq!(hello.wait().code(), Some(3));
}

#[test]
fn wrong_options_and_taken_ports_are_named() {
    let run = |args: &[&str], port: u16| {
        let output = Command::new(env!("CARGO_BIN_EXE_skep-hello"))
            .args(args)
            .envs([
                ("PORT", port.to_string()),
                ("SKEP_ADDR", "127.0.0.1".to_owned()),
            ])
            .output()
            .expect("the program runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, error) = run(&["--wat"], 0);
    assert!(
        code == Some(2) && error.contains("unknown option --wat"),
        "{error}"
    );
    let hello = Hello::start(&[]);
    let (code, error) = run(&[], hello.http.port());
    assert!(
        code == Some(1) && error.contains(&hello.http.to_string()),
        "{error}"
    );
}
