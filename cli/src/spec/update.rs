// SPDX-License-Identifier: Apache-2.0
//! What the flags of `service update` change in a spec: first all that is to go, then all that
//! is to come, as in Docker.

use std::collections::BTreeMap;

use skep_sdk::v1::{Port, ServiceSpec, TaskTemplate};

use super::create::resolve;
use super::{apply_shared, container, placement, policy, program};
use crate::commands::service::flags::UpdateFlags;
use crate::commands::service::update::Update;
use crate::parse::constraint::{format_requirement, is_same};
use crate::parse::publish::{mode_of, protocol_of};

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
    remove_keys(&mut changed.labels, &flags.label_rm, "label", &mut notices);
    changed.labels.extend(flags.label_add.iter().cloned());
    let template = changed.template.get_or_insert_default();
    if let Some(image) = &flags.image {
        container::container(template, "--image")?
            .image
            .clone_from(image);
    }
    container::apply(&given.container, template)?;
    apply_process(flags, template, around, &mut notices);
    apply_placement(flags, template, &mut notices);
    if flags.force {
        around.restart_token.clone_into(&mut template.restart_token);
    }
    policy::apply(&given.policy, &mut changed);
    apply_ports(flags, &mut changed, &mut notices);
    *spec = changed;
    Ok(notices.0)
}

#[derive(Default)]
struct Notices(Vec<String>);

impl Notices {
    fn missing(&mut self, what: &str, name: &str) {
        self.0.push(format!("{what} {name} was not there"));
    }
}

fn remove_keys<V>(
    map: &mut BTreeMap<String, V>,
    keys: &[String],
    what: &str,
    notices: &mut Notices,
) {
    for key in keys {
        if map.remove(key).is_none() {
            notices.missing(what, key);
        }
    }
}

/// Takes away the entries that a test hits, and says if there were none.
fn remove_where<T>(
    list: &mut Vec<T>,
    hits: impl Fn(&T) -> bool,
    what: &str,
    name: &str,
    notices: &mut Notices,
) {
    let before = list.len();
    list.retain(|entry| !hits(entry));
    if list.len() == before {
        notices.missing(what, name);
    }
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
    remove_keys(process.env, &flags.env_rm, "variable", notices);
    process
        .env
        .extend(resolve(flags.env_add.clone(), around.var));
    for group in &flags.group_rm {
        remove_where(
            process.groups,
            |known| known == group,
            "group",
            group,
            notices,
        );
    }
    for group in &flags.group_add {
        if !process.groups.contains(group) {
            process.groups.push(group.clone());
        }
    }
    remove_keys(process.ulimits, &flags.ulimit_rm, "ulimit", notices);
    process.ulimits.extend(flags.ulimit_add.iter().cloned());
}

fn apply_placement(flags: &UpdateFlags, template: &mut TaskTemplate, notices: &mut Notices) {
    let mut changed = template.placement.clone().unwrap_or_default();
    for gone in &flags.constraint_rm {
        let text = format_requirement(gone);
        let hits = |known: &_| is_same(known, gone);
        remove_where(
            &mut changed.requirements,
            hits,
            "constraint",
            &text,
            notices,
        );
    }
    for new in &flags.constraint_add {
        if !changed.requirements.iter().any(|known| is_same(known, new)) {
            changed.requirements.push(new.clone());
        }
    }
    for key in &flags.placement_pref_rm {
        let text = format!("spread={key}");
        remove_where(
            &mut changed.spread,
            |k| k == key,
            "placement preference",
            &text,
            notices,
        );
    }
    for key in &flags.placement_pref_add {
        if !changed.spread.contains(key) {
            changed.spread.push(key.clone());
        }
    }
    if changed != template.placement.clone().unwrap_or_default() {
        *placement(template) = changed;
    }
}

fn apply_ports(flags: &UpdateFlags, spec: &mut ServiceSpec, notices: &mut Notices) {
    if flags.publish_rm.is_empty() && flags.publish_add.is_empty() {
        return;
    }
    let ports = &mut spec.endpoint.get_or_insert_default().ports;
    for gone in &flags.publish_rm {
        remove_where(
            ports,
            |port| gone.hits(port),
            "published port",
            &gone.to_string(),
            notices,
        );
    }
    for new in flags.publish_add.iter().flat_map(|ports| &ports.0) {
        match ports.iter_mut().find(|known| is_same_port(known, new)) {
            Some(known) => *known = new.clone(),
            None => ports.push(new.clone()),
        }
    }
    if ports.is_empty() {
        spec.endpoint = None;
    }
}

/// Whether publishing both would publish one thing twice.
fn is_same_port(one: &Port, other: &Port) -> bool {
    let key = |port: &Port| {
        (
            port.target,
            port.published,
            protocol_of(port),
            mode_of(port),
        )
    };
    key(one) == key(other)
}

#[cfg(test)]
mod tests;
