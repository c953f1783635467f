// SPDX-License-Identifier: Apache-2.0
//! Sets a variable of the environment of a service, one task after the other, and goes back if
//! the new tasks fail.
//!
//! ```text
//! rolling_update SERVICE NAME=VALUE
//! ```

use std::process::ExitCode;
use std::time::Duration;

use skep_sdk::v1::ServiceSpec;
use skep_sdk::v1::task_template::Workload;
use skep_sdk::v1::update_policy::OnFailure;
use skep_sdk::{Client, Context, Error, WaitOptions};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let assignment = arguments.get(1).and_then(|it| it.split_once('='));
    let (2, Some((name, value))) = (arguments.len(), assignment) else {
        eprintln!("usage: rolling_update SERVICE NAME=VALUE");
        return ExitCode::from(2);
    };
    match update(&arguments[0], name, value).await {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error) if error.reason == "ROLLED_BACK" => {
            eprintln!("Error: the tasks failed and are what they were before: {error}");
        }
        Err(error) => eprintln!("Error: {error}"),
    }
    ExitCode::FAILURE
}

async fn update(service: &str, name: &str, value: &str) -> Result<(), Error> {
    let client = Client::connect(&Context::from_env()?).await?;

    // If someone else changes the service meanwhile, this runs again on what they wrote.
    let change = |spec: &mut ServiceSpec| {
        let policy = spec.update.get_or_insert_default();
        policy.parallelism = Some(1);
        policy.monitor = Duration::from_secs(2).try_into().ok();
        policy.set_on_failure(OnFailure::Rollback);
        let template = spec.template.get_or_insert_default();
        let env = match &mut template.workload {
            Some(Workload::Container(container)) => &mut container.env,
            Some(Workload::Process(process)) => &mut process.env,
            None => return,
        };
        env.insert(name.to_owned(), value.to_owned());
    };
    let edited = client.edit_service(service, change).await?;
    if !edited.changed {
        println!("{service} has that already");
        return Ok(());
    }
    let options = WaitOptions {
        timeout: Some(Duration::from_secs(600)),
        ..WaitOptions::default()
    };
    client.wait_converged(&edited.object, options).await?;
    println!("{service} is updated");
    Ok(())
}
