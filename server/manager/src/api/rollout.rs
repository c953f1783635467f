// SPDX-License-Identifier: Apache-2.0
//! The part of `skep.v1.ServiceService` that is about rollouts and revisions.

use std::collections::BTreeMap;

use skep_core::admit::{Context, control_rollout, find_service};
use skep_core::model::{Revision, Service, TaskState};
use skep_core::state::State;
use skep_proto::v1;
use skep_wire::parse::{self, Fields};
use skep_wire::render;

use super::service::ServiceApi;
use crate::call::{Call, check_reference, check_request_id, if_spec_revision};
use crate::error::Failure;
use crate::page::PageRequest;
use crate::past::object_of;

impl ServiceApi {
    pub(super) async fn control(
        &self,
        call: &Call,
        request: v1::ControlRolloutRequest,
    ) -> Result<v1::ControlRolloutResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        check_reference(&mut fields, "service", &request.service);
        let action = parse::rollout_action(&mut fields, &request);
        let seen = if_spec_revision(&mut fields, request.if_spec_revision);
        check_request_id(&mut fields, &request.request_id);
        let action = fields.finish_with(action)?;
        let decide = |state: &State, ctx: &Context| {
            let service = find_service(state, &request.service)?;
            Ok(control_rollout(state, &service, action, seen, ctx)?)
        };
        let done = manager
            .carry_out(call, &request.request_id, &request, decide)
            .await?;
        let service = object_of::<Service>(&*manager.cluster, done)?;
        Ok(v1::ControlRolloutResponse {
            service: service.map(|service| render::service(&service)),
            revision: done.revision.0,
        })
    }

    pub(super) async fn revisions(
        &self,
        call: &Call,
        request: v1::ListServiceRevisionsRequest,
    ) -> Result<v1::ListServiceRevisionsResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        check_reference(&mut fields, "service", &request.service);
        let of = v1::Ref {
            name: request.service.clone(),
            ..v1::Ref::default()
        };
        let page = PageRequest::parse(
            &mut fields,
            "revisions",
            Some(&of),
            (request.page_size, &request.page_token),
            request.consistency,
        );
        fields.finish()?;
        let page = manager.page(page, call).await?;
        let service = find_service(&page.state, &request.service)?;
        let last = page.after.map_or(u64::MAX, |last| last as u64);
        let rows = rows(&page.state, &service);
        let older = rows.into_iter().filter(|row| row.template_revision < last);
        let listing = page.fill(
            older.map(|row| (u128::from(row.template_revision), row)),
            |row| row,
        );
        Ok(v1::ListServiceRevisionsResponse {
            revisions: listing.objects,
            next_page_token: listing.next_page_token,
            revision: listing.revision,
        })
    }
}

/// The revisions of a service that are kept, newest first.
fn rows(state: &State, service: &Service) -> Vec<v1::ServiceRevision> {
    let id = service.meta.id;
    let mut running: BTreeMap<Revision, u32> = BTreeMap::new();
    let tasks = state.service_tasks(id);
    for task in tasks.filter(|task| task.status.state == TaskState::Running && !task.is_lost()) {
        *running.entry(task.template_revision).or_default() += 1;
    }
    let mut before = None;
    let mut rows: Vec<v1::ServiceRevision> = state
        .templates(id)
        .map(|(revision, kept)| {
            let running = running.get(&revision).copied().unwrap_or(0);
            let before = before.replace(kept).map(AsRef::as_ref);
            render::service_revision(revision, kept, before, running)
        })
        .collect();
    rows.reverse();
    rows
}
