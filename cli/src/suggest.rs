// SPDX-License-Identifier: Apache-2.0
//! "Did you mean": names that are like one that is unknown.

/// Most names suggested.
const MAX_NAMES: usize = 3;

/// The names like `unknown`, the likest first. Case does not count; a name that begins so is
/// like it.
pub(crate) fn near<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = unknown.to_lowercase();
    let mut found: Vec<(usize, &str)> = known
        .filter_map(|name| Some((distance(&wanted, &name.to_lowercase())?, name)))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
        .into_iter()
        .take(MAX_NAMES)
        .map(|(_, name)| name)
        .collect()
}

/// How many slips of the keyboard lie between two names; none: too many to mean it. One in three
/// characters may be wrong.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    let slips = strsim::osa_distance(wanted, name);
    let allowed = (wanted.chars().count() / 3).max(1);
    let begins = wanted.chars().count() >= 3 && name.starts_with(wanted);
    (begins || slips <= allowed).then_some(slips)
}

/// `; did you mean web or api?`, or nothing.
pub(crate) fn question(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [name] => format!("; did you mean {name}?"),
        [names @ .., last] => format!("; did you mean {} or {last}?", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_the_likest_first() {
        let known = ["web", "webhook", "database", "api"];
        let near = |name| near(name, known.iter().copied());
        assert_eq!(near("wbe"), ["web"]);
        assert_eq!(near("WEB"), ["web", "webhook"]);
        assert_eq!(near("databse"), ["database"]);
        assert_eq!(near("zzz"), Vec::<&str>::new());
    }

    #[test]
    fn suggestions_read_as_a_question() {
        assert_eq!(question(&[]), "");
        assert_eq!(question(&["web"]), "; did you mean web?");
        assert_eq!(question(&["a", "b", "c"]), "; did you mean a, b or c?");
    }
}
