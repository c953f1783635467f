// SPDX-License-Identifier: Apache-2.0
//! Runs a service, waits until it is up, shows its tasks and removes it.

use std::process::ExitCode;
use std::time::Duration;

use skep_sdk::v1::{
    CreateServiceRequest, DeleteServiceRequest, ListTasksRequest, Process, Replicated, Service,
    ServiceSpec, TaskFilter, TaskTemplate, WaitServiceRequest, service_spec, task_template,
    wait_service_request::Goal,
};
use skep_sdk::{Client, Context, Error, Identified, WaitOptions};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("Error: {error}");
    ExitCode::FAILURE
}

async fn run() -> Result<(), Error> {
    let client = Client::connect(&Context::from_env()?).await?;
    let process = Process {
        command: vec!["/bin/sleep".into(), "600".into()],
        ..Process::default()
    };
    let spec = ServiceSpec {
        name: "quickstart-rust".into(),
        mode: Some(service_spec::Mode::Replicated(Replicated {
            replicas: Some(2),
        })),
        template: Some(TaskTemplate {
            workload: Some(task_template::Workload::Process(process)),
            ..TaskTemplate::default()
        }),
        ..ServiceSpec::default()
    };
    let request = CreateServiceRequest {
        spec: Some(spec),
        ..CreateServiceRequest::default()
    };
    let created = client.services().create_service(request).await?;
    let service = created.into_inner().service.unwrap_or_default();

    // What was made is taken away, however this ends.
    let shown = tokio::select! {
        shown = show(&client, &service) => shown,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    let request = DeleteServiceRequest {
        service: service.id().to_owned(),
        ..DeleteServiceRequest::default()
    };
    client.services().delete_service(request).await?;
    // Until its tasks have stopped it has the name.
    let request = WaitServiceRequest {
        service: service.id().to_owned(),
        goal: Goal::Deleted.into(),
        ..WaitServiceRequest::default()
    };
    let patience = Some(Duration::from_secs(60));
    client.wait_service(request, patience).await?;
    shown
}

async fn show(client: &Client, service: &Service) -> Result<(), Error> {
    let options = WaitOptions {
        timeout: Some(Duration::from_secs(60)),
        stable_for: Duration::from_secs(1),
    };
    let service = client.wait_converged(service, options).await?;
    let running = service.status.as_ref().map_or(0, |it| it.running_tasks);
    let name = service.spec.as_ref().map_or("", |it| &it.name);
    println!("{name} runs {running} tasks");

    let filter = TaskFilter {
        services: vec![service.id().to_owned()],
        ..TaskFilter::default()
    };
    let request = ListTasksRequest {
        filter: Some(filter),
        ..ListTasksRequest::default()
    };
    for task in client.tasks().list_tasks(request).await?.into_inner().tasks {
        let state = task.status.unwrap_or_default().state();
        let node = task.node.unwrap_or_default().name;
        println!("{} on {node}: {}", task.name, state.as_str_name());
    }
    Ok(())
}
