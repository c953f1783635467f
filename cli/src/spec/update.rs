// SPDX-License-Identifier: Apache-2.0
//! What the flags of `service update` change in a spec.

use skep_sdk::v1::{ServiceSpec, TaskTemplate};

use super::create::resolve;
use super::edit::{Change, Notices, edit, edit_map};
use super::{apply_shared, container, placement, program};
use crate::commands::service::flags::UpdateFlags;
use crate::commands::service::update::Update;

/// What mapping needs from outside the flags.
pub(crate) struct Around<'a> {
    /// A variable of this shell.
    pub(crate) var: &'a dyn Fn(&str) -> Option<String>,
    /// A value that was never used: `--force` puts it into the template.
    pub(crate) restart_token: &'a str,
}

/// Changes a spec, or leaves it as it is and says why. Gives a line for each thing that was to
/// go and was not there.
pub(crate) fn apply(
    given: &Update,
    spec: &mut ServiceSpec,
    around: &Around<'_>,
) -> Result<Vec<String>, String> {
    let (flags, shared) = (&given.update, &given.spec);
    let mut notices = Notices::default();
    let mut changed = spec.clone();
    apply_shared(shared, &mut changed)?;
    let labels = Change::both(&flags.label_rm, &flags.label_add);
    edit_map(&mut changed.labels, "label", labels, &mut notices);
    let template = changed.template.get_or_insert_default();
    if let Some(image) = &flags.image {
        container::container(template, "--image")?
            .image
            .clone_from(image);
    }
    container::apply(&given.container, template)?;
    container::apply_changes(&given.changes, template, &mut notices)?;
    apply_process(flags, template, around, &mut notices);
    apply_placement(flags, template, &mut notices);
    if flags.force {
        around.restart_token.clone_into(&mut template.restart_token);
    }
    given.policy.update.take_over(&mut changed.update);
    given.policy.rollback.take_over(&mut changed.rollback);
    apply_ports(flags, &mut changed, &mut notices);
    *spec = changed;
    Ok(notices.0)
}

fn apply_process(
    flags: &UpdateFlags,
    template: &mut TaskTemplate,
    around: &Around<'_>,
    notices: &mut Notices,
) {
    let process = program(template);
    if let Some(args) = &flags.args {
        process.args.clone_from(&args.0);
    }
    let new: Vec<_> = resolve(flags.env_add.clone(), around.var)
        .into_iter()
        .collect();
    let env = Change::both(&flags.env_rm, &new);
    edit_map(process.env, "variable", env, notices);
    let groups = Change::both(&flags.group_rm, &flags.group_add);
    edit(process.groups, "group", groups, notices);
    let ulimits = Change::both(&flags.ulimit_rm, &flags.ulimit_add);
    edit_map(process.ulimits, "ulimit", ulimits, notices);
}

fn apply_placement(flags: &UpdateFlags, template: &mut TaskTemplate, notices: &mut Notices) {
    let before = template.placement.clone().unwrap_or_default();
    let mut changed = before.clone();
    let requirements = Change::both(&flags.constraint_rm, &flags.constraint_add);
    edit(
        &mut changed.requirements,
        "constraint",
        requirements,
        notices,
    );
    let spread = Change::both(&flags.placement_pref_rm, &flags.placement_pref_add);
    edit(&mut changed.spread, "placement preference", spread, notices);
    if changed != before {
        *placement(template) = changed;
    }
}

fn apply_ports(flags: &UpdateFlags, spec: &mut ServiceSpec, notices: &mut Notices) {
    let new: Vec<_> = flags
        .publish_add
        .iter()
        .flat_map(|ports| ports.0.clone())
        .collect();
    let change = Change::both(&flags.publish_rm, &new);
    if change.is_empty() {
        return;
    }
    let ports = &mut spec.endpoint.get_or_insert_default().ports;
    edit(ports, "published port", change, notices);
    if ports.is_empty() {
        spec.endpoint = None;
    }
}

#[cfg(test)]
mod tests;
