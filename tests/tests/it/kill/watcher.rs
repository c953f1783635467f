// SPDX-License-Identifier: Apache-2.0
//! A watch of all services over all the kills.

use std::collections::BTreeMap;

use skep_sdk::v1::{Service, ServiceFilter, WatchRequest};
use skep_sdk::{Client, StreamExt, View, WatchEvent};
use tokio::sync::watch;

use super::client::{is_leaving, name};

/// Follows the services until the clients ended and nothing is on its way any more, and gives
/// back what there is then.
///
/// # Panics
/// If the watch begins anew, or a revision goes back.
pub(super) async fn watch(
    client: Client,
    mut ended: watch::Receiver<Option<u64>>,
) -> BTreeMap<String, Service> {
    let request = WatchRequest {
        services: Some(ServiceFilter::default()),
        ..Default::default()
    };
    let mut events = client.watch::<Service>(request);
    let mut view: View<Service> = View::default();
    let mut resets = 0;
    let mut newest = 0;
    loop {
        let event = events.next().await.expect("a watch has no end");
        let event = event.expect("the watch goes on");
        resets += u32::from(matches!(event, WatchEvent::Reset(_)));
        assert!(resets <= 1, "the history that resuming needs was lost");
        let progress = matches!(event, WatchEvent::Progress { .. });
        view.apply(event);
        if !progress {
            continue;
        }
        let revision = view.revision;
        assert!(revision >= newest, "revision {revision} after {newest}");
        newest = revision;
        let services = services(&view);
        let last = *ended.borrow_and_update();
        if last.is_some_and(|last| revision >= last) && !services.values().any(is_leaving) {
            return services;
        }
    }
}

fn services(view: &View<Service>) -> BTreeMap<String, Service> {
    let named = |service: &Service| (name(service), service.clone());
    view.objects.values().map(named).collect()
}
