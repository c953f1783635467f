// SPDX-License-Identifier: Apache-2.0
//! `skep swarm update`.

use clap::Args;

use super::SwarmFlags;
use crate::failure::Failure;
use crate::output::{notice, print};
use crate::parse::pair::parse_label;
use crate::session::Session;
use crate::spec::swarm::apply;

/// Change the settings of the swarm.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) settings: SwarmFlags,
    /// Set a label
    #[arg(long, value_name = "KEY[=VALUE]", value_parser = parse_label)]
    pub(crate) label_add: Vec<(String, String)>,
    /// Remove a label
    #[arg(long, value_name = "KEY")]
    pub(crate) label_rm: Vec<String>,
}

impl Update {
    /// Changes what the flags say and nothing else.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let mut missing = Vec::new();
        let edited = client
            .edit_swarm(|spec| {
                apply(&self.settings, spec);
                missing = self
                    .label_rm
                    .iter()
                    .filter(|key| spec.labels.remove(key.as_str()).is_none())
                    .collect();
                spec.labels.extend(self.label_add.iter().cloned());
            })
            .await?;
        for key in missing {
            notice(&format!("label {key} was not there"));
        }
        if !edited.changed {
            notice("nothing to change");
        }
        print("Swarm updated.\n");
        Ok(())
    }
}
