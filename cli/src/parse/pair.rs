// SPDX-License-Identifier: Apache-2.0
//! `KEY=VALUE` flags: labels, environment, filters, `SERVICE=N`.

/// A label: `KEY=VALUE`, or `KEY` alone for an empty value.
pub(crate) fn parse_label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.trim().is_empty() {
        return Err("expected KEY or KEY=VALUE".to_owned());
    }
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// A variable as given: `KEY=VALUE`, or `KEY` alone for the value it has where `skep` runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvFlag {
    /// The variable's name.
    pub(crate) key: String,
    /// Its value; none: taken over from the environment of the client.
    pub(crate) value: Option<String>,
}

/// Reads one `--env`.
pub(crate) fn parse_env(text: &str) -> Result<EnvFlag, String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (text, None),
    };
    if key.is_empty() {
        return Err("expected KEY=VALUE, or KEY to pass on the variable of this shell".to_owned());
    }
    Ok(EnvFlag {
        key: key.to_owned(),
        value,
    })
}

/// A filter: `KEY=VALUE`.
pub(crate) fn parse_filter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_ascii_lowercase(), value.trim().to_owned()))
        }
        _ => Err("expected KEY=VALUE, such as name=web".to_owned()),
    }
}

/// What `service scale` takes: `SERVICE=REPLICAS`.
pub(crate) fn parse_scale(text: &str) -> Result<(String, u32), String> {
    let (service, count) = text
        .rsplit_once('=')
        .ok_or("expected SERVICE=REPLICAS, such as web=3".to_owned())?;
    if service.is_empty() {
        return Err("expected SERVICE=REPLICAS, such as web=3".to_owned());
    }
    let count = super::quantity::parse_count(count)
        .map_err(|cause| format!("replicas of {service}: {cause}"))?;
    Ok((service.to_owned(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_pairs() {
        assert_eq!(
            parse_label("zone=west").unwrap(),
            ("zone".into(), "west".into())
        );
        assert_eq!(parse_label("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert_eq!(parse_label("edge").unwrap(), ("edge".into(), String::new()));
        assert!(parse_label("=x").is_err());

        let env = parse_env("A=1=2").unwrap();
        assert_eq!((env.key.as_str(), env.value.as_deref()), ("A", Some("1=2")));
        assert_eq!(parse_env("HOME").unwrap().value, None);
        assert!(parse_env("=1").is_err());

        assert_eq!(
            parse_filter("Name=web").unwrap(),
            ("name".into(), "web".into())
        );
        assert!(parse_filter("web").is_err());
    }

    #[test]
    fn reads_scale() {
        assert_eq!(parse_scale("web=3").unwrap(), ("web".into(), 3));
        assert_eq!(
            parse_scale("web=-1").unwrap_err(),
            "replicas of web: must not be negative"
        );
        assert!(
            parse_scale("web")
                .unwrap_err()
                .starts_with("expected SERVICE=REPLICAS")
        );
    }
}
