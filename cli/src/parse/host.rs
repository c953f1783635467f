// SPDX-License-Identifier: Apache-2.0
//! Lines of /etc/hosts: `NAME:IP`, or `NAME=IP`.

use skep_sdk::v1::HostEntry;

/// Reads one host.
pub(crate) fn parse_host(text: &str) -> Result<HostEntry, String> {
    let parts = text.split_once('=').or_else(|| text.split_once(':'));
    match parts {
        Some((name, ip)) if !name.is_empty() && !ip.is_empty() => Ok(HostEntry {
            ip: ip.trim_matches(['[', ']']).to_owned(),
            names: vec![name.to_owned()],
        }),
        _ => Err("expected NAME:IP, such as db:192.0.2.7".to_owned()),
    }
}

/// A name that is to go from /etc/hosts, of one address or of every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unhost {
    name: String,
    ip: Option<String>,
}

impl Unhost {
    /// Whether a line has it.
    pub(crate) fn hits(&self, entry: &HostEntry) -> bool {
        entry.names.contains(&self.name) && self.ip.as_ref().is_none_or(|ip| *ip == entry.ip)
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Display for Unhost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        self.ip.as_ref().map_or(Ok(()), |ip| write!(f, ":{ip}"))
    }
}

/// Reads one `--host-rm`: `NAME`, or `NAME:IP`.
pub(crate) fn parse_unhost(text: &str) -> Result<Unhost, String> {
    if !text.contains([':', '=']) && !text.is_empty() {
        return Ok(Unhost {
            name: text.to_owned(),
            ip: None,
        });
    }
    let entry = parse_host(text)?;
    Ok(Unhost {
        name: entry.names.concat(),
        ip: Some(entry.ip),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_go_has_a_name_and_maybe_an_address() {
        let line = parse_host("db:192.0.2.7").unwrap();
        for (text, hits) in [
            ("db", true),
            ("db:192.0.2.7", true),
            ("db:192.0.2.8", false),
            ("web", false),
        ] {
            let gone = parse_unhost(text).unwrap();
            assert_eq!(gone.hits(&line), hits, "{text}");
            assert_eq!(gone.to_string(), text);
        }
        assert!(parse_unhost("").is_err() && parse_unhost(":1").is_err());
    }

    #[test]
    fn names_come_before_addresses() {
        for (text, ip) in [
            ("db:192.0.2.7", "192.0.2.7"),
            ("db=192.0.2.7", "192.0.2.7"),
            ("db:2001:db8::1", "2001:db8::1"),
            ("db:[2001:db8::1]", "2001:db8::1"),
        ] {
            let entry = parse_host(text).unwrap();
            assert_eq!((entry.ip.as_str(), &*entry.names[0]), (ip, "db"), "{text}");
        }
        assert!(parse_host("db").is_err() && parse_host(":1").is_err());
    }
}
