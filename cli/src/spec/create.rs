// SPDX-License-Identifier: Apache-2.0
//! The spec that the flags of `service create` describe.

use std::collections::BTreeMap;

use skep_sdk::v1::service_spec::Mode;
use skep_sdk::v1::task_template::Workload;
use skep_sdk::v1::{Container, EndpointSpec, EveryNode, ServiceSpec, TaskTemplate};

use super::{apply_shared, container, placement, program};
use crate::commands::service::create::Create;
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
pub(crate) fn spec_from_flags(given: &Create, around: &Around<'_>) -> Result<ServiceSpec, String> {
    let (flags, shared, command) = (&given.create, &given.spec, given.command.as_slice());
    let mut spec = ServiceSpec::default();
    if flags.mode == Some(ModeWord::Global) {
        spec.mode = Some(Mode::EveryNode(EveryNode {}));
    }
    let template = spec.template.get_or_insert_default();
    let command = set_workload(template, given.process, command);
    apply_shared(shared, &mut spec)?;
    spec.labels = flags.label.iter().cloned().collect();
    let template = spec.template.get_or_insert_default();
    if given.process {
        set_command(template, shared, command)?;
    } else {
        *program(template).args = command.to_vec();
    }
    container::apply(&given.container, template)?;
    container::apply_new(&given.new_container, template)?;
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
    given.policy.update.take_over(&mut spec.update);
    given.policy.rollback.take_over(&mut spec.rollback);
    spec.name = match &flags.name {
        Some(name) => name.clone(),
        None => made_up_name(spec.template.get_or_insert_default(), around.random),
    };
    Ok(spec)
}

/// A container of the image that comes first, or a process. Gives the words after it.
fn set_workload<'a>(
    template: &mut TaskTemplate,
    process: bool,
    words: &'a [String],
) -> &'a [String] {
    match words.split_first() {
        Some((image, rest)) if !process => {
            template.workload = Some(Workload::Container(Container {
                image: image.clone(),
                ..Container::default()
            }));
            rest
        }
        _ => words,
    }
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

/// A name from the image's or the program's, for a service that was given none: `skep-hello-q7m2`.
fn made_up_name(template: &mut TaskTemplate, random: &str) -> String {
    let whole = match &template.workload {
        Some(Workload::Container(container)) => container.image.clone(),
        _ => program(template)
            .command
            .first()
            .cloned()
            .unwrap_or_default(),
    };
    let program = whole.rsplit('/').next().unwrap_or_default();
    let is_image = matches!(template.workload, Some(Workload::Container(_)));
    let end = program.find([':', '@']).filter(|_| is_image);
    let program = &program[..end.unwrap_or(program.len())];
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
        let spec = spec_from_flags(&create, &around)?;
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
            "--stop-drain=3s",
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
    fn every_flag_of_a_container_reaches_its_field() {
        let yaml = spec(&[
            "--hostname=web-{{.Task.Slot}}",
            "--init",
            "--read-only",
            "-t",
            "--pull=missing",
            "--no-resolve-image",
            "--oom-score-adj=-5",
            "--log-driver=json-file",
            "--log-opt=max-size=5m",
            "--health-cmd=check -q",
            "--health-interval=5s",
            "--health-timeout=2s",
            "--health-retries=4",
            "--health-start-period=20s",
            "--health-start-interval=1s",
            "--container-label=team=shop",
            "--mount=type=bind,source=/srv,target=/data,readonly",
            "--cap-add=NET_ADMIN",
            "--cap-drop=ALL",
            "--sysctl=net.core.somaxconn=1024",
            "--add-host=db:192.0.2.7",
            "--dns=192.0.2.53",
            "--dns-option=ndots:2",
            "--dns-search=example.com",
            "-e",
            "A=1",
            "-u",
            "www",
            "--entrypoint=/entry run",
            "example.com:5000/team/web:1.2",
            "serve",
            "-x",
        ]);
        crate::golden::check("create-container.yaml", &yaml.unwrap());
    }

    #[test]
    fn tasks_are_asked_in_four_ways_or_not_at_all() {
        for (flag, want) in [
            (
                "--health-http=80/healthz",
                "http:\n      port: 80\n      path: /healthz",
            ),
            ("--health-tcp=80", "tcp:\n      port: 80"),
            (
                "--health-grpc=80/web",
                "grpc:\n      port: 80\n      service: web",
            ),
            ("--no-healthcheck", "disabled: true"),
        ] {
            let yaml = spec(&["--name=a", flag, "web"]).unwrap();
            assert!(yaml.contains(want), "{yaml}");
        }
    }

    #[test]
    fn what_is_for_containers_is_refused_of_programs() {
        for flag in ["--hostname=a", "--init", "--cap-add=ALL", "--dns=192.0.2.1"] {
            let error = spec(&["--process", flag, "/bin/a"]).unwrap_err();
            assert!(error.contains("is for containers"), "{flag}: {error}");
        }
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
