// SPDX-License-Identifier: Apache-2.0
//! Makes the service of a file what the file says, and waits until it is so.
//!
//! ```text
//! deploy SPEC.json     the proto JSON of a skep.v1.ServiceSpec
//! ```

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use prost_reflect::DynamicMessage;
use skep_sdk::v1::{ServiceSpec, UpdateServiceRequest};
use skep_sdk::{Client, Context, WaitOptions, reflect};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [file] = arguments.as_slice() else {
        eprintln!("usage: deploy SPEC.json");
        return ExitCode::from(2);
    };
    let Err(error) = deploy(Path::new(file)).await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("Error: {error}");
    ExitCode::FAILURE
}

async fn deploy(file: &Path) -> Result<(), Box<dyn Error>> {
    let spec = read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let name = spec.name.clone();
    let client = Client::connect(&Context::from_env()?).await?;

    // Creates the service, changes it, or does nothing if it is as wanted already.
    let request = UpdateServiceRequest {
        spec: Some(spec),
        allow_missing: true,
        ..UpdateServiceRequest::default()
    };
    let answer = client.services().update_service(request).await;
    let answer = answer.map_err(skep_sdk::Error::from)?.into_inner();
    let options = WaitOptions {
        timeout: Some(Duration::from_secs(600)),
        ..WaitOptions::default()
    };
    let waited = client
        .wait_converged(&answer.service.unwrap_or_default(), options)
        .await;
    let service = waited.map_err(|error| {
        let is_stalled = error
            .metadata
            .get("condition")
            .is_some_and(|it| it == "STALLED");
        match error.reason.as_str() {
            "UNPLACED" => format!("{error}\nThe tasks start when a node fits"),
            reason if is_stalled => format!("{reason}: {error}"),
            _ => error.to_string(),
        }
    })?;
    let status = service.status.unwrap_or_default();
    let (running, desired) = (status.running_tasks, status.desired_tasks);
    println!("{name}: {running} of {desired} tasks run");
    Ok(())
}

fn read(file: &Path) -> Result<ServiceSpec, Box<dyn Error>> {
    let text = std::fs::read_to_string(file)?;
    let mut json = serde_json::Deserializer::from_str(&text);
    let spec = DynamicMessage::deserialize(reflect::describe::<ServiceSpec>(), &mut json)?;
    json.end()?;
    Ok(spec.transcode_to()?)
}
