// SPDX-License-Identifier: Apache-2.0
//! Checks that ask a container over the network, through ports that are published or not.

use std::path::Path;

use skep_tests::{DEADLINE, Daemon, Engine, until};

use super::swarm::daemon;

/// Creates a service with this check, whose first failure that counts is its end.
fn create(daemon: &Daemon, name: &str, check: &[&str], container: &[&str]) {
    let create = ["service", "create", "-d", "--name", name, "--pull", "never"];
    let quick = ["--health-interval", "200ms", "--health-retries", "1"];
    let words = [&create[..], &quick, check, container].concat();
    daemon.skep_ok(words);
}

/// Waits until a task of the service is so.
fn shows(daemon: &Daemon, name: &str, wanted: &str) {
    let format = "{{.CurrentState}}: {{.Error}}";
    let ps = ["service", "ps", "--no-trunc", "--format", format, name];
    let mut last = String::new();
    until(&format!("{name} shows {wanted}"), DEADLINE, || {
        let text = daemon.skep_ok(ps);
        if text != last {
            eprint!("{name}: {text}");
        }
        last = text;
        last.contains(wanted).then_some(())
    });
}

#[test]
fn containers_are_asked_over_the_network() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let daemon = daemon(&engine, 1);
    let create = |name: &str, check: &[&str], container: &[&str]| {
        create(&daemon, name, check, container);
    };
    let hello = ["skep-hello:1"];
    create("http", &["--health-http", "8080/healthz"], &hello);
    let published = ["--health-http", "8080/healthz", "-p", "8080:8080"];
    create("published", &published, &hello);
    create("tcp", &["--health-tcp", "8080"], &hello);
    let unhealthy = ["skep-hello:1", "--unhealthy"];
    create("http-503", &["--health-http", "8080/healthz"], &unhealthy);
    create("http-nobody", &["--health-http", "9/"], &hello);
    create("tcp-nobody", &["--health-tcp", "9"], &hello);
    for good in ["http", "published", "tcp"] {
        shows(&daemon, good, "Running ");
    }
    for (bad, said) in [
        (
            "http-503",
            "HTTP 503 Service Unavailable: unhealthy, as told; last output: ",
        ),
        ("http-nobody", "no answer over HTTP: "),
        // The engine's proxy takes every connection.
        ("tcp-nobody", "is closed at once"),
    ] {
        shows(&daemon, bad, said);
    }
}

/// What a program that needs the libraries of this machine is run with.
fn with_libraries(program: &Path) -> Vec<String> {
    let program_dir = program.parent().expect("it lies in a folder");
    let libraries = ["/lib", "/lib64", "/usr/lib"].map(Path::new).into_iter();
    let libraries = libraries.filter(|dir| dir.is_dir()).map(|dir| (dir, dir));
    let mounts = libraries.chain([(program_dir, Path::new("/programs"))]);
    let mounts = mounts.map(|(here, there)| {
        let (here, there) = (here.display(), there.display());
        format!("--mount=type=bind,source={here},target={there},readonly")
    });
    let name = program.file_name().expect("a name").display();
    mounts
        .chain([format!("--entrypoint=/programs/{name}")])
        .chain(["skep-hello:1", "0.0.0.0:7000"].map(str::to_owned))
        .collect()
}

#[test]
fn containers_are_asked_over_grpc() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let daemon = daemon(&engine, 1);
    let server = with_libraries(Path::new(env!("CARGO_BIN_EXE_skep-health")));
    let server: Vec<&str> = server.iter().map(String::as_str).collect();
    create(&daemon, "well", &["--health-grpc", "7000"], &server);
    create(&daemon, "sick", &["--health-grpc", "7000/sick"], &server);
    create(&daemon, "other", &["--health-grpc", "7000/other"], &server);
    shows(&daemon, "well", "Running ");
    shows(&daemon, "sick", "it says NOT_SERVING");
    shows(&daemon, "other", "not registered");
}
