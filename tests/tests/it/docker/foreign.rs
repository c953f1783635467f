// SPDX-License-Identifier: Apache-2.0
//! Images for another platform.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::images::{owner, pulled, signed_in, stocked};
use super::*;

/// The smallest ELF program of a machine that no engine of tests runs on: one segment, which
/// begins with what it would do.
fn foreign_program() -> Vec<u8> {
    const MACHINE_S390: u16 = 22;
    let mut program = b"\x7fELF\x02\x02\x01".to_vec();
    program.resize(16, 0);
    for half in [2, MACHINE_S390] {
        program.extend(half.to_be_bytes());
    }
    program.extend(1_u32.to_be_bytes());
    for place in [0x40_0078_u64, 64, 0] {
        program.extend(place.to_be_bytes());
    }
    program.extend(0_u32.to_be_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        program.extend(half.to_be_bytes());
    }
    for word in [1_u32, 5] {
        program.extend(word.to_be_bytes());
    }
    for place in [0_u64, 0x40_0000, 0x40_0000, 128, 128, 0x1000] {
        program.extend(place.to_be_bytes());
    }
    program.resize(128, 0);
    program
}

/// Gives the engine an image of that program, which it takes for one of its own platform.
fn import(engine: &Engine, name: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let program = dir.path().join("prog");
    std::fs::write(&program, foreign_program()).expect("written");
    let run = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, run).expect("it may be run");
    let archive = dir.path().join("image.tar").display().to_string();
    let packed = Command::new("tar")
        .args([
            "-cf",
            &archive,
            "-C",
            &dir.path().display().to_string(),
            "prog",
        ])
        .status();
    assert!(packed.is_ok_and(|status| status.success()), "tar packs it");
    let change = "ENTRYPOINT [\"/prog\"]";
    engine.docker_ok(&["import", "--change", change, &archive, name]);
}

/// The engine's own platform, in the words of images.
fn own(engine: &Engine) -> String {
    engine.docker_ok(&["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_for_another_platform_is_told_with_its_cure() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let platform = own(&engine);
    import(&engine, "foreign:1");
    let node = Node::new(&engine).await;
    let task = node
        .prepare(image("foreign:1", &[]))
        .await
        .expect("prepared");
    // Some runtimes refuse the start; others say it where the program would print.
    let text = match node.executor.start(task).await {
        Err(error) => error.to_string(),
        Ok(()) => node.exit(task).await.message,
    };
    let want = format!("the image is for another platform than {platform}: ");
    assert!(text.contains(&want), "{text}");
    assert!(
        text.contains("exec format error; use one that is built for"),
        "{text}"
    );
    assert!(text.ends_with("(field container.image)"), "{text}");
    assert!(!text.contains("last output"), "{text}");
    node.executor.remove(task).await.expect("removed");
    engine.docker_ok(&["rmi", "-f", "foreign:1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_made_for_the_platform_is_refused_with_its_cure() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let home = tempfile::tempdir().expect("a directory");
    let Some((_registry, settings, name)) = stocked(&engine, home.path()) else {
        return;
    };
    // A list of images by platform, in which that of the engine is missing.
    let (one, list) = (format!("{name}:s390x"), format!("{name}:list"));
    import(&engine, &one);
    let docker = |arguments: &[&str]| signed_in(&engine, home.path(), arguments);
    docker(&["push", &one]);
    docker(&["manifest", "create", "--insecure", &list, &one]);
    docker(&[
        "manifest", "annotate", "--os", "linux", "--arch", "s390x", &list, &one,
    ]);
    docker(&["manifest", "push", "--insecure", &list]);
    engine.docker_ok(&["rmi", "-f", &one]);

    let node = Node::of(&engine, owner(), Some(settings)).await;
    let text = node.refusal(pulled(&list, None)).await;
    let platform = own(&engine);
    let want = format!("the image is for another platform than {platform}: no matching manifest");
    assert!(text.contains(&want), "{text}");
    assert!(text.contains("node.platform.arch"), "{text}");
    assert!(text.ends_with("(field container.image)"), "{text}");
    assert!(node.executor.list().is_empty());
}
