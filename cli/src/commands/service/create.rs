// SPDX-License-Identifier: Apache-2.0
//! `skep service create`.

use clap::Args;
use skep_sdk::Identified;
use skep_sdk::v1::{CreateServiceRequest, ErrorReason, ServiceSpec};

use super::container_flags::{ContainerCreateFlags, ContainerFlags};
use super::flags::{CreateFlags, SpecFlags};
use super::policy_flags::PolicyFlags;
use crate::args::ConvergeFlags;
use crate::failure::Failure;
use crate::output::print;
use crate::progress;
use crate::session::Session;
use crate::spec::create::{Around, spec_from_flags};
use crate::spec::file;

/// Create a service and wait until its tasks run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    skep service create --name web --replicas 3 -p 8080:80 nginx:1.27\n  \
    skep service create --name shop -p 8081:80 --process -- /opt/shop --serve\n  \
    skep service create -f web.yaml\n\
    The file holds the proto JSON of a ServiceSpec, written as YAML; `skep service inspect web \
    --format '{{json .spec}}'` shows one.")]
pub(crate) struct Create {
    /// The tasks are processes on the nodes themselves. COMMAND is the program, as an absolute
    /// path, with its arguments
    #[arg(long)]
    pub(crate) process: bool,
    /// Take the whole service from a YAML file; - is standard input
    #[arg(short, long, value_name = "FILE",
        conflicts_with_all = ["SpecFlags", "CreateFlags", "ContainerFlags", "ContainerCreateFlags",
            "UpdatePolicyFlags", "RollbackPolicyFlags", "process", "command"])]
    pub(crate) file: Option<String>,
    #[command(flatten)]
    pub(crate) create: CreateFlags,
    #[command(flatten)]
    pub(crate) spec: SpecFlags,
    #[command(flatten)]
    pub(crate) container: ContainerFlags,
    #[command(flatten)]
    pub(crate) policy: PolicyFlags,
    #[command(flatten)]
    pub(crate) new_container: ContainerCreateFlags,
    #[command(flatten)]
    pub(crate) wait: ConvergeFlags,
    /// Image with its arguments; with --process the program and its arguments
    #[arg(value_name = "IMAGE|COMMAND", trailing_var_arg = true)]
    pub(crate) command: Vec<String>,
}

impl Create {
    /// Creates it, prints its id, and waits.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let (spec, source) = self.spec()?;
        let client = session.client().await?;
        let request = CreateServiceRequest {
            spec: Some(spec),
            ..Default::default()
        };
        let answer = client.services().create_service(request).await;
        let answer = answer.map_err(|status| with_lines(status.into(), source.as_ref()))?;
        let answer = answer.into_inner();
        let service = answer.service.unwrap_or_default();
        print(&format!("{}\n", service.id()));
        progress::converge(&client, &service, answer.revision, &self.wait).await
    }

    /// The spec, and the file it is from.
    fn spec(&self) -> Result<(ServiceSpec, Option<Source>), Failure> {
        if let Some(path) = &self.file {
            let text = read(path).map_err(|why| Failure::usage(format!("{path}: {why}")))?;
            let spec = file::service_spec(&text).map_err(|errors| {
                let lines: Vec<String> = errors.iter().map(|e| format!("  {e}")).collect();
                Failure::usage(format!(
                    "{path} is not the spec of a service:\n{}",
                    lines.join("\n")
                ))
            })?;
            return Ok((
                spec,
                Some(Source {
                    path: path.clone(),
                    text,
                }),
            ));
        }
        check_words(self.process, &self.command).map_err(Failure::usage)?;
        let random = skep_sdk::new_request_id().to_lowercase();
        let around = Around {
            var: &|name| std::env::var(name).ok(),
            read: &read,
            random: &random,
        };
        let spec = spec_from_flags(self, &around);
        Ok((spec.map_err(Failure::usage)?, None))
    }
}

/// The file a spec is from.
struct Source {
    path: String,
    text: String,
}

fn read(path: &str) -> Result<String, String> {
    let text = match path {
        "-" => std::io::read_to_string(std::io::stdin()),
        path => std::fs::read_to_string(path),
    };
    text.map_err(|error| error.to_string())
}

/// Whether the words after the flags can be meant so.
fn check_words(process: bool, words: &[String]) -> Result<(), String> {
    match words {
        [] if !process => {
            Err("say what to run: IMAGE, --process -- /path/to/program, or -f FILE".to_owned())
        }
        [first, ..] if !process && first.starts_with('/') => Err(format!(
            "{first} is no image; to run it on the nodes themselves add --process: \
             --process -- {first}"
        )),
        _ => Ok(()),
    }
}

/// Bad fields of a spec from a file, with the lines they are on.
fn with_lines(mut error: skep_sdk::Error, source: Option<&Source>) -> Failure {
    let is_refused = error.is(ErrorReason::InvalidField);
    let Some(source) = source.filter(|_| is_refused) else {
        return error.into();
    };
    for violation in &mut error.violations {
        let path = violation
            .field
            .strip_prefix("spec.")
            .unwrap_or(&violation.field);
        if let Some(line) = crate::spec::probe::line_of(&source.text, path) {
            violation.field = format!("{} line {line}: {}", source.path, violation.field);
        }
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_sdk::{Error, FieldViolation, Status};

    #[test]
    fn words_that_cannot_be_meant_are_refused_with_the_cure() {
        let words = |text: &str| vec![text.to_owned()];
        let refused = check_words(false, &[]).unwrap_err();
        assert!(refused.starts_with("say what to run: IMAGE"));
        let refused = check_words(false, &words("/bin/a")).unwrap_err();
        assert!(refused.ends_with("--process -- /bin/a"));
        assert_eq!(check_words(false, &words("nginx:1.27")), Ok(()));
        assert_eq!(check_words(true, &words("/bin/a")), Ok(()));
    }

    #[test]
    fn refused_fields_of_a_file_have_their_lines() {
        let mut refusal = Error::from(Status::invalid_argument("bad"));
        refusal.reason = "INVALID_FIELD".into();
        refusal.violations = ["spec.labels", "spec.endpoint"]
            .map(|field| FieldViolation::new(field, "no"))
            .into();
        let source = Source {
            path: "web.yaml".into(),
            text: "name: a\nlabels: {}\n".into(),
        };
        let Failure::Sdk(error) = with_lines(refusal, Some(&source)) else {
            panic!()
        };
        assert_eq!(
            error.to_string(),
            "bad\n  web.yaml line 2: spec.labels: no\n  spec.endpoint: no"
        );
    }
}
