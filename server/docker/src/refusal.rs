// SPDX-License-Identifier: Apache-2.0
//! Which field of a spec it is that the engine refuses. It only says so in words.

use skep_agent::executor::{ContainerWork, ExecutorError};
use skep_core::model::MountSource;

use crate::cure;
use crate::error::EngineError;
use crate::image;

/// What the engine's words are about, and the field that says so in a spec. The first that fits.
const FIELDS: [(&str, &str); 14] = [
    ("capability", "container.capabilities_add"),
    ("sysctl", "container.sysctls"),
    ("ulimit", "container.ulimits"),
    ("seccomp", "container.security.seccomp"),
    ("apparmor", "container.security.apparmor"),
    ("unable to find user", "container.user"),
    ("unable to find group", "container.groups"),
    ("no command specified", "container.command"),
    ("log opt", "log_driver.options"),
    ("log driver", "log_driver"),
    ("logger", "log_driver"),
    ("memory", "limits.memory_bytes"),
    ("cpu", "limits.cpu_millis"),
    ("signal", "stop.signal"),
];

/// Codes with which the engine says that the program of a container could not be run.
const PROGRAM: [&str; 3] = [
    "executable file not found",
    "no such file or directory",
    "permission denied",
];

/// Why the engine does not make a container. What it calls a bad request stays one.
pub(crate) fn cannot_create(
    work: &ContainerWork,
    error: EngineError,
    platform: &str,
) -> ExecutorError {
    if let Some(problem) = cure::foreign(&error.words(), platform) {
        return ExecutorError::refused(image::FIELD, problem);
    }
    if error.status() != Some(400) {
        return error.into();
    }
    let words = error.words();
    let field = mount(work, &words).or_else(|| about(&words));
    let field = field.unwrap_or_else(|| "container".to_owned());
    let mount = field.trim_end_matches(".path");
    let words = match cure::bind_source(&words, mount) {
        Some(cure) => format!("{words}; {cure}"),
        None => words,
    };
    ExecutorError::refused(field, words)
}

/// Whether the engine did not send a signal because it knows none of that name or number: images
/// may name what they like.
pub(crate) fn is_about_signal(error: &EngineError) -> bool {
    let words = error.words().to_lowercase();
    ["invalid signal", "not support signal"]
        .iter()
        .any(|known| words.contains(known))
}

/// What was wrong with a start, without the names of all those who passed it on.
pub(crate) fn plain(words: &str) -> &str {
    const PASSED_ON: [&str; 2] = [
        "unable to start container process: ",
        "starting container process caused: ",
    ];
    let said = |words, before| match str::rsplit_once(words, before) {
        Some((_, said)) => said,
        None => words,
    };
    let said = PASSED_ON.into_iter().fold(words, said);
    said.strip_suffix(": unknown").unwrap_or(said)
}

/// The field that the engine's words about a start are about.
pub(crate) fn start_field(words: &str) -> String {
    let lower = words.to_lowercase();
    let is_program = || PROGRAM.iter().any(|known| lower.contains(known));
    let field = about(words).or_else(|| is_program().then(|| "container.command".to_owned()));
    field.unwrap_or_else(|| "container".to_owned())
}

/// The mount whose path the words name.
fn mount(work: &ContainerWork, words: &str) -> Option<String> {
    let mounts = work.launch.mounts.iter().enumerate();
    let mut named = mounts.filter_map(|(place, mount)| {
        let (path, field) = match &mount.source {
            MountSource::Bind(bind) => (&bind.path, "bind.path"),
            MountSource::Volume(volume) => (&volume.name, "volume"),
            MountSource::Tmpfs(_) => (&mount.target, "tmpfs"),
        };
        let is_named = !path.is_empty() && words.contains(path.as_str());
        is_named.then(|| format!("mounts[{place}].{field}"))
    });
    named.next()
}

fn about(words: &str) -> Option<String> {
    let words = words.to_lowercase();
    let known = FIELDS.iter().find(|(text, _)| words.contains(text));
    known.map(|(_, field)| (*field).to_owned())
}

#[cfg(test)]
mod tests {
    use bollard::errors::Error;
    use skep_core::model::{BindMount, Mount};

    use super::*;
    use crate::testing::{PLATFORM, work};

    fn answered(status_code: u16, message: &str) -> EngineError {
        let message = message.to_owned();
        let failed = Error::DockerResponseServerError {
            status_code,
            message,
        };
        EngineError::new("cannot make the container", failed)
    }

    #[test]
    fn refusals_name_the_field() {
        let mut work = work("web");
        work.launch.mounts.push(Mount {
            target: "/in".into(),
            read_only: false,
            source: MountSource::Bind(BindMount {
                path: "/not/here".into(),
                ..BindMount::default()
            }),
        });
        for (words, field) in [
            (
                "invalid CapAdd: unknown capability: \"CAP_X\"",
                "container.capabilities_add",
            ),
            ("No command specified", "container.command"),
            ("Minimum memory limit allowed is 6MB", "limits.memory_bytes"),
            ("something new", "container"),
        ] {
            let refusal = cannot_create(&work, answered(400, words), PLATFORM);
            assert!(refusal.is_refusal());
            assert_eq!(refusal.to_string(), format!("{words} (field {field})"));
        }
        let missing = "invalid mount config for type \"bind\": bind source path does not exist: \
                       /not/here";
        let text = cannot_create(&work, answered(400, missing), PLATFORM).to_string();
        let cure = "make that directory on the node, or have it made: mounts[0].bind.create \
                    (bind-create-src) (field mounts[0].bind.path)";
        assert_eq!(text, format!("{missing}; {cure}"));
        // Engines differ in the status that they say this with.
        let foreign = "image operating system \"windows\" cannot be used on this platform";
        let refusal = cannot_create(&work, answered(404, foreign), PLATFORM);
        let text = refusal.to_string();
        assert!(
            refusal.is_refusal() && text.ends_with("(field container.image)"),
            "{text}"
        );
        assert!(!cannot_create(&work, answered(500, "disk is full"), PLATFORM).is_refusal());
    }

    #[test]
    fn who_passed_it_on_does_not_matter() {
        for (words, want) in [
            (
                "failed to create shim task: OCI runtime create failed: runc create failed: unable \
                 to start container process: exec: \"/a\": stat /a: no such file or directory: \
                 unknown",
                "exec: \"/a\": stat /a: no such file or directory",
            ),
            (
                "OCI runtime create failed: starting container process caused: x",
                "x",
            ),
            ("something new", "something new"),
        ] {
            assert_eq!(plain(words), want);
        }
    }

    #[test]
    fn what_cannot_be_started_is_named() {
        for (words, field) in [
            (
                "exec: \"/nope\": stat /nope: no such file or directory: unknown",
                "container.command",
            ),
            (
                "unable to find user me: no matching entries",
                "container.user",
            ),
            ("something new", "container"),
        ] {
            assert_eq!(start_field(words), field, "{words}");
        }
    }
}
