// SPDX-License-Identifier: Apache-2.0
//! The spec that the flags of `service create` describe.

use std::collections::BTreeMap;

use skep_sdk::v1::service_spec::Mode;
use skep_sdk::v1::{EndpointSpec, EveryNode, ServiceSpec, TaskTemplate};

use super::{apply_shared, placement, program};
use crate::commands::service::flags::{CreateFlags, ModeWord, SpecFlags};
use crate::parse::env_file::parse_env_file;
use crate::parse::pair::EnvFlag;

/// How many random characters end a name that was made up.
const NAME_SUFFIX_CHARS: usize = 4;

/// What mapping needs from outside the flags.
pub(crate) struct Around<'a> {
    /// A variable of this shell.
    pub(crate) var: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file.
    pub(crate) read: &'a dyn Fn(&str) -> Result<String, String>,
    /// Some random characters, for a name.
    pub(crate) random: &'a str,
}

/// Maps the flags and the words after them.
pub(crate) fn spec_from_flags(
    flags: &CreateFlags,
    shared: &SpecFlags,
    command: &[String],
    around: &Around<'_>,
) -> Result<ServiceSpec, String> {
    let mut spec = ServiceSpec::default();
    if flags.mode == Some(ModeWord::Global) {
        spec.mode = Some(Mode::EveryNode(EveryNode {}));
    }
    apply_shared(shared, &mut spec)?;
    spec.labels = flags.label.iter().cloned().collect();
    let template = spec.template.get_or_insert_default();
    set_command(template, shared, command)?;
    let program = program(template);
    *program.env = environment(flags, around)?;
    program.groups.clone_from(&flags.group);
    *program.ulimits = flags.ulimit.iter().cloned().collect();
    if !flags.constraint.is_empty() {
        placement(template)
            .requirements
            .clone_from(&flags.constraint);
    }
    if !flags.placement_pref.is_empty() {
        placement(template).spread.clone_from(&flags.placement_pref);
    }
    if !flags.publish.is_empty() {
        let ports = flags
            .publish
            .iter()
            .flat_map(|ports| ports.0.clone())
            .collect();
        spec.endpoint = Some(EndpointSpec { ports });
    }
    spec.name = match &flags.name {
        Some(name) => name.clone(),
        None => made_up_name(spec.template.get_or_insert_default(), around.random),
    };
    Ok(spec)
}

/// The words after the flags: the program with its arguments, or with `--entrypoint` arguments
/// alone, as in Docker.
fn set_command(
    template: &mut TaskTemplate,
    shared: &SpecFlags,
    command: &[String],
) -> Result<(), String> {
    let parts = program(template);
    if shared.entrypoint.is_some() {
        *parts.args = command.to_vec();
        return Ok(());
    }
    let Some((program, args)) = command.split_first() else {
        return Err(
            "the program is missing: skep service create --process -- /path/to/program".to_owned(),
        );
    };
    *parts.command = vec![program.clone()];
    *parts.args = args.to_vec();
    Ok(())
}

/// Variables from files first, then from flags, so that a flag wins.
fn environment(
    flags: &CreateFlags,
    around: &Around<'_>,
) -> Result<BTreeMap<String, String>, String> {
    let mut all = Vec::new();
    for path in &flags.env_file {
        let bad = |why: String| format!("--env-file {path}: {why}");
        let text = (around.read)(path).map_err(bad)?;
        all.extend(parse_env_file(&text).map_err(bad)?);
    }
    all.extend(flags.env.iter().cloned());
    Ok(resolve(all, around.var))
}

/// Fills in the variables that are given by name alone: they take the value they have in this
/// shell, and are left out if they have none.
pub(super) fn resolve(
    all: Vec<EnvFlag>,
    var: &dyn Fn(&str) -> Option<String>,
) -> BTreeMap<String, String> {
    let pair = |EnvFlag { key, value }| {
        let value = value.or_else(|| var(&key))?;
        Some((key, value))
    };
    all.into_iter().filter_map(pair).collect()
}

