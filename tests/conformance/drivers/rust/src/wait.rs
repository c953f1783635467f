// SPDX-License-Identifier: Apache-2.0
//! Waiting for a service.

use std::time::Duration;

use serde_json::{Value, json};
use skep_sdk::v1::GetServiceRequest;
use skep_sdk::{Client, Error, WaitOptions};

use crate::json::{Answer, failure, write};

/// Gets the service by its name or id and waits for it.
pub(crate) async fn wait(client: &Client, order: &Value) -> Answer {
    let request = GetServiceRequest {
        service: order["service"].as_str().unwrap_or_default().to_owned(),
        ..GetServiceRequest::default()
    };
    let got = client.services().get_service(request).await;
    let got = got.map_err(|status| failure(&Error::from(status)))?;
    let service = got.into_inner().service.unwrap_or_default();
    let millis = |key: &str| order[key].as_u64().map(Duration::from_millis);
    let mut options = WaitOptions {
        timeout: millis("timeout_ms"),
        ..WaitOptions::default()
    };
    if let Some(stable_for) = millis("stable_for_ms") {
        options.stable_for = stable_for;
    }
    let waited = client.wait_converged(&service, options).await;
    let service = waited.map_err(|error| failure(&error))?;
    Ok(json!({"service": write(&service)}))
}
