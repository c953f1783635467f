// SPDX-License-Identifier: Apache-2.0
//! The daemon's hidden shim without the daemon, and a daemon that does nothing but run one
//! task: for tests that kill it.

use std::path::PathBuf;

use skep_agent::executor::process::{ProcessExecutor, ProcessOptions};
use skep_agent::executor::{Executor, TaskWork};

fn main() {
    skep_agent::shim::run_if_asked();
    let mut arguments = std::env::args().skip(1);
    let (Some("daemon"), Some(dir), Some(work)) = (
        arguments.next().as_deref(),
        arguments.next(),
        arguments.next(),
    ) else {
        eprintln!("usage: skep-test-shim shim DIRECTORY | daemon DIRECTORY WORK");
        std::process::exit(2);
    };
    let work = serde_json::from_str(&work).expect("the work as JSON");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run(dir.into(), work));
}

/// Starts the task, says so in one line, and waits to be killed.
async fn run(dir: PathBuf, work: TaskWork) {
    let task = work.task;
    let executor = ProcessExecutor::open(ProcessOptions::new(dir))
        .await
        .expect("an executor");
    executor.prepare(work.into()).await.expect("prepared");
    executor.start(task).await.expect("started");
    println!("started");
    std::future::pending::<()>().await;
}
