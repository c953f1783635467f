// SPDX-License-Identifier: Apache-2.0
//! `skep watch`: every kind of object in one stream.

use std::time::Duration;

use clap::{Args, ValueEnum};
use skep_sdk::v1::{GetSwarmRequest, NodeFilter, ServiceFilter, TaskFilter, WatchRequest};
use skep_sdk::{Client, Error, Identified, Object, TryStreamExt, WatchEvent};
use tokio::time::timeout;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::format::Format;
use crate::output::{notice, print};
use crate::session::Session;
use crate::show::event::{Shown, render};

/// How long a watch goes on without a word; the daemon says something every few seconds.
const PATIENCE: Duration = Duration::from_secs(45);

/// Show changes as they happen: first every object there is, then each change.
#[derive(Debug, Args)]
#[command(
    after_help = "Fields of templates: .Revision .Type .Kind .ID .Name .State .Node .Message, \
    and those of the object, such as .status.state."
)]
pub(crate) struct Watch {
    /// Kinds of objects; without it all
    #[arg(long = "type", value_name = "KIND", value_delimiter = ',')]
    pub(crate) kinds: Vec<KindWord>,
    /// Services that are shown, with their tasks, by name or id; without them all
    #[arg(long = "service", value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Nodes that are shown, with their tasks, by name or id; without them all
    #[arg(long = "node", value_name = "NODE")]
    pub(crate) nodes: Vec<String>,
    #[command(flatten)]
    pub(crate) stream: StreamFlags,
}

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindWord {
    /// What runs
    Task,
    /// What should run
    Service,
    /// The machines
    Node,
    /// The settings of the swarm
    Swarm,
}

/// How events are shown, and from where on.
#[derive(Debug, Clone, Args)]
pub(crate) struct StreamFlags {
    /// Show only changes after this revision, such as one that a list gave
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    pub(crate) after: u64,
    /// table (a line an event), json or yaml (an object an event), or a template
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = Format::parse)]
    pub(crate) format: Format,
    /// Show ids and texts whole
    #[arg(long)]
    pub(crate) no_trunc: bool,
}

impl Watch {
    /// The request these flags make.
    fn request(&self) -> WatchRequest {
        let wants = |kind| self.kinds.is_empty() || self.kinds.contains(&kind);
        let (services, nodes) = (self.services.clone(), self.nodes.clone());
        // With services or nodes named, what has nothing to do with them is left out.
        let is_named = !services.is_empty() || !nodes.is_empty();
        let tasks = TaskFilter {
            services: services.clone(),
            nodes: nodes.clone(),
            ..TaskFilter::default()
        };
        let with_services = wants(KindWord::Service) && (!is_named || !services.is_empty());
        let with_nodes = wants(KindWord::Node) && (!is_named || !nodes.is_empty());
        WatchRequest {
            tasks: wants(KindWord::Task).then_some(tasks),
            services: with_services.then_some(ServiceFilter {
                services,
                ..ServiceFilter::default()
            }),
            nodes: with_nodes.then_some(NodeFilter {
                nodes,
                ..NodeFilter::default()
            }),
            swarm: wants(KindWord::Swarm) && !is_named,
            after_revision: self.stream.after,
            progress_interval: None,
        }
    }

    /// Shows events until interrupted.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        show_events::<Object>(&client, self.request(), &self.stream).await
    }
}

/// Shows the events of a watch until it ends, which is an error. An interrupt ends the program.
pub(crate) async fn show_events<O: Identified + Shown>(
    client: &Client,
    request: WatchRequest,
    flags: &StreamFlags,
) -> Result<(), Failure> {
    let mut watch = client.watch::<O>(request);
    // The events of a step are shown once its revision is known.
    let mut step = Vec::new();
    let mut is_first = flags.after == 0;
    loop {
        let event = match timeout(PATIENCE, watch.try_next()).await {
            Ok(event) => event?,
            Err(_) => return Err(why_silent(client).await),
        };
        // A watch ends with an error only.
        let Some(event) = event else { continue };
        match event {
            WatchEvent::Reset(objects) => {
                if !std::mem::take(&mut is_first) {
                    notice("the history since the last event is gone; this is the present state");
                }
                step.extend(objects.into_iter().map(WatchEvent::Added));
            }
            WatchEvent::Progress { revision, .. } => {
                for event in step.drain(..) {
                    print(&render(&event, revision, flags)?);
                }
            }
            event => step.push(event),
        }
    }
}

/// Why a watch hears nothing: what another call says about it.
async fn why_silent(client: &Client) -> Failure {
    match client.swarm().get_swarm(GetSwarmRequest::default()).await {
        Err(status) => Error::from(status).into(),
        Ok(_) => Failure::plain(
            Exit::TimedOut,
            "the daemon answers, but its watch says nothing",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn request(line: &[&str]) -> WatchRequest {
        let cli = Cli::try_parse_from(["skep", "watch"].iter().chain(line)).unwrap();
        let Command::Watch(watch) = cli.command else {
            panic!()
        };
        watch.request()
    }

    #[test]
    fn flags_of_watch_reach_their_fields() {
        let all = request(&[]);
        assert!(all.tasks.is_some() && all.services.is_some() && all.nodes.is_some() && all.swarm);
        let some = request(&["--type=task,node", "--after=7"]);
        assert!(some.tasks.is_some() && some.services.is_none() && some.nodes.is_some());
        assert!(!some.swarm);
        assert_eq!(some.after_revision, 7);
    }

    #[test]
    fn named_services_and_nodes_leave_the_rest_out() {
        let web = request(&["--service=web"]);
        assert_eq!(web.tasks.unwrap().services, ["web"]);
        assert_eq!(web.services.unwrap().services, ["web"]);
        assert!(web.nodes.is_none() && !web.swarm);
        let node = request(&["--node=n1"]);
        assert_eq!(node.tasks.unwrap().nodes, ["n1"]);
        assert_eq!(node.nodes.unwrap().nodes, ["n1"]);
        assert!(node.services.is_none());
    }
}
