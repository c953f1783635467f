// SPDX-License-Identifier: Apache-2.0
//! Where a task is asked how it is: `80/healthz`, `5432`, `9000/shop.v1.Cart`.

use skep_sdk::v1::health_check::Probe;
use skep_sdk::v1::{GrpcProbe, HttpProbe, TcpProbe};

/// Reads one `--health-http`.
pub(crate) fn parse_http(text: &str) -> Result<Probe, String> {
    let (port, path) = split(text)?;
    let path = path.map(|path| format!("/{path}")).unwrap_or_default();
    Ok(Probe::Http(HttpProbe { port, path }))
}

/// Reads one `--health-tcp`.
pub(crate) fn parse_tcp(text: &str) -> Result<Probe, String> {
    match split(text)? {
        (port, None) => Ok(Probe::Tcp(TcpProbe { port })),
        _ => Err("expected a port alone".to_owned()),
    }
}

/// Reads one `--health-grpc`.
pub(crate) fn parse_grpc(text: &str) -> Result<Probe, String> {
    let (port, service) = split(text)?;
    let service = service.unwrap_or_default().to_owned();
    Ok(Probe::Grpc(GrpcProbe { port, service }))
}

fn split(text: &str) -> Result<(u32, Option<&str>), String> {
    let (port, rest) = match text.split_once('/') {
        Some((port, rest)) => (port, Some(rest)),
        None => (text, None),
    };
    match port.parse::<u16>() {
        Ok(number) if number > 0 => Ok((number.into(), rest)),
        _ => Err(format!(
            "{port:?} is not a port of the task: expected a number from 1 to 65535"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_a_path_or_a_service_behind_them() {
        let http = |path: &str| {
            let path = path.to_owned();
            Ok(Probe::Http(HttpProbe { port: 80, path }))
        };
        assert_eq!(parse_http("80"), http(""));
        assert_eq!(parse_http("80/"), http("/"));
        assert_eq!(parse_http("80/healthz?a=/b"), http("/healthz?a=/b"));
        assert_eq!(parse_tcp("5432"), Ok(Probe::Tcp(TcpProbe { port: 5_432 })));
        assert!(parse_tcp("80/x").is_err());
        let service = "shop.v1.Cart".to_owned();
        let want = Probe::Grpc(GrpcProbe { port: 9, service });
        assert_eq!(parse_grpc("9/shop.v1.Cart"), Ok(want));
        for bad in ["", "http", "0", "70000", "/x"] {
            assert!(parse_http(bad).is_err(), "{bad}");
        }
    }
}
