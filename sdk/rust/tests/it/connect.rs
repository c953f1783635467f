// SPDX-License-Identifier: Apache-2.0
//! What is said when there is no connection.

use std::path::Path;

use skep_sdk::v1::{GetServiceRequest, ListServicesRequest};
use skep_sdk::{Client, Code, Context, Error};

use crate::fake::Fake;

fn context(paths: &[&Path]) -> Context {
    let hosts = paths
        .iter()
        .map(|path| format!("unix://{}", path.display()));
    Context::new(hosts).unwrap()
}

#[tokio::test]
async fn a_missing_daemon_is_named_with_all_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let (none, stale) = (dir.path().join("none.sock"), dir.path().join("stale.sock"));
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let error = Client::connect(&context(&[&none, &stale]))
        .await
        .unwrap_err();
    let expected = format!(
        "no skep daemon answers at unix://{} (no such socket) or unix://{} (nothing listens there)",
        none.display(),
        stale.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn the_first_address_that_answers_is_used() {
    let running = Fake::start().await;
    let path = running
        .client
        .host()
        .strip_prefix("unix://")
        .unwrap()
        .to_owned();
    let none = Path::new("/nonexistent/skep.sock");
    let client = Client::connect(&context(&[none, Path::new(&path)]))
        .await
        .unwrap();
    assert_eq!(client.host(), running.client.host());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_no_answer_of_a_server() {
    let running = Fake::start().await;
    let client = running.client.clone();
    drop(running);
    let status = client
        .services()
        .get_service(GetServiceRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status.message().starts_with("the connection to unix://"),
        "{status}"
    );
    assert!(Error::from(status).is_local());
}

#[tokio::test]
async fn a_client_finds_a_daemon_that_was_restarted() {
    let mut running = Fake::start().await;
    for _ in 0..3 {
        running.restart().await;
        let request = ListServicesRequest::default();
        let answer = running.client.services().list_services(request).await;
        assert_eq!(answer.unwrap().into_inner().services.len(), 1);
    }
}
