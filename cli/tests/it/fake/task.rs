// SPDX-License-Identifier: Apache-2.0
//! Tasks and their logs.

use skep_sdk::v1::log_service_server::LogService;
use skep_sdk::v1::task_service_server::TaskService;
use skep_sdk::v1::*;
use skep_sdk::{Request, Status};
use tonic::Response;

use super::Fake;
use super::answers::{Answer, Frames, id_of, not_found};
use crate::sample;

#[tonic::async_trait]
impl TaskService for Fake {
    type WatchTasksStream = Frames<EncodedFrame>;

    async fn get_task(&self, request: Request<GetTaskRequest>) -> Answer<GetTaskResponse> {
        self.keep(request.get_ref());
        let id = request.into_inner().task;
        if !id.starts_with("tsk_00000001") {
            return Err(not_found("task", &id));
        }
        let task = Some(sample::task(1, 1));
        Ok(Response::new(GetTaskResponse {
            task,
            template: None,
            revision: 40,
        }))
    }

    async fn list_tasks(&self, request: Request<ListTasksRequest>) -> Answer<ListTasksResponse> {
        self.keep(request.get_ref());
        let services = request.into_inner().filter.unwrap_or_default().services;
        let mut tasks = vec![sample::task(1, 1), sample::pending_task(4, 2)];
        // It is on its way all the time.
        tasks.retain(|_| !services.contains(&id_of("slow")));
        Ok(Response::new(ListTasksResponse {
            tasks,
            revision: 40,
            ..Default::default()
        }))
    }

    async fn watch_tasks(&self, _: Request<WatchTasksRequest>) -> Answer<Self::WatchTasksStream> {
        Err(Status::unimplemented("the program does not call it"))
    }

    async fn stop_task(&self, request: Request<StopTaskRequest>) -> Answer<StopTaskResponse> {
        self.keep(request.get_ref());
        Ok(Response::new(StopTaskResponse {
            task: Some(sample::task(1, 1)),
            revision: 41,
        }))
    }
}

#[tonic::async_trait]
impl LogService for Fake {
    type StreamLogsStream = Frames<StreamLogsResponse>;

    async fn stream_logs(
        &self,
        request: Request<StreamLogsRequest>,
    ) -> Answer<Self::StreamLogsStream> {
        self.keep(request.get_ref());
        let task = sample::task(1, 1);
        let source = LogSource {
            task: Some(Ref {
                id: sample::id("tsk", 1),
                name: task.name,
            }),
            service: task.service,
            node: task.node,
        };
        let line = |stream: LogStream, text: &str| LogLine {
            task: sample::id("tsk", 1),
            stream: stream.into(),
            data: text.as_bytes().to_vec().into(),
            ..LogLine::default()
        };
        let lines = vec![
            line(LogStream::Stdout, "hello"),
            line(LogStream::Stderr, "oh no"),
        ];
        let frame = StreamLogsResponse {
            sources: vec![source],
            lines,
            gaps: vec![],
        };
        Ok(Response::new(Box::pin(futures::stream::iter([Ok(frame)]))))
    }
}
