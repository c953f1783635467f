// SPDX-License-Identifier: Apache-2.0
//! Published ports: Docker's short form `[PUBLISHED:]TARGET[/PROTOCOL]`, with ranges, and its
//! long form `target=80,published=8080,protocol=tcp,mode=ingress`.

use skep_sdk::v1::Port;
use skep_sdk::v1::port::{Mode, Protocol};

/// Reads one `--publish`; a range gives several ports.
pub(crate) fn parse_publish(text: &str) -> Result<Vec<Port>, String> {
    if text.contains('=') {
        parse_long(text).map(|port| vec![port])
    } else {
        parse_short(text)
    }
}

fn parse_long(text: &str) -> Result<Port, String> {
    let mut port = Port::default();
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(|| {
            format!("{part:?}: expected KEY=VALUE (target, published, protocol, mode, name)")
        })?;
        match key.trim().to_ascii_lowercase().as_str() {
            "target" => port.target = number(value)?,
            "published" => port.published = number(value)?,
            "protocol" => port.protocol = parse_protocol(value)?.into(),
            "mode" => port.mode = parse_mode(value)?.into(),
            "name" => port.name = value.to_owned(),
            _ => {
                return Err(format!(
                    "{key:?} is none of target, published, protocol, mode and name"
                ));
            }
        }
    }
    if port.target == 0 {
        return Err("target=PORT is missing".to_owned());
    }
    Ok(port)
}

fn parse_short(text: &str) -> Result<Vec<Port>, String> {
    let (ports, protocol) = match text.split_once('/') {
        Some((ports, protocol)) => (ports, parse_protocol(protocol)?),
        None => (text, Protocol::Unspecified),
    };
    let port = |target, published| Port {
        target,
        published,
        protocol: protocol.into(),
        ..Port::default()
    };
    let (published, target) = match ports.rsplit_once(':') {
        None => (None, range(ports)?),
        Some((published, _)) if published.contains(':') || published.contains('.') => {
            return Err("an address cannot be given: a port is published on every node".to_owned());
        }
        Some((published, target)) => (Some(published), range(target)?),
    };
    let Some(published) = published else {
        return Ok(target.map(|target| port(target, 0)).collect());
    };
    let published = range(published)?;
    if published.clone().count() != target.clone().count() {
        return Err("both ranges must have the same length, such as 9200-9202:80-82".to_owned());
    }
    Ok(target
        .zip(published)
        .map(|(target, published)| port(target, published))
        .collect())
}

/// `80` or `80-82`.
fn range(text: &str) -> Result<std::ops::RangeInclusive<u32>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("the range {text} ends before it begins"));
    }
    Ok(first..=last)
}

fn number(text: &str) -> Result<u32, String> {
    match text.trim().parse::<u16>() {
        Ok(port) if port > 0 => Ok(port.into()),
        _ => Err(format!(
            "{text:?} is not a port: expected a number from 1 to 65535"
        )),
    }
}

fn parse_protocol(text: &str) -> Result<Protocol, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Err("SCTP is not there yet; use tcp or udp".to_owned()),
        _ => Err(format!("unknown protocol {text:?}: expected tcp or udp")),
    }
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "ingress" => Ok(Mode::Ingress),
        "host" => Ok(Mode::Host),
        _ => Err(format!("unknown mode {text:?}: expected ingress or host")),
    }
}

/// What `--publish-rm` takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unpublish {
    target: u32,
    /// None: of every protocol.
    protocol: Option<Protocol>,
}

impl Unpublish {
    /// Whether this is to go.
    pub(crate) fn hits(self, port: &Port) -> bool {
        port.target == self.target && self.protocol.is_none_or(|p| p == protocol_of(port))
    }
}

impl std::fmt::Display for Unpublish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.target)?;
        self.protocol
            .map_or(Ok(()), |protocol| write!(f, "/{}", protocol_word(protocol)))
    }
}

/// Reads one `--publish-rm`: `TARGET[/PROTOCOL]`.
pub(crate) fn parse_unpublish(text: &str) -> Result<Unpublish, String> {
    if text.contains(':') {
        return Err("give the target port alone, such as 80 or 53/udp".to_owned());
    }
    let (target, protocol) = match text.split_once('/') {
        Some((target, protocol)) => (target, Some(parse_protocol(protocol)?)),
        None => (text, None),
    };
    Ok(Unpublish {
        target: number(target)?,
        protocol,
    })
}

/// The protocol of a port, with the default in place of "not set".
pub(crate) fn protocol_of(port: &Port) -> Protocol {
    match port.protocol() {
        Protocol::Unspecified => Protocol::Tcp,
        protocol => protocol,
    }
}

/// The mode of a port, with the default in place of "not set".
pub(crate) fn mode_of(port: &Port) -> Mode {
    match port.mode() {
        Mode::Unspecified => Mode::Ingress,
        mode => mode,
    }
}

