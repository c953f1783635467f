// SPDX-License-Identifier: Apache-2.0
//! `skep node update`.

use clap::Args;
use skep_sdk::v1::NodeSpec;

use super::AvailabilityWord;
use crate::failure::Failure;
use crate::lookup;
use crate::output::{notice, print};
use crate::parse::pair::parse_label;
use crate::session::Session;

/// Label, pause, drain or rename a node.
#[derive(Debug, Args)]
#[command(after_help = "Example: skep node update node-2 --availability drain")]
pub(crate) struct Update {
    /// Node, by name, id or the beginning of an id, or self
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// Whether it takes tasks: active, pause (no new ones) or drain (none at all)
    #[arg(long, value_name = "AVAILABILITY")]
    pub(crate) availability: Option<AvailabilityWord>,
    /// Set a label
    #[arg(long, value_name = "KEY[=VALUE]", value_parser = parse_label)]
    pub(crate) label_add: Vec<(String, String)>,
    /// Remove a label
    #[arg(long, value_name = "KEY")]
    pub(crate) label_rm: Vec<String>,
    /// New name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

impl Update {
    /// Changes a spec. Gives the labels that were to go and were not there.
    fn apply(&self, spec: &mut NodeSpec) -> Vec<String> {
        if let Some(word) = self.availability {
            spec.set_availability(word.into_proto());
        }
        if let Some(name) = &self.name {
            spec.name.clone_from(name);
        }
        let gone = |key: &&String| spec.labels.remove(key.as_str()).is_none();
        let missing = self.label_rm.iter().filter(gone).cloned().collect();
        spec.labels.extend(self.label_add.iter().cloned());
        missing
    }

    /// Changes it and prints what it was called.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let reference = lookup::node_reference(&client, &self.node).await?;
        let mut missing = Vec::new();
        let edited = client
            .edit_node(&reference, |spec| missing = self.apply(spec))
            .await?;
        for key in missing {
            notice(&format!("label {key} was not there"));
        }
        if !edited.changed {
            notice("nothing to change");
        }
        print(&format!("{}\n", self.node));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::args::{Cli, Command};
    use crate::commands::node::NodeCommand;
    use crate::sample;
    use clap::Parser;
    use skep_sdk::v1::node_spec::Availability;

    #[test]
    fn every_flag_of_node_update_reaches_its_field() {
        let line = "skep node update self --availability pause --label-add a=b --label-add zone=x \
                    --label-rm zone --label-rm none --name n9";
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Node(NodeCommand::Update(update)) = cli.command else {
            panic!()
        };
        let mut spec = sample::node("node-1").spec.unwrap();
        assert_eq!(update.apply(&mut spec), ["none"]);
        assert_eq!(spec.availability(), Availability::Pause);
        assert_eq!(spec.name, "n9");
        let labels: Vec<_> = spec
            .labels
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        assert_eq!(labels, ["a=b", "zone=x"]);
    }
}
