// SPDX-License-Identifier: Apache-2.0
//! What images are called: `[registry/]repository[:tag][@digest]`.

/// The registry of images that name none.
pub(crate) const HUB: &str = "docker.io";

/// A reference to an image, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reference {
    /// The registry's host, with its port.
    pub(crate) registry: String,
    /// What the engine calls the repository: without "docker.io/" and "library/".
    pub(crate) repository: String,
    /// The tag; "latest" if there is neither one nor a digest.
    pub(crate) tag: String,
    /// The digest; empty: none.
    pub(crate) digest: String,
}

impl Reference {
    /// Takes a reference apart; nothing: it is an image's id, which no registry knows.
    pub(crate) fn parse(text: &str) -> Option<Reference> {
        let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if text.strip_prefix("sha256:").is_some_and(is_hex) || is_hex(text) {
            return None;
        }
        let (name, digest) = text.split_once('@').unwrap_or((text, ""));
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name[last..].rfind(':') {
            Some(colon) => (&name[..last + colon], &name[last + colon + 1..]),
            None => (name, ""),
        };
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if is_host(first) => (first, rest),
            _ => (HUB, name),
        };
        let registry = match registry {
            "index.docker.io" => HUB,
            other => other,
        };
        let repository = match registry {
            HUB => path.strip_prefix("library/").unwrap_or(path).to_owned(),
            other => format!("{other}/{path}"),
        };
        Some(Reference {
            registry: registry.to_owned(),
            repository,
            tag: match (tag, digest) {
                ("", "") => "latest".to_owned(),
                (tag, _) => tag.to_owned(),
            },
            digest: digest.to_owned(),
        })
    }

    /// What is asked of the registry besides the repository: never nothing, which would mean
    /// every tag there is.
    pub(crate) fn version(&self) -> &str {
        if self.digest.is_empty() {
            &self.tag
        } else {
            &self.digest
        }
    }

    /// The one of an image's digests that is this repository's.
    pub(crate) fn digest_among<'a>(&self, digests: &'a [String]) -> Option<&'a str> {
        let own = digests.iter().map(String::as_str).filter(|known| {
            known
                .split_once('@')
                .is_some_and(|(repository, _)| repository == self.repository)
        });
        let exact = own.clone().find(|known| known.ends_with(&self.digest));
        exact.or_else(|| own.clone().next())
    }

    /// Whether an image that the engine pulled from `origin` was pulled from this repository. The
    /// engine writes "docker.io/library/redis" in full, and leaves out the registry's port.
    pub(crate) fn is_of(&self, origin: &str) -> bool {
        let own = if self.registry != HUB {
            let port = self.registry.rfind(':').unwrap_or(self.registry.len());
            let path = &self.repository[self.registry.len()..];
            format!("{}{path}", &self.registry[..port])
        } else if self.repository.contains('/') {
            format!("{HUB}/{}", self.repository)
        } else {
            format!("{HUB}/library/{}", self.repository)
        };
        origin == own
    }
}

/// Whether the first part of a name is a registry's host.
fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart_as_the_engine_does() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let with_digest = format!("redis:7@{digest}");
        for (text, registry, repository, version) in [
            ("redis", HUB, "redis", "latest"),
            ("redis:7", HUB, "redis", "7"),
            ("docker.io/library/redis:7", HUB, "redis", "7"),
            ("index.docker.io/me/app", HUB, "me/app", "latest"),
            ("me/app:1", HUB, "me/app", "1"),
            ("localhost/app", "localhost", "localhost/app", "latest"),
            (
                "127.0.0.1:5000/a/b:1",
                "127.0.0.1:5000",
                "127.0.0.1:5000/a/b",
                "1",
            ),
            ("ghcr.io/a/b", "ghcr.io", "ghcr.io/a/b", "latest"),
            (&with_digest, HUB, "redis", &digest),
        ] {
            let reference = Reference::parse(text).expect(text);
            assert_eq!(reference.registry, registry, "{text}");
            assert_eq!(reference.repository, repository, "{text}");
            assert_eq!(reference.version(), version, "{text}");
        }
        assert_eq!(Reference::parse(&digest), None);
        assert_eq!(Reference::parse(&"a".repeat(64)), None);
    }

    #[test]
    fn where_an_image_was_pulled_from_is_compared() {
        for (text, origin) in [
            ("redis:7", "docker.io/library/redis"),
            ("docker.io/me/app", "docker.io/me/app"),
            ("ghcr.io/a/b:1", "ghcr.io/a/b"),
            ("127.0.0.1:5000/a/b", "127.0.0.1/a/b"),
        ] {
            let reference = Reference::parse(text).expect(text);
            assert!(reference.is_of(origin), "{text}");
            assert!(!reference.is_of("docker.io/library/app"), "{text}");
        }
    }

    #[test]
    fn the_digest_of_the_repository_is_found() {
        let digests = ["other@sha256:1", "redis@sha256:2", "redis@sha256:3"].map(str::to_owned);
        let of = |text: &str| Reference::parse(text).expect(text);
        assert_eq!(of("redis:7").digest_among(&digests), Some("redis@sha256:2"));
        assert_eq!(
            of("redis@sha256:3").digest_among(&digests),
            Some("redis@sha256:3")
        );
        assert_eq!(of("web").digest_among(&digests), None);
    }
}
