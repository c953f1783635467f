// SPDX-License-Identifier: Apache-2.0
//! `skep.v1.TaskService`

use std::sync::Arc;

use skep_core::admit::{Context, find_task, stop_task};
use skep_core::model::{Task, TaskId};
use skep_core::state::State;
use skep_proto::v1;
use skep_proto::v1::task_service_server::TaskService;
use skep_wire::parse::{self, Fields};
use skep_wire::render;
use tonic::{Request, Response, Status};

use crate::call::{Call, check_reference, check_request_id};
use crate::error::Failure;
use crate::member::Membership;
use crate::page::PageRequest;
use crate::past::object_of;
use crate::read::freshness;
use crate::streams::Frames;

/// Tasks: what runs.
pub(super) struct TaskApi {
    membership: Arc<Membership>,
}

impl TaskApi {
    pub(super) fn new(membership: Arc<Membership>) -> TaskApi {
        TaskApi { membership }
    }

    async fn get(
        &self,
        call: &Call,
        request: v1::GetTaskRequest,
    ) -> Result<v1::GetTaskResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        check_reference(&mut fields, "task", &request.task);
        let freshness = freshness(&mut fields, request.consistency);
        fields.finish()?;
        let state = manager.read(freshness, call).await?;
        let task = find_task(&state, &request.task)?;
        let kept = state.template(task.service, task.template_revision);
        Ok(v1::GetTaskResponse {
            task: Some(render::task(&task)),
            template: kept.map(|kept| render::template(&kept.template)),
            revision: state.revision().0,
        })
    }

    async fn list(
        &self,
        call: &Call,
        request: v1::ListTasksRequest,
    ) -> Result<v1::ListTasksResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        let page = PageRequest::parse(
            &mut fields,
            "tasks",
            request.filter.as_ref(),
            (request.page_size, &request.page_token),
            request.consistency,
        );
        let filter = request.filter.unwrap_or_default();
        let filter = fields.at("filter", |fields| parse::filter::tasks(fields, filter));
        fields.finish()?;
        let page = manager.page(page, call).await?;
        let tasks = page.state.tasks_after(page.after.map(TaskId));
        let matching = tasks.filter(|task| filter.matches(task));
        let listing = page.fill(matching.map(|task| (task.meta.id.0, task)), |task| {
            render::task(task)
        });
        Ok(v1::ListTasksResponse {
            tasks: listing.objects,
            next_page_token: listing.next_page_token,
            revision: listing.revision,
        })
    }

    async fn stop(
        &self,
        call: &Call,
        request: v1::StopTaskRequest,
    ) -> Result<v1::StopTaskResponse, Failure> {
        let manager = self.membership.manager()?;
        let mut fields = Fields::new();
        check_reference(&mut fields, "task", &request.task);
        check_request_id(&mut fields, &request.request_id);
        fields.finish()?;
        let decide = |state: &State, ctx: &Context| {
            let task = find_task(state, &request.task)?;
            Ok(stop_task(&task, ctx))
        };
        let done = manager
            .carry_out(call, &request.request_id, &request, decide)
            .await?;
        let task = object_of::<Task>(&*manager.cluster, done)?;
        Ok(v1::StopTaskResponse {
            task: task.map(|task| render::task(&task)),
            revision: done.revision.0,
        })
    }
}

#[tonic::async_trait]
impl TaskService for TaskApi {
    type WatchTasksStream = Frames<v1::EncodedFrame>;

    async fn get_task(
        &self,
        request: Request<v1::GetTaskRequest>,
    ) -> Result<Response<v1::GetTaskResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(self.get(&call, request.into_inner()).await?))
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Result<Response<v1::ListTasksResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(self.list(&call, request.into_inner()).await?))
    }

    async fn watch_tasks(
        &self,
        request: Request<v1::WatchTasksRequest>,
    ) -> Result<Response<Self::WatchTasksStream>, Status> {
        let manager = self.membership.manager()?;
        let frames = manager.streams.watch_tasks(request.into_inner()).await?;
        Ok(Response::new(frames))
    }

    async fn stop_task(
        &self,
        request: Request<v1::StopTaskRequest>,
    ) -> Result<Response<v1::StopTaskResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(self.stop(&call, request.into_inner()).await?))
    }
}
