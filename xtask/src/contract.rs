// SPDX-License-Identifier: Apache-2.0
//! From `.proto` files to Rust code and descriptors, without protoc: protox parses,
//! tonic-prost-build writes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use prost_build::{Service, ServiceGenerator};
use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto};

use crate::folder::{self, Files};

/// The public files, `skep/v1/*.proto`, from the root of the repository.
const API: &str = "proto/api";
/// The internal files, `skep/internal/v1/*.proto`.
const INTERNAL: &str = "proto/internal";
/// Where generated files go: nothing else lies there.
const GENERATED: &str = "proto/src/gen";
/// The package of the public files.
const PACKAGE: &str = "skep.v1";
/// What `buf breaking` compares each module with: buf takes one module at a time.
const BASELINES: [(&str, &str); 2] = [
    (API, "proto/baseline.binpb"),
    (INTERNAL, "proto/baseline-internal.binpb"),
];
/// The answers that are frames of watches.
const FRAMES: [&str; 2] = ["WatchResponse", "WatchTasksResponse"];
/// What servers send instead.
const ENCODED_FRAME: &str = "crate::v1::EncodedFrame";
/// The first line of every source file.
const SPDX: &str = "// SPDX-License-Identifier: Apache-2.0\n";

/// Writes the generated files, and removes what is no longer generated.
///
/// # Errors
/// If the contract does not compile, or a file cannot be written.
pub(crate) fn write(root: &Path) -> Result<()> {
    folder::write(root, GENERATED, &generate(root)?)
}

/// Compares the generated files with what [`write()`] would write.
///
/// # Errors
/// If they differ: the message names the files and the cure.
pub(crate) fn check(root: &Path) -> Result<()> {
    folder::check(root, GENERATED, &generate(root)?)
}

/// Takes the present contract, public and internal, as the one to compare with.
///
/// # Errors
/// If the contract does not compile, or a file cannot be written.
pub(crate) fn write_baseline(root: &Path) -> Result<()> {
    for (module, file) in BASELINES {
        let mut compiler = compiler(root)?;
        compiler.include_imports(true);
        compiler.open_files(proto_files(root, module)?)?;
        let path = root.join(file);
        fs::write(&path, compiler.encode_file_descriptor_set())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// All generated files by name.
fn generate(root: &Path) -> Result<Files> {
    let public = compiled(root)?;

    let mut internal = compiler(root)?;
    internal.include_imports(true);
    internal.open_files(proto_files(root, INTERNAL)?)?;

    let mut all = compiler(root)?;
    all.include_imports(true).include_source_info(true);
    all.open_files(proto_files(root, API)?)?;
    all.open_files(proto_files(root, INTERNAL)?)?;

    let mut files = rust_code(all.file_descriptor_set())?;
    let methods = methods(&public.file_descriptor_set(), &waits(&public));
    files.insert("methods.rs".to_owned(), methods.into_bytes());
    let descriptor = public.encode_file_descriptor_set();
    files.insert("descriptor.bin".to_owned(), descriptor);
    let descriptor = internal.encode_file_descriptor_set();
    files.insert("internal_descriptor.bin".to_owned(), descriptor);
    Ok(files)
}

/// The public files as data, with comments, without those of others that they import.
///
/// # Errors
/// If they do not compile.
pub(crate) fn public(root: &Path) -> Result<FileDescriptorSet> {
    let mut set = compiled(root)?.file_descriptor_set();
    set.file.retain(|file| file.package() == PACKAGE);
    Ok(set)
}

fn compiled(root: &Path) -> Result<protox::Compiler> {
    let mut public = compiler(root)?;
    public.include_imports(true).include_source_info(true);
    public.open_files(proto_files(root, API)?)?;
    Ok(public)
}

fn compiler(root: &Path) -> Result<protox::Compiler> {
    protox::Compiler::new([root.join(API), root.join(INTERNAL)]).context("cannot read proto/")
}

/// The `.proto` files below a folder, in order, as paths.
fn proto_files(root: &Path, folder: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "proto") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// One Rust file a package.
fn rust_code(mut descriptors: FileDescriptorSet) -> Result<Files> {
    keep_leading_comments(&mut descriptors);
    let made = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    config.service_generator(Box::new(Services::default()));
    tonic_prost_build::configure()
        // These come from our own generator.
        .build_client(false)
        .build_server(false)
        .btree_map(".")
        .bytes(".skep.v1.LogLine.data")
        .out_dir(made.path())
        .compile_fds_with_config(descriptors, config)?;
    let mut files = folder::present(made.path())?;
    for content in files.values_mut() {
        content.splice(0..0, SPDX.bytes());
    }
    Ok(files)
}

/// Writes clients and servers. They differ in one thing: a server sends the frames of watches
/// with events that are encoded already.
struct Services {
    clients: Box<dyn ServiceGenerator>,
    servers: Box<dyn ServiceGenerator>,
}

impl Default for Services {
    fn default() -> Self {
        let both = tonic_prost_build::configure();
        Services {
            clients: both.clone().build_server(false).service_generator(),
            servers: both.build_client(false).service_generator(),
        }
    }
}

impl ServiceGenerator for Services {
    fn generate(&mut self, mut service: Service, code: &mut String) {
        self.clients.generate(service.clone(), code);
        for method in &mut service.methods {
            if FRAMES.contains(&method.output_type.as_str()) {
                ENCODED_FRAME.clone_into(&mut method.output_type);
            }
        }
        self.servers.generate(service, code);
    }
}

/// The facts about each public method that clients need, as a Rust expression.
fn methods(descriptors: &FileDescriptorSet, waits: &BTreeSet<String>) -> String {
    let mut lines = Vec::new();
    for file in descriptors.file.iter().filter(|f| f.package() == PACKAGE) {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{PACKAGE}.{}/{}", service.name(), method.name());
                let waits = waits.contains(&path);
                lines.push(method_line(&path, method, waits, request_id(file, method)));
            }
        }
    }
    lines.sort();
    format!("{SPDX}&[\n{}]\n", lines.concat())
}

