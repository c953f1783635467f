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
    let name = service.spec.map(|spec| spec.name).unwrap_or_default();
    let mut metadata = json!({"service": name});
    let (code, reason, message) = match waited.outcome {
        Outcome::Converged => {
            let service = waited.sight.service.unwrap_or_default();
            return Ok(json!({"service": write(&service)}));
        }
        Outcome::Stalled(condition) => {
            metadata["condition"] = "STALLED".into();
            ("FAILED_PRECONDITION", condition.reason, condition.message)
        }
        Outcome::CrashLoop(failing) => {
            metadata["condition"] = "STALLED".into();
            let message = format!("{} tasks end again and again", failing.len());
            ("FAILED_PRECONDITION", "CRASH_LOOP".to_owned(), message)
        }
        Outcome::Deleted => {
            let message = "it was deleted meanwhile".to_owned();
            ("NOT_FOUND", "SERVICE_NOT_FOUND".to_owned(), message)
        }
        Outcome::TimedOut(unplaced) if unplaced.is_empty() => {
            let message = "it has not converged in time".to_owned();
            ("DEADLINE_EXCEEDED", "NOT_CONVERGED".to_owned(), message)
        }
        Outcome::TimedOut(unplaced) => {
            let causes = unplaced.into_iter().flat_map(|unplaced| unplaced.causes);
            let causes: Vec<_> = causes.map(|cause| cause.message).collect();
            (
                "DEADLINE_EXCEEDED",
                "UNPLACED".to_owned(),
                causes.join("; "),
            )
        }
    };
    Err(
        json!({"code": code, "reason": reason, "message": message, "metadata": metadata,
        "violations": []}),
    )
}
