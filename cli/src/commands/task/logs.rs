// SPDX-License-Identifier: Apache-2.0
//! `skep task logs`, and the stream of lines that `skep service logs` shares.

use std::time::SystemTime;

use clap::Args;
use skep_sdk::v1::{StreamLogsRequest, TaskFilter};
use skep_sdk::{Client, Error, Identified};

use crate::failure::Failure;
use crate::lookup;
use crate::output::{notice, print_bytes, print_error_bytes};
use crate::parse::quantity::parse_count;
use crate::parse::when::parse_when;
use crate::session::Session;
use crate::show::log::{Place, Printer, Style};

/// Show what tasks print.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Tasks, by id or the beginning of an id
    #[arg(value_name = "TASK", required = true)]
    pub(crate) tasks: Vec<String>,
    #[command(flatten)]
    pub(crate) logs: LogFlags,
}

/// Which lines, and how they are shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogFlags {
    /// Go on with new lines
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Begin with this many last lines of each task, or all
    #[arg(short = 'n', long, value_name = "N", default_value = "all", value_parser = parse_tail,
        allow_negative_numbers = true)]
    pub(crate) tail: Tail,
    /// Only lines since a time: 2026-11-23T09:00:00Z, or a span back from now such as 10m
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<SystemTime>,
    /// Show when each line was printed
    #[arg(short, long)]
    pub(crate) timestamps: bool,
    /// Show lines as they were printed, without the task before them
    #[arg(long)]
    pub(crate) raw: bool,
    /// Show ids whole
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Leave the ids of tasks out
    #[arg(long)]
    pub(crate) no_task_ids: bool,
    /// Show ids in place of names
    #[arg(long)]
    pub(crate) no_resolve: bool,
}

/// How many last lines; none: all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail(pub(crate) Option<u32>);

fn parse_tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        text => parse_count(text)
            .map(Some)
            .map(Tail)
            .map_err(|why| format!("{why}, or all")),
    }
}

fn since(text: &str) -> Result<SystemTime, String> {
    parse_when(text, SystemTime::now())
}

impl LogFlags {
    /// The request these flags make.
    fn request(&self, filter: TaskFilter) -> StreamLogsRequest {
        StreamLogsRequest {
            filter: Some(filter),
            follow: self.follow,
            tail: self.tail.0,
            since_time: self.since.map(prost_types::Timestamp::from),
        }
    }

    fn style(&self) -> Style {
        Style {
            timestamps: self.timestamps,
            raw: self.raw,
            whole: self.no_trunc,
            task_ids: !self.no_task_ids,
            resolve: !self.no_resolve,
        }
    }
}

impl Logs {
    /// Streams the lines of all tasks named.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let mut tasks = Vec::new();
        for id in &self.tasks {
            tasks.push(lookup::task(&client, id).await?.id().to_owned());
        }
        stream(
            &client,
            TaskFilter {
                tasks,
                ..TaskFilter::default()
            },
            &self.logs,
        )
        .await
    }
}

/// Shows lines until there are no more. What a task wrote to standard error goes there.
pub(crate) async fn stream(
    client: &Client,
    filter: TaskFilter,
    flags: &LogFlags,
) -> Result<(), Failure> {
    let answer = client
        .logs()
        .stream_logs(flags.request(filter))
        .await
        .map_err(Error::from)?;
    let mut frames = answer.into_inner();
    let mut printer = Printer::new(flags.style());
    while let Some(frame) = frames.message().await.map_err(Error::from)? {
        for (place, text) in printer.feed(frame) {
            match place {
                Place::Out => print_bytes(&text),
                Place::Err => print_error_bytes(&text),
                Place::Notice => notice(&String::from_utf8_lossy(&text)),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use crate::commands::task::TaskCommand;
    use clap::Parser;

    fn flags(line: &[&str]) -> Result<LogFlags, String> {
        let words = ["skep", "task", "logs", "tsk_1"].iter().chain(line);
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Task(TaskCommand::Logs(logs)) = cli.command else {
            panic!()
        };
        Ok(logs.logs)
    }

    #[test]
    fn flags_of_logs_reach_their_fields() {
        let request = flags(&["-f", "-n", "5", "--since=2026-11-23T09:00:00Z"]).unwrap();
        let request = request.request(TaskFilter::default());
        assert!(request.follow);
        assert_eq!(request.tail, Some(5));
        assert_eq!(request.since_time.unwrap().seconds, 1_795_424_400);
        let request = flags(&[]).unwrap().request(TaskFilter::default());
        assert_eq!(
            (request.follow, request.tail, request.since_time),
            (false, None, None)
        );
        let error = flags(&["--tail", "-1"]).unwrap_err();
        assert!(error.contains("must not be negative, or all"), "{error}");
    }
}
