// SPDX-License-Identifier: Apache-2.0
//! `skep swarm init`.

use clap::Args;
use skep_sdk::v1::{InitSwarmRequest, SwarmSpec};

use super::SwarmFlags;
use crate::commands::node::AvailabilityWord;
use crate::failure::Failure;
use crate::output::print;
use crate::parse::pair::parse_label;
use crate::session::Session;
use crate::spec::swarm::apply;

/// Found a swarm with this node as its manager.
#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) settings: SwarmFlags,
    /// Label of the swarm
    #[arg(short, long, value_name = "KEY[=VALUE]", value_parser = parse_label)]
    pub(crate) label: Vec<(String, String)>,
    /// Name of this node [default: its host name]
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// Whether this node takes tasks [default: active]
    #[arg(long, value_name = "AVAILABILITY")]
    pub(crate) availability: Option<AvailabilityWord>,
}

impl Init {
    /// The request these flags make.
    fn request(&self) -> InitSwarmRequest {
        let mut spec = SwarmSpec::default();
        apply(&self.settings, &mut spec);
        spec.labels = self.label.iter().cloned().collect();
        let mut request = InitSwarmRequest {
            spec: (spec != SwarmSpec::default()).then_some(spec),
            node_name: self.node_name.clone().unwrap_or_default(),
            ..InitSwarmRequest::default()
        };
        if let Some(word) = self.availability {
            request.set_availability(word.into_proto());
        }
        request
    }

    /// Founds it and says what to do next.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let answer = client.daemon().init_swarm(self.request()).await;
        let answer = answer.map_err(skep_sdk::Error::from)?.into_inner();
        print(&format!(
            "Swarm initialized: current node ({}) is now a manager.\n\n\
             To run a program on it, run the following command:\n\n    \
             skep service create --process -- /path/to/program\n",
            answer.node
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::args::{Cli, Command};
    use crate::commands::swarm::SwarmCommand;
    use clap::Parser;
    use skep_sdk::v1::InitSwarmRequest;
    use skep_sdk::v1::node_spec::Availability;

    fn request(line: &[&str]) -> InitSwarmRequest {
        let words = ["skep", "swarm", "init"].iter().chain(line);
        let Command::Swarm(SwarmCommand::Init(init)) = Cli::try_parse_from(words).unwrap().command
        else {
            panic!("not an init")
        };
        init.request()
    }

    #[test]
    fn flags_of_the_node_reach_their_fields() {
        let found = request(&["--node-name=n1", "--availability=drain", "--label=a=b"]);
        assert_eq!(found.node_name, "n1");
        assert_eq!(found.availability(), Availability::Drain);
        assert_eq!(found.spec.unwrap().labels["a"], "b");
    }

    #[test]
    fn without_flags_the_managers_choose_everything() {
        assert_eq!(request(&[]), InitSwarmRequest::default());
    }
}
