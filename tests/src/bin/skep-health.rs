// SPDX-License-Identifier: Apache-2.0
//! A gRPC server that only says how it is, at the address that it is told, for a container whose
//! checks ask it: all of it serves, and its service "sick" does not.

use std::error::Error;

use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::health_reporter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args()
        .nth(1)
        .ok_or("name an address to serve at")?;
    let (reporter, health) = health_reporter();
    reporter
        .set_service_status("sick", ServingStatus::NotServing)
        .await;
    // As the first process of a container it would take no signal by default.
    let mut end = signal(SignalKind::terminate())?;
    let server = Server::builder().add_service(health);
    let serve = server.serve_with_shutdown(address.parse()?, async move {
        end.recv().await;
    });
    Ok(serve.await?)
}
