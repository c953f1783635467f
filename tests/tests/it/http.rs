// SPDX-License-Identifier: Apache-2.0
//! `docs/http.md` and the examples of `docs/api/` at work.

use std::collections::BTreeMap;
use std::process::Command;

use skep_tests::{Daemon, page, skip};

fn session(curl: &str, address: &str) {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl", "it is not on this machine");
    }
    let text = include_str!("../../../docs/http.md");
    page::play(text, 11, &[("CURL", curl), ("ADDR", address)]);
}

#[test]
fn curl_over_the_socket() {
    let daemon = Daemon::start(1);
    let socket = daemon.ready.socket.display();
    session(
        &format!("curl -sS --unix-socket {socket}"),
        "http://localhost",
    );
}

#[test]
fn curl_at_the_dev_address() {
    let daemon = Daemon::start(1);
    session("curl -sS", &format!("http://{}", daemon.dev_addr()));
}

/// What every call may fail with, as `error.proto` says, so far as it can happen here. A stream
/// is ended by its time.
const EVERY_CALL: [&str; 2] = ["DEADLINE_EXCEEDED", "INVALID_FIELD"];

/// Every example of the reference is a request of its method: it is answered, or fails with a
/// reason that the method names.
#[test]
fn the_examples_of_the_reference_are_answered() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl", "it is not on this machine");
    }
    let daemon = Daemon::start(1);
    let text = include_str!("../../../proto/examples.json");
    let examples: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(text).expect("the examples are JSON");
    for (method, request) in examples {
        let output = Command::new("curl")
            .args(["-sS", "-H", "content-type: application/json"])
            .args(["-H", "grpc-timeout: 2S", "-d", &request.to_string()])
            .arg(format!("http://{}/skep.v1.{method}", daemon.dev_addr()))
            .output()
            .expect("curl can be run");
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{method}: {output:?}");
        let last = answer.lines().last().unwrap_or("{}");
        let last: serde_json::Value = serde_json::from_str(last).expect("a line of JSON");
        let error = last.get("error").unwrap_or(&last);
        let Some(reason) = error.get("reason").and_then(serde_json::Value::as_str) else {
            continue;
        };
        let named = failures(&method).iter().any(|it| it == reason);
        let bad = !named && !EVERY_CALL.contains(&reason);
        assert!(
            !bad,
            "{method} fails with {reason}, which it does not name: {answer}"
        );
        let unreadable = answer.contains("cannot be read");
        assert!(!unreadable, "{method}: {answer}");
    }
}

/// The reasons that a method names in the contract.
fn failures(method: &str) -> Vec<String> {
    let (service, name) = method.split_once('/').expect("Service/Method");
    let pool = skep_sdk::reflect::pool();
    let service = pool.get_service_by_name(&format!("skep.v1.{service}"));
    let service = service.expect("a service");
    let method = service.methods().find(|it| it.name() == name);
    let method = method.expect("a method");
    let file = method.parent_file();
    let file = file.file_descriptor_proto();
    let places = file.source_code_info.iter().flat_map(|info| &info.location);
    let comment = places
        .filter(|place| place.path == method.path())
        .find_map(|place| place.leading_comments.clone())
        .unwrap_or_default();
    let named = comment.split_once("Fails with").map_or("", |it| it.1);
    let words = named.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    words
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}
