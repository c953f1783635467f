// SPDX-License-Identifier: Apache-2.0
//! Names that people give to objects.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::id::ID_PREFIXES;

/// Most characters of a name: what fits into one label of a DNS name.
pub const NAME_LENGTH_MAX: usize = 63;

/// A name: 1 to 63 letters, digits, ".", "_" and "-", a letter or digit at both ends, not
/// beginning like an id.
///
/// Two names are the same if they differ in upper and lower case only; see [`Name::key`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is not a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadName {
    /// It is empty or too long.
    Length,
    /// It has a character that names do not have, or begins or ends with a sign.
    Characters,
    /// It begins with the prefix of an id, which this is.
    IdPrefix(&'static str),
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadName::Length => write!(f, "a name has 1 to {NAME_LENGTH_MAX} characters"),
            BadName::Characters => f.write_str(
                "a name has letters, digits, \".\", \"_\" and \"-\", and begins and ends with a \
                 letter or a digit",
            ),
            BadName::IdPrefix(prefix) => {
                write!(f, "a name does not begin with \"{prefix}\", as ids do")
            }
        }
    }
}

impl std::error::Error for BadName {}

impl Name {
    /// Takes a text for a name.
    ///
    /// # Errors
    /// If the text breaks a rule of names.
    pub fn parse(text: &str) -> Result<Name, BadName> {
        if text.is_empty() || text.chars().count() > NAME_LENGTH_MAX {
            return Err(BadName::Length);
        }
        let sign = |byte: u8| matches!(byte, b'.' | b'_' | b'-');
        let plain = |byte: u8| byte.is_ascii_alphanumeric();
        let bytes = text.as_bytes();
        let ends_plain = plain(bytes[0]) && plain(bytes[bytes.len() - 1]);
        if !ends_plain || !bytes.iter().all(|byte| plain(*byte) || sign(*byte)) {
            return Err(BadName::Characters);
        }
        let key = text.to_ascii_lowercase();
        match ID_PREFIXES.iter().find(|prefix| key.starts_with(**prefix)) {
            Some(prefix) => Err(BadName::IdPrefix(prefix)),
            None => Ok(Name(text.into())),
        }
    }

    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a shared text.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// What decides whether two names are the same: the name in lower case.
    #[must_use]
    pub fn key(&self) -> Arc<str> {
        name_key(&self.0).into()
    }
}

/// The key under which a name, or what may be one, is looked up.
#[must_use]
pub fn name_key(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken() {
        for text in ["a", "web", "stack_web", "Web-1.a", "9", &"x".repeat(63)] {
            assert!(Name::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn names_that_are_refused() {
        let long = "x".repeat(64);
        for (text, why) in [
            ("", BadName::Length),
            (long.as_str(), BadName::Length),
            ("-web", BadName::Characters),
            ("web.", BadName::Characters),
            ("a b", BadName::Characters),
            ("größe", BadName::Characters),
            ("SVC_1", BadName::IdPrefix("svc_")),
        ] {
            assert_eq!(Name::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn case_does_not_make_another_name() {
        let (a, b) = (Name::parse("Web"), Name::parse("wEB"));
        assert_eq!(a.map(|name| name.key()), b.map(|name| name.key()));
    }
}
