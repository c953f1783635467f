// SPDX-License-Identifier: Apache-2.0
//! `skep service update`.

use clap::Args;
use skep_sdk::v1::Service;
use skep_sdk::v1::control_rollout_request::Action;
use skep_sdk::v1::rollout::State;

use super::container_flags::{ContainerFlags, ContainerUpdateFlags};
use super::flags::{SpecFlags, UpdateFlags};
use super::policy_flags::PolicyFlags;
use super::resume::control;
use crate::args::ConvergeFlags;
use crate::failure::Failure;
use crate::output::{notice, print};
use crate::progress;
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
        let is_paused = !edited.changed && has_paused_rollout(&edited.object);
        if is_paused {
            notice("nothing to change; going on with the roll-out that is paused");
            let meta = edited.object.meta.unwrap_or_default();
            let going = control(&client, &meta.id, Action::Resume, meta.spec_revision).await?;
            let service = going.service.unwrap_or_default();
            return progress::converge(&client, &service, going.revision, &self.wait).await;
        }
        if !edited.changed {
            notice(match &self.update.image {
                Some(_) => "nothing to change; --force asks the registry for the tag again",
                None => "nothing to change",
            });
        }
        progress::converge(&client, &edited.object, edited.revision, &self.wait).await
    }
}

/// Whether the roll-out of a service waits for a person.
fn has_paused_rollout(service: &Service) -> bool {
    let status = service.status.as_ref();
    let rollout = status.and_then(|status| status.rollout.as_ref());
    rollout.is_some_and(|rollout| matches!(rollout.state(), State::Paused | State::RollbackPaused))
}
