// SPDX-License-Identifier: Apache-2.0
//! What to do about a refusal. The engine's and a registry's own words say what is wrong, and
//! seldom what helps.

use crate::reference::HUB;

/// What engines say when an image, or a program in it, is for another platform than theirs.
const FOREIGN: [&str; 4] = [
    "no matching manifest",
    "exec format error",
    "cannot be used on this platform",
    "does not match the specified platform",
];

/// What is wrong when an image is for another platform than the engine's, with what helps;
/// nothing: the words are about something else. `platform` is in the words of images, such as
/// "linux/amd64".
pub(crate) fn foreign(words: &str, platform: &str) -> Option<String> {
    let known = FOREIGN.iter().any(|known| words.contains(known));
    known.then(|| {
        format!(
            "the image is for another platform than {platform}: {words}; use one that is built \
             for {platform}, or place the tasks on nodes that it is for (node.platform.arch); a \
             program that is a script must begin with #!"
        )
    })
}

/// What registries say to those whom they do not let in.
const DENIED: [&str; 3] = ["denied", "unauthorized", "no basic auth credentials"];

/// What helps when a registry lets nobody in; nothing: its words are about something else.
pub(crate) fn login(words: &str, registry: &str) -> Option<String> {
    let words = words.to_lowercase();
    let known = DENIED.iter().any(|known| words.contains(known));
    known.then(|| {
        let host = if registry == HUB { "" } else { registry };
        let command = format!("docker login {host}");
        let command = command.trim_end();
        format!(
            "run \"{command}\" on the node as the daemon's user, or name a file with credentials \
             with skepd --registry-config"
        )
    })
}

/// What registries and engines say of an image that is not there.
const MISSING: [&str; 2] = ["manifest unknown", "name unknown"];

/// What engines say of a registry that they cannot reach.
const UNREACHABLE: [&str; 3] = ["connection refused", "no such host", "i/o timeout"];

/// What helps when a registry has no such image, or cannot be reached; nothing: the words are
/// about something else.
pub(crate) fn registry(words: &str, registry: &str) -> Option<String> {
    let about = |known: &[&str]| known.iter().any(|known| words.contains(known));
    if about(&MISSING) {
        return Some("push it, or correct its name or tag".to_owned());
    }
    about(&UNREACHABLE).then(|| {
        format!("start the registry {registry} or mend the way to it, or correct the image's name")
    })
}

/// What helps when the path of a bind mount is missing; nothing: the words are about something
/// else. `field` is that of the mount.
pub(crate) fn bind_source(words: &str, field: &str) -> Option<String> {
    words.contains("bind source path does not exist").then(|| {
        format!(
            "make that directory on the node, or have it made: {field}.create (bind-create-src)"
        )
    })
}

/// Whether this is all that a container printed because its program is for another platform:
/// runtimes say so in its place when the engine takes it for started already.
pub(crate) fn is_foreign_program(printed: &str) -> bool {
    let printed = printed.trim();
    let is_runtime = printed.starts_with("exec ") || printed.contains("exec user process");
    is_runtime && !printed.contains('\n') && printed.ends_with("exec format error")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::PLATFORM;

    #[test]
    fn an_image_for_another_platform_is_told_with_a_cure() {
        for words in [
            "no matching manifest for linux/amd64 in the manifest list entries",
            "exec /prog: exec format error",
            "image operating system \"windows\" cannot be used on this platform",
            "image with reference web:1 was found but does not match the specified platform: \
             wanted linux/amd64, actual: linux/arm64",
        ] {
            let text = foreign(words, PLATFORM).expect(words);
            let begin = "the image is for another platform than linux/amd64: ";
            assert!(
                text.starts_with(&format!("{begin}{words}; use one")),
                "{text}"
            );
            assert!(text.contains("node.platform.arch"), "{text}");
        }
        assert_eq!(foreign("manifest unknown", PLATFORM), None);
    }

    #[test]
    fn who_is_not_let_in_is_told_how_to_log_in() {
        for words in [
            "Get https://r.example/v2/: no basic auth credentials",
            "pull access denied for x, repository does not exist or may require 'docker login'",
            "Head https://r.example/v2/x/manifests/1: Unauthorized",
        ] {
            let text = login(words, "r.example:5000").expect(words);
            assert!(
                text.starts_with("run \"docker login r.example:5000\" on the node"),
                "{text}"
            );
            assert!(text.contains("--registry-config"), "{text}");
        }
        let hub = login("denied", HUB).expect("denied");
        assert!(hub.starts_with("run \"docker login\" on the node"), "{hub}");
        assert_eq!(login("manifest unknown", HUB), None);
    }

    #[test]
    fn what_a_registry_lacks_and_one_that_is_away_have_a_cure() {
        let cure = |words: &str| registry(words, "r.example:5000").unwrap_or_default();
        let missing = "manifest for web:9 not found: manifest unknown: manifest unknown";
        assert_eq!(cure(missing), "push it, or correct its name or tag");
        for words in [
            "dial tcp 127.0.0.1:1: connect: connection refused",
            "dial tcp: lookup r.example: no such host",
            "dial tcp 192.0.2.1:443: i/o timeout",
        ] {
            let cure = cure(words);
            assert!(
                cure.starts_with("start the registry r.example:5000 or "),
                "{cure}"
            );
        }
        assert_eq!(cure("denied"), "");
    }

    #[test]
    fn only_the_runtime_says_that_a_program_cannot_be_run() {
        for printed in [
            "exec /prog: exec format error\n",
            "standard_init_linux.go:228: exec user process caused: exec format error",
        ] {
            assert!(is_foreign_program(printed), "{printed}");
        }
        for printed in [
            "",
            "starting\nexec /prog: exec format error",
            "/run.sh: line 2: /prog: cannot execute binary file: exec format error",
            "exec /prog: no such file or directory",
        ] {
            assert!(!is_foreign_program(printed), "{printed}");
        }
    }
}
