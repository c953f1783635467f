// SPDX-License-Identifier: Apache-2.0
//! A container for people, as part of its service.

use skep_sdk::v1::health_check::Probe;
use skep_sdk::v1::mount::Source;
use skep_sdk::v1::{Container, HealthCheck, Mount, TaskTemplate};

use super::service::quote;
use super::service_pretty::Page;

/// What runs, and what surrounds it.
pub(super) fn container(
    page: &mut Page,
    container: &Container,
    template: &TaskTemplate,
    pinned: &str,
) {
    page.0.push_str("ContainerSpec:\n");
    let image = if pinned.is_empty() {
        &container.image
    } else {
        pinned
    };
    page.line(" Image", image);
    page.text_if(" Command", &quote(container.command.iter()));
    page.text_if(" Args", &quote(container.args.iter()));
    let env: Vec<String> = container
        .env
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    page.text_if(" Env", &env.join(" "));
    page.text_if(" Dir", &container.dir);
    page.text_if(" User", &container.user);
    page.text_if(" Groups", &container.groups.join(" "));
    page.text_if(" Hostname", &container.hostname);
    let mounts: Vec<String> = template.mounts.iter().map(mount).collect();
    page.text_if(" Mounts", &mounts.join(" "));
    if let Some(check) = &template.health_check {
        page.line(" Health", &health(check));
    }
    if let Some(driver) = &template.log_driver {
        page.text_if(" Log Driver", &driver.name);
    }
}

fn mount(mount: &Mount) -> String {
    let source = match &mount.source {
        Some(Source::Bind(bind)) => bind.path.as_str(),
        Some(Source::Volume(volume)) => volume.name.as_str(),
        Some(Source::Tmpfs(_)) | None => "tmpfs",
    };
    let mode = if mount.read_only { ":ro" } else { "" };
    format!("{source}:{}{mode}", mount.target)
}

fn health(check: &HealthCheck) -> String {
    match &check.probe {
        Some(Probe::Exec(exec)) => quote(exec.command.iter()),
        Some(Probe::Http(http)) => format!("http {}{}", http.port, http.path),
        Some(Probe::Tcp(tcp)) => format!("tcp {}", tcp.port),
        Some(Probe::Grpc(grpc)) => format!("grpc {} {}", grpc.port, grpc.service)
            .trim_end()
            .to_owned(),
        Some(Probe::Disabled(_)) => "none".to_owned(),
        None => "the image's own".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use skep_sdk::v1::{BindMount, HttpProbe};

    use super::*;

    #[test]
    fn a_container_is_shown_for_people() {
        let found = Container {
            image: "web:1".into(),
            args: vec!["serve now".into()],
            ..Container::default()
        };
        let template = TaskTemplate {
            mounts: vec![Mount {
                target: "/data".into(),
                read_only: true,
                source: Some(Source::Bind(BindMount {
                    path: "/srv".into(),
                    ..BindMount::default()
                })),
            }],
            health_check: Some(HealthCheck {
                probe: Some(Probe::Http(HttpProbe {
                    port: 80,
                    path: "/healthz".into(),
                })),
                ..HealthCheck::default()
            }),
            ..TaskTemplate::default()
        };
        let mut page = Page(String::new());
        container(&mut page, &found, &template, "");
        assert_eq!(
            page.0,
            "ContainerSpec:\n Image:\t\tweb:1\n Args:\t\t'serve now'\n Mounts:\t/srv:/data:ro\n \
             Health:\thttp 80/healthz\n"
        );
    }
}