/// The paths of the methods that wait. Descriptors as plain messages have lost our own options.
fn waits(compiler: &protox::Compiler) -> BTreeSet<String> {
    let pool = compiler.descriptor_pool();
    let option = pool.get_extension_by_name(&format!("{PACKAGE}.waits"));
    let option = option.expect("options.proto is part of the contract");
    let services = pool.services();
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    let waits = methods.filter(|method| {
        let options = method.options();
        options.get_extension(&option).as_bool() == Some(true)
    });
    waits
        .map(|method| format!("/{}/{}", method.parent_service().full_name(), method.name()))
        .collect()
}

fn method_line(
    path: &str,
    method: &MethodDescriptorProto,
    waits: bool,
    request_id: Option<i32>,
) -> String {
    let level = method.options.as_ref().map(|o| o.idempotency_level());
    let repeatable = level.is_some_and(|level| level != IdempotencyLevel::IdempotencyUnknown);
    format!(
        "    Method {{ path: {path:?}, streams: {}, waits: {waits}, repeatable: {repeatable}, \
         request_id: {request_id:?} }},\n",
        method.server_streaming()
    )
}

/// The number of the field `request_id` in a method's request, which is in the same file.
fn request_id(file: &FileDescriptorProto, method: &MethodDescriptorProto) -> Option<i32> {
    let name = method.input_type().rsplit('.').next()?;
    let request = file.message_type.iter().find(|m| m.name() == name)?;
    let mut fields = request.field.iter();
    Some(fields.find(|field| field.name() == "request_id")?.number())
}

/// Drops comments that are about no declaration ("8 is kept for ..."): the generator would put
/// them into the documentation of a neighbour.
fn keep_leading_comments(descriptors: &mut FileDescriptorSet) {
    for file in &mut descriptors.file {
        for location in file
            .source_code_info
            .iter_mut()
            .flat_map(|info| &mut info.location)
        {
            location.leading_detached_comments.clear();
            location.trailing_comments = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_code_is_fresh() {
        check(crate::repository_root()).expect("proto/src/gen/ fits proto/");
    }

    #[test]
    fn generating_twice_gives_the_same_bytes() {
        let root = crate::repository_root();
        assert!(generate(root).expect("compiles") == generate(root).expect("compiles"));
    }
}
