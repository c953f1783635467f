// SPDX-License-Identifier: Apache-2.0
//! Shows every change to every task until Ctrl-C, over restarts of the daemon.
//!
//! ```text
//! watch_tasks [SERVICE]...
//! ```

use std::process::ExitCode;

use skep_sdk::v1::{Task, TaskFilter, TaskState, WatchRequest};
use skep_sdk::{Client, Context, Error, TryStreamExt, View, WatchEvent};

#[tokio::main]
async fn main() -> ExitCode {
    let watched = tokio::select! {
        watched = watch(std::env::args().skip(1).collect()) => watched,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    let Err(error) = watched else {
        return ExitCode::SUCCESS;
    };
    eprintln!("Error: {error}");
    ExitCode::FAILURE
}

async fn watch(services: Vec<String>) -> Result<(), Error> {
    let client = Client::connect(&Context::from_env()?).await?;
    let filter = TaskFilter {
        services,
        states: vec![TaskState::Running.into()],
        ..TaskFilter::default()
    };
    let request = WatchRequest {
        tasks: Some(filter),
        ..WatchRequest::default()
    };
    let mut events = client.watch::<Task>(request);
    let mut running = View::default();
    while let Some(event) = events.try_next().await? {
        running.apply(event.clone());
        let (what, task) = match event {
            WatchEvent::Reset(tasks) => {
                println!("{} tasks run", tasks.len());
                continue;
            }
            // The view is now what the swarm was at this revision.
            WatchEvent::Progress { .. } => continue,
            WatchEvent::Added(task) => ("Added", task),
            WatchEvent::Changed(task) => ("Changed", task),
            WatchEvent::Left(task) => ("Left", task),
            WatchEvent::Deleted(task) => ("Deleted", task),
        };
        let state = task.status.unwrap_or_default().state().as_str_name();
        let (node, count) = (task.node.unwrap_or_default().name, running.objects.len());
        println!("{what} {} on {node}: {state}; {count} run", task.name);
    }
    Ok(())
}
