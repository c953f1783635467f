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

#[cfg(test)]
mod tests {
    use super::*;

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
