// SPDX-License-Identifier: Apache-2.0
//! File systems that a container sees.

use std::collections::BTreeMap;

/// A file system to mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Path inside.
    pub target: String,
    /// No writing.
    pub read_only: bool,
    /// What is mounted.
    pub source: MountSource,
}

/// What is mounted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MountSource {
    /// A path of the node.
    Bind(BindMount),
    /// A volume of the node.
    Volume(VolumeMount),
    /// Memory.
    Tmpfs(TmpfsMount),
}

/// A path of the node.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct BindMount {
    /// The path; may hold placeholders.
    pub path: String,
    /// Make the directory if it is missing.
    pub create: bool,
    /// Whether mounts pass in or out; empty: `rprivate`.
    pub propagation: String,
    /// Leave out what is mounted below the path.
    pub non_recursive: bool,
}

/// A volume of the node.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct VolumeMount {
    /// Its name, made if missing; may hold placeholders. Empty: one for this task.
    pub name: String,
    /// Driver; empty: `local`.
    pub driver: String,
    /// Options of the driver, when it is made.
    pub options: BTreeMap<String, String>,
    /// Labels on the volume, when it is made.
    pub labels: BTreeMap<String, String>,
    /// A directory within it, relative.
    pub subpath: String,
    /// Do not fill a new volume with what the image has there.
    pub no_copy: bool,
}

/// Memory as a file system.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TmpfsMount {
    /// Its size in bytes; 0: half of the node's memory.
    pub size_bytes: u64,
    /// Permission bits; none: 1777.
    pub mode: Option<u32>,
}
