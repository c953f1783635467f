// SPDX-License-Identifier: Apache-2.0
//! Whole listings: all pages, which show the state at one revision.

use crate::client::Client;
use crate::error::Error;
use crate::v1::{
    ListNodesRequest, ListServicesRequest, ListTasksRequest, Node, NodeFilter, Service,
    ServiceFilter, Task, TaskFilter,
};

/// Most objects on a page: what the contract allows.
const PAGE_SIZE: u32 = 1_000;

/// Calls for page after page. All three listings have requests and answers of one shape.
macro_rules! pages {
    ($stub:expr, $method:ident, $request:ident, $field:ident, $filter:expr) => {{
        let mut stub = $stub;
        let mut request = $request {
            filter: Some($filter),
            page_size: PAGE_SIZE,
            ..Default::default()
        };
        let mut all = Vec::new();
        loop {
            let page = stub.$method(request.clone()).await?.into_inner();
            all.extend(page.$field);
            if page.next_page_token.is_empty() {
                return Ok((all, page.revision));
            }
            request.page_token = page.next_page_token;
        }
    }};
}

impl Client {
    /// Every service that matches, by id, and the revision of the listing: watch after it.
    ///
    /// # Errors
    /// Those of ListServices.
    pub async fn list_services(&self, filter: ServiceFilter) -> Result<(Vec<Service>, u64), Error> {
        pages!(
            self.services(),
            list_services,
            ListServicesRequest,
            services,
            filter
        )
    }

    /// Every task that matches, by id, and the revision of the listing: watch after it.
    ///
    /// # Errors
    /// Those of ListTasks.
    pub async fn list_tasks(&self, filter: TaskFilter) -> Result<(Vec<Task>, u64), Error> {
        pages!(self.tasks(), list_tasks, ListTasksRequest, tasks, filter)
    }

    /// Every node that matches, by id, and the revision of the listing: watch after it.
    ///
    /// # Errors
    /// Those of ListNodes.
    pub async fn list_nodes(&self, filter: NodeFilter) -> Result<(Vec<Node>, u64), Error> {
        pages!(self.nodes(), list_nodes, ListNodesRequest, nodes, filter)
    }
}
