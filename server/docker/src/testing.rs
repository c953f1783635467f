// SPDX-License-Identifier: Apache-2.0
//! What the tests of this crate share.

use std::time::Duration;

use skep_agent::executor::ContainerWork;
use skep_core::model::{Container, ResourceLimits, Resources, Revision, ServiceId, TaskId, signal};
use skep_core::node_agent::{ContainerLaunch, StopHow};

/// What the engines of tests run images of.
pub(crate) const PLATFORM: &str = "linux/amd64";

/// Work that runs this image, and nothing else of interest.
pub(crate) fn work(image: &str) -> ContainerWork {
    ContainerWork {
        task: TaskId(77),
        name: "web.1".to_owned(),
        service_id: ServiceId(1),
        service: "web".to_owned(),
        template_revision: Revision(1),
        slot: 1,
        launch: ContainerLaunch {
            container: Container {
                image: image.to_owned(),
                ..Container::default()
            },
            ..ContainerLaunch::default()
        },
        reservations: Resources::default(),
        limits: ResourceLimits::default(),
        ports: Vec::new(),
        stop: StopHow {
            signal: signal::OWN,
            grace: Duration::from_secs(10),
        },
    }
}
