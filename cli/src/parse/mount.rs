// SPDX-License-Identifier: Apache-2.0
//! Mounts, as Docker writes them: `type=bind,source=/srv,target=/data,readonly`, with quotes
//! around what has a comma: `type=bind,"source=/a,b",target=/data`.

use skep_sdk::v1::mount::Source;
use skep_sdk::v1::{BindMount, Mount, TmpfsMount, VolumeMount};

use super::options::split_options;
use super::quantity::parse_bytes;

/// The options of every mount.
const COMMON: &str = "type, target (dst, destination), readonly (ro)";

/// The types, and what options they have beyond those.
const TYPES: [(&str, &str); 3] = [
    (
        "bind",
        "source (src), bind-propagation, bind-create-src, bind-nonrecursive",
    ),
    (
        "volume",
        "source (src), volume-driver, volume-opt, volume-label, volume-subpath, volume-nocopy",
    ),
    ("tmpfs", "tmpfs-size, tmpfs-mode"),
];

/// Reads one `--mount`.
pub(crate) fn parse_mount(text: &str) -> Result<Mount, String> {
    let options = split_options(text)?;
    let options: Vec<(String, &str)> = options
        .iter()
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (key.trim().to_ascii_lowercase(), value)
        })
        .collect();
    let kind = options.iter().find(|(key, _)| key == "type");
    let kind = kind.map_or("volume", |(_, kind)| *kind);
    let mut mount = Mount::default();
    let mut source = match kind {
        "bind" => Source::Bind(BindMount::default()),
        "volume" => Source::Volume(VolumeMount::default()),
        "tmpfs" => Source::Tmpfs(TmpfsMount::default()),
        other => return Err(format!("type {other:?} is none of bind, volume and tmpfs")),
    };
    for (key, value) in options {
        if !take(&mut mount, &mut source, &key, value)? {
            return Err(unknown(kind, &key));
        }
    }
    if mount.target.is_empty() {
        return Err("target=PATH is missing".to_owned());
    }
    mount.source = Some(source);
    Ok(mount)
}

/// An option that a type of mount does not have, with those it has.
fn unknown(kind: &str, key: &str) -> String {
    let more = TYPES
        .iter()
        .find(|(name, _)| *name == kind)
        .map_or("", |(_, options)| options);
    format!("{key:?} is no option of type={kind}; there are {COMMON}, {more}")
}

/// Takes over one option; false: this type of mount does not have it.
fn take(mount: &mut Mount, source: &mut Source, key: &str, value: &str) -> Result<bool, String> {
    match (key, source) {
        ("type", _) => {}
        ("target" | "dst" | "destination", _) => value.clone_into(&mut mount.target),
        ("readonly" | "ro", _) => mount.read_only = flag(key, value)?,
        ("source" | "src", Source::Bind(bind)) => value.clone_into(&mut bind.path),
        ("bind-propagation", Source::Bind(bind)) => value.clone_into(&mut bind.propagation),
        ("bind-create-src", Source::Bind(bind)) => bind.create = flag(key, value)?,
        ("bind-nonrecursive", Source::Bind(bind)) => bind.non_recursive = flag(key, value)?,
        ("source" | "src", Source::Volume(volume)) => value.clone_into(&mut volume.name),
        ("volume-driver", Source::Volume(volume)) => value.clone_into(&mut volume.driver),
        ("volume-subpath", Source::Volume(volume)) => value.clone_into(&mut volume.subpath),
        ("volume-nocopy", Source::Volume(volume)) => volume.no_copy = flag(key, value)?,
        ("volume-opt", Source::Volume(volume)) => {
            volume.options.extend([pair(value)]);
        }
        ("volume-label", Source::Volume(volume)) => {
            volume.labels.extend([pair(value)]);
        }
        ("tmpfs-size", Source::Tmpfs(memory)) => memory.size_bytes = parse_bytes(value)?,
        ("tmpfs-mode", Source::Tmpfs(memory)) => value.clone_into(&mut memory.mode),
        _ => return Ok(false),
    }
    Ok(true)
}

/// `KEY=VALUE` in an option.
fn pair(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.to_owned(), value.to_owned())
}

fn flag(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(format!("{key}={other}: expected true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_options() {
        let mount = parse_mount("type=bind,src=/srv,dst=/data,ro,bind-propagation=rslave").unwrap();
        let bind = BindMount {
            path: "/srv".into(),
            propagation: "rslave".into(),
            ..BindMount::default()
        };
        assert_eq!((&*mount.target, mount.read_only), ("/data", true));
        assert_eq!(mount.source, Some(Source::Bind(bind)));

        let text = "source=data,target=/d,volume-opt=type=nfs,volume-label=a=b,volume-nocopy";
        let Some(Source::Volume(volume)) = parse_mount(text).unwrap().source else {
            panic!("a volume by default")
        };
        assert_eq!((&*volume.name, volume.no_copy), ("data", true));
        assert_eq!(
            (&*volume.options["type"], &*volume.labels["a"]),
            ("nfs", "b")
        );

        let text = "type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1770,readonly=false";
        let mount = parse_mount(text).unwrap();
        let memory = TmpfsMount {
            size_bytes: 64 << 20,
            mode: "1770".into(),
        };
        assert_eq!(
            (mount.read_only, mount.source),
            (false, Some(Source::Tmpfs(memory)))
        );
    }

    #[test]
    fn quotes_let_paths_have_commas() {
        let mount = parse_mount("type=bind,\"source=/a,b\",target=/data").unwrap();
        let Some(Source::Bind(bind)) = mount.source else {
            panic!("a path")
        };
        assert_eq!((&*bind.path, &*mount.target), ("/a,b", "/data"));
    }

    /// Every option that an error lists is one.
    #[test]
    fn the_options_that_are_listed_are_there() {
        for (kind, options) in TYPES {
            let all = format!("{COMMON}, {options}").replace(['(', ')'], ",");
            for option in all.split(',').map(str::trim).filter(|o| !o.is_empty()) {
                let value = match option {
                    "type" => kind,
                    "tmpfs-size" => "1m",
                    _ => "true",
                };
                let text = format!("type={kind},{option}={value},target=/x");
                assert!(parse_mount(&text).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for (text, part) in [
            ("type=bind,source=/srv", "target=PATH is missing"),
            ("type=npipe,target=/x", "none of bind"),
            (
                "type=tmpfs,target=/x,source=a",
                "\"source\" is no option of type=tmpfs; there are type, target (dst, \
                 destination), readonly (ro), tmpfs-size, tmpfs-mode",
            ),
            ("type=bind,target=/x,volume-nocopy", "bind-create-src"),
            ("target=/x,tmpfs-size=1", "no option of type=volume"),
            ("target=\"/x\"", "has a quote inside"),
            ("target=/x,readonly=maybe", "readonly=maybe: expected"),
        ] {
            let error = parse_mount(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