/// `tcp`, `udp`.
pub(crate) fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Udp => "udp",
        Protocol::Tcp | Protocol::Unspecified => "tcp",
    }
}

/// Published ports in one line: `*:8080->80/tcp, *:9200-9202->80-82/tcp`. Ports that follow one
/// another are joined.
pub(crate) fn format_ports(ports: &[Port]) -> String {
    let mut ports: Vec<&Port> = ports.iter().collect();
    ports.sort_by_key(|port| (protocol_of(port) as i32, port.target, port.published));
    let mut runs: Vec<(&Port, u32)> = Vec::new();
    for port in ports {
        match runs.last_mut() {
            Some((first, length)) if follows(first, *length, port) => *length += 1,
            _ => runs.push((port, 1)),
        }
    }
    let texts: Vec<String> = runs
        .iter()
        .map(|(first, length)| format_run(first, *length))
        .collect();
    texts.join(", ")
}

fn follows(first: &Port, length: u32, next: &Port) -> bool {
    protocol_of(first) == protocol_of(next)
        && first.target + length == next.target
        && first.published != 0
        && first.published + length == next.published
}

fn format_run(first: &Port, length: u32) -> String {
    let span = |begin: u32| match length {
        1 => begin.to_string(),
        _ => format!("{begin}-{}", begin + length - 1),
    };
    let published = if first.published == 0 {
        "?".to_owned()
    } else {
        span(first.published)
    };
    format!(
        "*:{published}->{}/{}",
        span(first.target),
        protocol_word(protocol_of(first))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(target: u32, published: u32) -> Port {
        Port {
            target,
            published,
            ..Port::default()
        }
    }

    #[test]
    fn reads_the_short_form() {
        assert_eq!(parse_publish("80").unwrap(), [port(80, 0)]);
        assert_eq!(parse_publish("8080:80").unwrap(), [port(80, 8080)]);
        let dns = parse_publish("53:53/udp").unwrap();
        assert_eq!(
            dns,
            [Port {
                protocol: Protocol::Udp.into(),
                ..port(53, 53)
            }]
        );
        let range = parse_publish("9200-9202:80-82").unwrap();
        assert_eq!(range, [port(80, 9200), port(81, 9201), port(82, 9202)]);
    }

    #[test]
    fn reads_the_long_form() {
        let found =
            parse_publish("target=80,published=8080,protocol=udp,mode=host,name=a").unwrap();
        let expected = Port {
            target: 80,
            published: 8080,
            protocol: Protocol::Udp.into(),
            mode: Mode::Host.into(),
            name: "a".into(),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn refuses_what_is_no_port_and_says_why() {
        for (text, message) in [
            (
                "80:abc",
                "\"abc\" is not a port: expected a number from 1 to 65535",
            ),
            (
                "99999:80",
                "\"99999\" is not a port: expected a number from 1 to 65535",
            ),
            (
                "0",
                "\"0\" is not a port: expected a number from 1 to 65535",
            ),
            (
                "1-3:1-2",
                "both ranges must have the same length, such as 9200-9202:80-82",
            ),
            ("3-1:1-3", "the range 3-1 ends before it begins"),
            (
                "127.0.0.1:80:80",
                "an address cannot be given: a port is published on every node",
            ),
            ("80/sctp", "SCTP is not there yet; use tcp or udp"),
            ("published=80", "target=PORT is missing"),
            (
                "target=80,mode=foo",
                "unknown mode \"foo\": expected ingress or host",
            ),
            (
                "target=80,x=1",
                "\"x\" is none of target, published, protocol, mode and name",
            ),
        ] {
            assert_eq!(parse_publish(text).unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn takes_away_by_target_and_protocol() {
        let udp = Port {
            protocol: Protocol::Udp.into(),
            ..port(53, 53)
        };
        let every = parse_unpublish("53").unwrap();
        assert!(every.hits(&udp) && every.hits(&port(53, 1)) && !every.hits(&port(54, 53)));
        let only = parse_unpublish("53/udp").unwrap();
        assert!(only.hits(&udp) && !only.hits(&port(53, 1)));
        assert_eq!(
            (every.to_string(), only.to_string()),
            ("53".into(), "53/udp".into())
        );
        assert!(
            parse_unpublish("8080:80")
                .unwrap_err()
                .contains("target port alone")
        );
    }

    #[test]
    fn joins_ports_that_follow_one_another() {
        let udp = Port {
            protocol: Protocol::Udp.into(),
            ..port(53, 53)
        };
        let ports = [
            port(82, 9202),
            port(80, 9200),
            udp,
            port(81, 9201),
            port(90, 0),
        ];
        assert_eq!(
            format_ports(&ports),
            "*:9200-9202->80-82/tcp, *:?->90/tcp, *:53->53/udp"
        );
        assert_eq!(
            format_ports(&[port(80, 8080), port(80, 8091)]),
            "*:8080->80/tcp, *:8091->80/tcp"
        );
        assert_eq!(format_ports(&[]), "");
    }
}
