// SPDX-License-Identifier: Apache-2.0
//! References to images: `[host[:port]/]path[:tag][@digest]`.
//!
//! The rules are those of the OCI distribution specification, which every registry and engine
//! follows. Refused here, a wrong one costs no task.

const TAG_CHARS_MAX: usize = 128;

/// Whether a text can name an image.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(text: &str) -> Result<(), String> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err("after \"@\" comes a digest: sha256: and 64 hexadecimal digits".to_owned());
    }
    let last = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[last..].find(':') {
        Some(at) => (&rest[..last + at], Some(&rest[last + at + 1..])),
        None => (rest, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("a tag has 1 to 128 letters, digits, \"_\", \".\" and \"-\"".to_owned());
    }
    let path = match name.split_once('/') {
        Some((host, path)) if is_host(host) => path,
        _ => name,
    };
    if path.split('/').all(is_component) {
        Ok(())
    } else {
        Err(
            "a repository has lower-case letters and digits, between them \".\", \"_\", \"-\" \
             and \"/\", as in \"redis:7\" or \"registry.example.com:5000/team/web:1.2\""
                .to_owned(),
        )
    }
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else {
        return false;
    };
    let long_enough = match algorithm {
        "sha256" => digits.len() == 64,
        "sha512" => digits.len() == 128,
        _ => false,
    };
    long_enough
        && digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=TAG_CHARS_MAX).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text
            .bytes()
            .all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

/// What stands before the first slash is a host if it cannot be part of a path.
fn is_host(text: &str) -> bool {
    let marked = text == "localhost" || text.contains(['.', ':']);
    let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
    (marked || upper) && text.bytes().all(plain)
}

/// Words of lower-case letters and digits, with ".", "_", "__" or dashes between them.
fn is_component(text: &str) -> bool {
    let word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().is_some_and(word) && bytes.last().is_some_and(word);
    let separators =
        text.split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    let good =
        |part: &str| matches!(part, "" | "." | "_" | "__") || part.bytes().all(|byte| byte == b'-');
    ends && separators.into_iter().all(good)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn references_as_registries_take_them() {
        let digest = format!("web@sha256:{}", "0a".repeat(32));
        for good in [
            "redis",
            "redis:7",
            "library/redis:7.2-alpine",
            "localhost/web",
            "localhost:5000/web",
            "registry.example.com:5000/team/web_1/a--b:V1.2",
            "a__b",
            &digest,
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_part_that_is_wrong() {
        for (bad, part) in [
            ("", "a repository"),
            ("Redis", "a repository"),
            ("redis ", "a repository"),
            ("a___b", "a repository"),
            ("-web", "a repository"),
            ("web/", "a repository"),
            ("https://example.com/web", "a repository"),
            ("redis:", "a tag"),
            ("redis:a b", "a tag"),
            ("redis@sha256:12", "a digest"),
            ("redis@12", "a digest"),
        ] {
            let why = check(bad).expect_err(bad);
            assert!(why.contains(part), "{bad}: {why}");
        }
    }
}
