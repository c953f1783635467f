// SPDX-License-Identifier: Apache-2.0
//! What tasks run, in a word or a cell of a table.

use skep_sdk::v1::TaskTemplate;
use skep_sdk::v1::task_template::Workload;

use crate::output::human::cut;

/// Most characters of an image or a command in a table.
const WIDTH: usize = 30;

/// What stands for the folders that are left out of a path.
const FOLDERS: &str = "…/";

/// What tasks run: their image, or the command line of their program.
pub(crate) fn runs(template: Option<&TaskTemplate>) -> String {
    match template.and_then(|template| template.workload.as_ref()) {
        Some(Workload::Container(container)) => container.image.clone(),
        Some(Workload::Process(process)) => quote(process.command.iter().chain(&process.args)),
        None => String::new(),
    }
}

/// The same as a table has room for it: without the digest of an image that has a tag, without
/// the first folders of a long path, so that the name of the program or the image and its tag
/// stay, and with the end of a long command line left out.
pub(super) fn runs_cell(what: &str, whole: bool) -> String {
    if whole {
        return what.to_owned();
    }
    let what = without_digest(what);
    if width(what) <= WIDTH {
        return what.to_owned();
    }
    // An image whole, or the first word of a command line.
    let path = what.split([' ', '@']).next().unwrap_or(what);
    let rest = &what[path.len()..];
    let shorter = without_folders(path, WIDTH.saturating_sub(width(rest)))
        .or_else(|| without_folders(path, WIDTH / 2));
    if let Some(path) = shorter {
        return cut(&format!("{path}{rest}"), WIDTH);
    }
    let name = match path.rsplit_once('/') {
        Some((_, last)) => format!("{FOLDERS}{last}"),
        None => path.to_owned(),
    };
    // Of an image nothing is cut that tells it from others.
    if is_program(path) || !rest.is_empty() {
        cut(&format!("{name}{rest}"), WIDTH)
    } else {
        name
    }
}

/// Whether it is a command line, whose first word is an absolute path; else it is an image.
fn is_program(what: &str) -> bool {
    what.starts_with(['/', '\''])
}

/// An image without its digest, if a tag says enough.
fn without_digest(what: &str) -> &str {
    match what.split_once("@sha256:") {
        Some((name, _)) if !is_program(what) && has_tag(name) => name,
        _ => what,
    }
}

/// A colon before the last slash is that of a registry's port.
fn has_tag(image: &str) -> bool {
    let last = image.rsplit('/').next();
    last.is_some_and(|last| last.contains(':'))
}

/// A path with as few of its first folders left out as make it so short; nothing: none do.
fn without_folders(path: &str, limit: usize) -> Option<String> {
    if width(path) <= limit {
        return Some(path.to_owned());
    }
    let mut rest = path.trim_start_matches('/');
    while let Some((_, shorter)) = rest.split_once('/') {
        rest = shorter;
        if width(FOLDERS) + width(rest) <= limit {
            return Some(format!("{FOLDERS}{rest}"));
        }
    }
    None
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Words as a shell would need them.
pub(super) fn quote<'a>(words: impl Iterator<Item = &'a String>) -> String {
    let quoted = |word: &'a String| {
        let is_plain = |c: char| c.is_alphanumeric() || "-_./:=@,+%".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_left_out_where_a_tag_says_enough() {
        let digest = format!("@sha256:{}", "0".repeat(64));
        for (what, cell) in [
            (format!("web:1{digest}"), "web:1"),
            (format!("host:5000/web:1{digest}"), "host:5000/web:1"),
            (
                format!("host:5000/web{digest}"),
                "host:5000/web@sha256:00000000…",
            ),
            (format!("web{digest}"), "web@sha256:000000000000000000…"),
            ("/bin/a b".to_owned(), "/bin/a b"),
        ] {
            assert_eq!(runs_cell(&what, false), cell);
            assert_eq!(runs_cell(&what, true), what);
        }
    }

    #[test]
    fn the_name_stays_when_folders_have_to_go() {
        for (what, cell) in [
            // As few folders as make all of it fit.
            (
                "/opt/agent/bin/agent-of-a-long-name",
                "…/bin/agent-of-a-long-name",
            ),
            (
                "/usr/local/bin/shop --serve 'a b'",
                "…/local/bin/shop --serve 'a b'",
            ),
            (
                "registry.example.com:5000/team/shop/front:1.27",
                "…/team/shop/front:1.27",
            ),
            // What is short enough stays, and the words behind it are cut.
            (
                "/bin/sh -c 'while true; do date; sleep 1; done'",
                "/bin/sh -c 'while true; do da…",
            ),
            // A long one gives way, to leave room for the words.
            (
                "/usr/local/lib/shop/bin/shop --serve everything --to everybody",
                "…/shop/bin/shop --serve every…",
            ),
            (
                "/srv/a-program-of-a-long-name serve",
                "…/a-program-of-a-long-name se…",
            ),
            (
                "/srv/a-program-of-a-name-that-no-table-has-room-for",
                "…/a-program-of-a-name-that-no…",
            ),
            // The tag of an image is never lost.
            (
                "example.com/a-name-that-no-table-has-room-for:1.27",
                "…/a-name-that-no-table-has-room-for:1.27",
            ),
            (
                "a-name-that-no-table-has-room-for:1.27",
                "a-name-that-no-table-has-room-for:1.27",
            ),
            // A path with a blank in it is cut as it stands.
            (
                "'/opt/my programs/bin/agent-of-a-long-name'",
                "'/opt/my programs/bin/agent-o…",
            ),
        ] {
            assert_eq!(runs_cell(what, false), cell);
        }
    }

    #[test]
    fn words_are_quoted_when_a_shell_would_need_it() {
        let words = ["/bin/sh", "-c", "it's $x", ""].map(String::from);
        assert_eq!(quote(words.iter()), "/bin/sh -c 'it'\\''s $x' ''");
    }
}