/// A name from the program's, for a service that was given none: `skep-hello-q7m2`.
fn made_up_name(template: &mut TaskTemplate, random: &str) -> String {
    let program = program(template)
        .command
        .first()
        .cloned()
        .unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    let plain: String = program
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(40)
        .collect();
    let plain = plain.trim_matches(['.', '_', '-']);
    let plain = if plain.is_empty() { "service" } else { plain };
    format!(
        "{plain}-{}",
        random.chars().take(NAME_SUFFIX_CHARS).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use crate::commands::service::ServiceCommand;
    use crate::output::json::Json;
    use clap::Parser;

    /// The spec as YAML that a command line gives.
    fn spec(line: &[&str]) -> Result<String, String> {
        let words = ["skep", "service", "create"].iter().chain(line);
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Service(ServiceCommand::Create(create)) = cli.command else {
            panic!("not a create")
        };
        let around = Around {
            var: &|name| (name == "HOME").then(|| "/root".to_owned()),
            read: &|path| match path {
                "vars" => Ok("A=file\nB=file\n".to_owned()),
                _ => Err("no such file".to_owned()),
            },
            random: "q7m2zzzz",
        };
        let spec = spec_from_flags(&create.create, &create.spec, &create.command, &around)?;
        Ok(serde_yaml_ng::to_string(&Json::of(&spec)).unwrap())
    }

    #[test]
    fn every_flag_of_create_reaches_its_field() {
        let yaml = spec(&[
            "--process",
            "--name=web",
            "--mode=replicated",
            "--replicas=3",
            "--label=team=shop",
            "-l",
            "edge",
            "-e",
            "A=1",
            "--env=HOME",
            "--env",
            "NOT_SET",
            "--env-file=vars",
            "--constraint=node.role==worker",
            "--constraint",
            "node.labels.disk!=slow",
            "--placement-pref=spread=node.labels.zone",
            "--replicas-max-per-node=2",
            "-p",
            "8080:80",
            "--publish=target=53,published=53,protocol=udp,mode=host",
            "--limit-cpu=1.5",
            "--limit-memory=256m",
            "--limit-pids=200",
            "--reserve-cpu=0.25",
            "--reserve-memory=64m",
            "--restart-condition=on-failure",
            "--restart-delay=2s",
            "--restart-max-delay=1m",
            "--restart-max-attempts=5",
            "--restart-window=10m",
            "--stop-signal=SIGQUIT",
            "--stop-grace-period=20s",
            "-u",
            "www:www",
            "-w",
            "/srv",
            "--group=adm",
            "--ulimit=nofile=1024:4096",
            "--",
            "/bin/shop",
            "--serve",
            "-x",
        ]);
        crate::golden::check("create-every-flag.yaml", &yaml.unwrap());
    }

    #[test]
    fn what_is_not_given_stays_unset() {
        let yaml = spec(&["--process", "--mode", "global", "/opt/My App.sh"]).unwrap();
        assert_eq!(
            yaml,
            "name: My-App.sh-q7m2\neveryNode: {}\ntemplate:\n  process:\n    command:\n    \
             - /opt/My App.sh\n"
        );
    }

    #[test]
    fn an_entrypoint_makes_the_words_arguments() {
        let line = [
            "--process",
            "--name=a",
            "--entrypoint",
            "/bin/sh -c",
            "--",
            "echo 'hi'",
        ];
        assert_eq!(
            spec(&line).unwrap(),
            "name: a\ntemplate:\n  process:\n    command:\n    - /bin/sh\n    - -c\n    args:\n    \
             - echo 'hi'\n"
        );
    }

    #[test]
    fn flags_after_the_program_are_its_arguments() {
        let yaml = spec(&["--process", "--name=a", "/bin/a", "--name=b", "-d", "-x"]).unwrap();
        assert!(
            yaml.ends_with("args:\n    - --name=b\n    - -d\n    - -x\n"),
            "{yaml}"
        );
    }

    #[test]
    fn what_cannot_be_is_said() {
        let error = spec(&["--process"]).unwrap_err();
        assert!(error.starts_with("the program is missing"), "{error}");
        let error = spec(&["--process", "--env-file=none", "/a"]).unwrap_err();
        assert_eq!(error, "--env-file none: no such file");
        let error = spec(&["--process", "--mode=global", "--replicas=2", "/a"]).unwrap_err();
        assert!(error.contains("has no number of replicas"), "{error}");
        let error = spec(&["--process", "--replicas", "-1", "/a"]).unwrap_err();
        assert!(error.contains("must not be negative"), "{error}");
    }
}
