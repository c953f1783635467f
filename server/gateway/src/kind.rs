// SPDX-License-Identifier: Apache-2.0
//! Which language a request is in: told by its `Content-Type`.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method, Version};

/// The language of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Grpc,
    GrpcWeb,
    Json,
    Strange(Strange),
}

/// Why a request is in no language of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strange {
    /// It is gRPC over a version of HTTP that loses the status at the end.
    Version,
    /// It is no POST.
    Method,
    /// Its body is something else. That it has to say JSON keeps out forms of web pages, which
    /// browsers send anywhere without asking.
    ContentType,
    /// Its body is compressed.
    ContentEncoding,
}

/// What gRPC-Web calls itself; nothing else is understood.
const WEB: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

impl Kind {
    pub(crate) fn of(method: &Method, version: Version, headers: &HeaderMap) -> Kind {
        let said = text(headers, CONTENT_TYPE);
        if WEB.contains(&said) {
            return Kind::GrpcWeb;
        }
        let essence = said.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        if essence == "application/grpc" || essence.starts_with("application/grpc+") {
            return match version {
                Version::HTTP_2 => Kind::Grpc,
                _ => Kind::Strange(Strange::Version),
            };
        }
        if method != Method::POST {
            return Kind::Strange(Strange::Method);
        }
        if essence != "application/json" {
            return Kind::Strange(Strange::ContentType);
        }
        match text(headers, CONTENT_ENCODING) {
            "" | "identity" => Kind::Json,
            _ => Kind::Strange(Strange::ContentEncoding),
        }
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    let value = headers.get(name).map(|value| value.to_str());
    value.map_or("", |value| value.unwrap_or("(not text)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_tells() {
        for (method, content_type, wanted) in [
            (Method::POST, "application/grpc", Kind::Grpc),
            (Method::POST, "application/grpc+proto", Kind::Grpc),
            (Method::POST, "application/grpc-web", Kind::GrpcWeb),
            (
                Method::POST,
                "application/grpc-web-text+proto",
                Kind::GrpcWeb,
            ),
            (
                Method::POST,
                "application/grpc-web; charset=utf-8",
                Kind::Strange(Strange::ContentType),
            ),
            (Method::POST, "application/json", Kind::Json),
            (Method::POST, "Application/JSON; charset=utf-8", Kind::Json),
            (Method::GET, "", Kind::Strange(Strange::Method)),
            (
                Method::GET,
                "application/json",
                Kind::Strange(Strange::Method),
            ),
            (Method::POST, "", Kind::Strange(Strange::ContentType)),
            (
                Method::POST,
                "application/x-www-form-urlencoded",
                Kind::Strange(Strange::ContentType),
            ),
            (
                Method::POST,
                "application/jsonx",
                Kind::Strange(Strange::ContentType),
            ),
        ] {
            let mut headers = HeaderMap::new();
            if !content_type.is_empty() {
                headers.insert(CONTENT_TYPE, content_type.parse().expect("a value"));
            }
            assert_eq!(
                Kind::of(&method, Version::HTTP_2, &headers),
                wanted,
                "{content_type}"
            );
        }
    }

    #[test]
    fn grpc_needs_the_end_of_http_2() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/grpc".parse().expect("a value"));
        assert_eq!(
            Kind::of(&Method::POST, Version::HTTP_11, &headers),
            Kind::Strange(Strange::Version)
        );
    }

    #[test]
    fn a_compressed_body_is_told_apart() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/json".parse().expect("a value"));
        headers.insert(CONTENT_ENCODING, "identity".parse().expect("a value"));
        assert_eq!(
            Kind::of(&Method::POST, Version::HTTP_11, &headers),
            Kind::Json
        );
        headers.insert(CONTENT_ENCODING, "gzip".parse().expect("a value"));
        assert_eq!(
            Kind::of(&Method::POST, Version::HTTP_11, &headers),
            Kind::Strange(Strange::ContentEncoding)
        );
    }
}
