// SPDX-License-Identifier: Apache-2.0
//! Waiting for a service, with the outcome in the words that all SDKs share.

use std::time::Duration;

use serde_json::{Value, json};
use skep_sdk::v1::GetServiceRequest;
use skep_sdk::{Client, Error, Outcome, WaitOptions};

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
    let waited = waited.map_err(|error| failure(&error))?;
    let id = service.meta.map(|meta| meta.id).unwrap_or_default();
    let error = |code: &str, reason: &str, message: &str, metadata: Value| {
        json!({"code": code, "reason": reason, "message": message, "metadata": metadata,
            "violations": []})
    };
    let stalled = json!({"service": id, "condition": "STALLED"});
    match waited.outcome {
        Outcome::Converged => {
            let service = waited.sight.service.unwrap_or_default();
            Ok(json!({"service": write(&service)}))
        }
        Outcome::Stalled(condition) => {
            let (reason, message) = (&condition.reason, &condition.message);
            Err(error("FAILED_PRECONDITION", reason, message, stalled))
        }
        Outcome::CrashLoop(failing) => {
            let message = format!("{} tasks end again and again", failing.len());
            Err(error(
                "FAILED_PRECONDITION",
                "CRASH_LOOP",
                &message,
                stalled,
            ))
        }
        Outcome::Deleted => Err(error(
            "NOT_FOUND",
            "SERVICE_NOT_FOUND",
            "it is gone",
            json!({}),
        )),
        Outcome::TimedOut(unplaced) if unplaced.is_empty() => {
            let message = "it has not converged in time";
            Err(error(
                "DEADLINE_EXCEEDED",
                "NOT_CONVERGED",
                message,
                json!({}),
            ))
        }
        Outcome::TimedOut(_) => {
            let message = "tasks have found no node";
            Err(error("DEADLINE_EXCEEDED", "UNPLACED", message, json!({})))
        }
    }
}
