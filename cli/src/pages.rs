// SPDX-License-Identifier: Apache-2.0
//! Whole listings: all pages, which show the state at one revision.

use skep_sdk::v1::{
    ListNodesRequest, ListServiceRevisionsRequest, ListServicesRequest, ListTasksRequest, Node,
    NodeFilter, Service, ServiceFilter, ServiceRevision, Task, TaskFilter,
};
use skep_sdk::{Client, Error};

/// Most objects on a page: what the contract allows.
const PAGE_SIZE: u32 = 1_000;

/// Most objects that a filter names: what the contract allows.
pub(crate) const REFERENCES_MAX: usize = 100;

/// One function a kind: their requests and answers have one shape.
macro_rules! pages {
    ($(
        $(#[$doc:meta])+
        $kind:ident of $object:ident by $filter:ident: $method:ident $request:ident;
    )+) => {
        $($(#[$doc])+
        pub(crate) async fn $kind(client: &Client, filter: $filter) -> Result<Vec<$object>, Error> {
            let mut request = $request {
                filter: Some(filter),
                page_size: PAGE_SIZE,
                ..Default::default()
            };
            let mut all = Vec::new();
            loop {
                let page = client.$kind().$method(request.clone()).await?.into_inner();
                all.extend(page.$kind);
                if page.next_page_token.is_empty() {
                    return Ok(all);
                }
                request.page_token = page.next_page_token;
            }
        })+
    };
}

pages! {
    /// Every service that matches, by id.
    services of Service by ServiceFilter: list_services ListServicesRequest;
    /// Every task that matches, by id.
    tasks of Task by TaskFilter: list_tasks ListTasksRequest;
    /// Every node that matches, by id.
    nodes of Node by NodeFilter: list_nodes ListNodesRequest;
}

/// Every revision of a service that is kept, newest first.
pub(crate) async fn revisions(
    client: &Client,
    service: &str,
) -> Result<Vec<ServiceRevision>, Error> {
    let mut request = ListServiceRevisionsRequest {
        service: service.to_owned(),
        page_size: PAGE_SIZE,
        ..Default::default()
    };
    let mut all = Vec::new();
    loop {
        let mut services = client.services();
        let answer = services.list_service_revisions(request.clone()).await?;
        let page = answer.into_inner();
        all.extend(page.revisions);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}
