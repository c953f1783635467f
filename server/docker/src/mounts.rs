// SPDX-License-Identifier: Apache-2.0
//! File systems, as the engine wants them named.

use std::collections::HashMap;

use bollard::models::{
    Mount as EngineMount, MountBindOptions, MountBindOptionsPropagationEnum as Propagation,
    MountTmpfsOptions, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
};
use skep_agent::executor::ExecutorError;
use skep_core::model::{BindMount, Mount, MountSource, TmpfsMount, VolumeMount};

use crate::version::{ApiVersion, Feature};

/// What is mounted, in both of the engine's ways to say it.
#[derive(Default)]
pub(crate) struct Mounts {
    /// The strict way: a source that is missing is an error.
    pub(crate) mounts: Vec<EngineMount>,
    /// The old way, which makes a directory that is missing.
    pub(crate) binds: Vec<String>,
}

/// The mounts of a task.
///
/// # Errors
/// If the engine's version cannot do what one asks for.
pub(crate) fn mounts(wanted: &[Mount], engine: ApiVersion) -> Result<Mounts, ExecutorError> {
    let mut mounts = Mounts::default();
    for (place, mount) in wanted.iter().enumerate() {
        match &mount.source {
            MountSource::Bind(source) if source.create => {
                mounts.binds.push(made(place, mount, source)?);
            }
            MountSource::Bind(source) => mounts.mounts.push(bind(place, mount, source)?),
            MountSource::Volume(source) => {
                mounts.mounts.push(volume(place, mount, source, engine)?);
            }
            MountSource::Tmpfs(source) => mounts.mounts.push(tmpfs(mount, source)),
        }
    }
    Ok(mounts)
}

fn of(mount: &Mount, typ: MountType) -> EngineMount {
    EngineMount {
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        typ: Some(typ),
        ..EngineMount::default()
    }
}

fn bind(place: usize, mount: &Mount, source: &BindMount) -> Result<EngineMount, ExecutorError> {
    let propagation = match source.propagation.as_str() {
        "" | "rprivate" => Propagation::RPRIVATE,
        "private" => Propagation::PRIVATE,
        "shared" => Propagation::SHARED,
        "rshared" => Propagation::RSHARED,
        "slave" => Propagation::SLAVE,
        "rslave" => Propagation::RSLAVE,
        other => {
            let field = format!("mounts[{place}].bind.propagation");
            return Err(ExecutorError::refused(
                field,
                format!("there is no \"{other}\""),
            ));
        }
    };
    Ok(EngineMount {
        source: Some(source.path.clone()),
        bind_options: Some(MountBindOptions {
            propagation: Some(propagation),
            non_recursive: source.non_recursive.then_some(true),
            ..MountBindOptions::default()
        }),
        ..of(mount, MountType::BIND)
    })
}

/// A path of the node that is made if it is missing.
fn made(place: usize, mount: &Mount, source: &BindMount) -> Result<String, ExecutorError> {
    if source.non_recursive {
        let field = format!("mounts[{place}].bind.non_recursive");
        let problem = "the engine cannot make a directory and leave out what is mounted below it: \
                       unset create or non_recursive";
        return Err(ExecutorError::refused(field, problem));
    }
    if source.path.contains(':') || mount.target.contains(':') {
        let field = format!("mounts[{place}].bind.create");
        let problem = "the engine makes no directory for a path with a colon in it";
        return Err(ExecutorError::refused(field, problem));
    }
    let access = if mount.read_only { "ro" } else { "rw" };
    let propagation = match source.propagation.as_str() {
        "" => "rprivate",
        other => other,
    };
    let (path, target) = (&source.path, &mount.target);
    Ok(format!("{path}:{target}:{access},{propagation}"))
}

fn volume(
    place: usize,
    mount: &Mount,
    source: &VolumeMount,
    engine: ApiVersion,
) -> Result<EngineMount, ExecutorError> {
    if !source.subpath.is_empty()
        && let Some(problem) = Feature::Subpath.problem(engine)
    {
        let field = format!("mounts[{place}].volume.subpath");
        return Err(ExecutorError::refused(field, problem));
    }
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let owned = |map: &std::collections::BTreeMap<String, String>| -> HashMap<String, String> {
        map.iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let plain = source.driver.is_empty() && source.options.is_empty();
    let driver = (!plain).then(|| MountVolumeOptionsDriverConfig {
        name: text(&source.driver).or_else(|| Some("local".to_owned())),
        options: Some(owned(&source.options)),
    });
    Ok(EngineMount {
        // Nothing: a volume without a name, which goes with the container.
        source: text(&source.name),
        volume_options: Some(MountVolumeOptions {
            no_copy: source.no_copy.then_some(true),
            labels: (!source.labels.is_empty()).then(|| owned(&source.labels)),
            driver_config: driver,
            subpath: text(&source.subpath),
        }),
        ..of(mount, MountType::VOLUME)
    })
}

fn tmpfs(mount: &Mount, source: &TmpfsMount) -> EngineMount {
    let size = i64::try_from(source.size_bytes).ok();
    EngineMount {
        tmpfs_options: Some(MountTmpfsOptions {
            size_bytes: size.filter(|bytes| *bytes > 0),
            mode: Some(i64::from(source.mode.unwrap_or(0o1777))),
            options: None,
        }),
        ..of(mount, MountType::TMPFS)
    }
}
