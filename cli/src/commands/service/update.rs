// SPDX-License-Identifier: Apache-2.0
//! `skep service update`.

use clap::Args;
use skep_sdk::Goal;

use super::container_flags::{ContainerFlags, ContainerUpdateFlags};
use super::flags::{SpecFlags, UpdateFlags};
use super::policy_flags::PolicyFlags;
use crate::args::ConvergeFlags;
use crate::failure::Failure;
use crate::output::{notice, print};
use crate::progress::{self, Subject};
use crate::session::Session;
use crate::spec::update::{Around, apply};

/// Change a service and wait until its tasks are as wanted. A change of what tasks are made from is
/// rolled out over them by the service's policy: one by one unless --update-parallelism says
/// otherwise, each stopped once the next is ready to start. What a flag adds takes the place of
/// what is the same thing: a label of that key, a mount at that target.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    skep service update web --image nginx:1.28 --publish-rm 80\n  \
    skep service update web --mount-add type=bind,source=/srv,target=/data --mount-rm /old\n\
    What has no flag is changed over the API, with an update_mask: see docs/grpcurl.md.")]
pub(crate) struct Update {
    /// Service, by name, id or the beginning of an id
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) update: UpdateFlags,
    #[command(flatten)]
    pub(crate) spec: SpecFlags,
    #[command(flatten)]
    pub(crate) container: ContainerFlags,
    #[command(flatten)]
    pub(crate) changes: ContainerUpdateFlags,
    #[command(flatten)]
    pub(crate) policy: PolicyFlags,
    #[command(flatten)]
    pub(crate) wait: ConvergeFlags,
}

impl Update {
    /// Changes it, prints what it was called, and waits.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let restart_token = skep_sdk::new_request_id();
        let around = Around {
            var: &|name| std::env::var(name).ok(),
            restart_token: &restart_token,
        };
        let mut outcome = Ok(Vec::new());
        let edited = client
            .edit_service(&self.service, |spec| {
                outcome = apply(&self, spec, &around);
            })
            .await?;
        for line in outcome.map_err(Failure::usage)? {
            notice(&line);
        }
        print(&format!("{}\n", self.service));
        if !edited.changed {
            notice("nothing to change");
        }
        let spec_revision = edited
            .object
            .meta
            .as_ref()
            .map_or(0, |meta| meta.spec_revision);
        let subject = Subject::new(&edited.object, edited.revision);
        progress::follow(
            &client,
            &subject,
            Goal::Converged { spec_revision },
            &self.wait,
        )
        .await
    }
}
