// SPDX-License-Identifier: Apache-2.0
//! What tasks run, where they do not say so themselves: a task of a container has its image, the
//! command line of a process is in the revision of its service that it was made from.

use std::collections::{BTreeMap, BTreeSet};

use skep_sdk::v1::{Service, ServiceFilter, ServiceRevision, Task};
use skep_sdk::{Client, Error, Identified};

use crate::pages;
use crate::show::runs::runs;

/// The command lines of processes, by service and revision.
#[derive(Debug, Default)]
pub(crate) struct Programs(BTreeMap<(String, u64), String>);

/// What a task was made from.
fn key(task: &Task) -> (String, u64) {
    let service = task.service.as_ref();
    let id = service.map_or_else(String::new, |service| service.id.clone());
    (id, task.template_revision)
}

impl Programs {
    /// What a task runs; empty: not known, as its service is gone.
    pub(crate) fn of(&self, task: &Task) -> String {
        if !task.image.is_empty() {
            return task.image.clone();
        }
        self.0.get(&key(task)).cloned().unwrap_or_default()
    }

    /// Those of the samples.
    #[cfg(test)]
    pub(crate) fn of_samples() -> Self {
        let mut programs = Self::default();
        programs.learn(&crate::sample::service());
        programs.learn(&crate::sample::global_service());
        programs
    }

    /// Takes in what a service has now.
    fn learn(&mut self, service: &Service) {
        let revision = service.status.as_ref().map_or(0, |s| s.template_revision);
        let template = service
            .spec
            .as_ref()
            .and_then(|spec| spec.template.as_ref());
        let key = (service.id().to_owned(), revision);
        self.0.insert(key, runs(template));
    }

    /// Takes in what a service had.
    fn learn_revisions(&mut self, service: &str, revisions: &[ServiceRevision]) {
        for revision in revisions {
            let key = (service.to_owned(), revision.template_revision);
            self.0.insert(key, runs(revision.template.as_ref()));
        }
    }
}

/// Finds out what tasks run: with one request for each hundred services of processes, and one for
/// each of those of which tasks are made from an earlier revision.
pub(crate) async fn of_tasks(client: &Client, tasks: &[Task]) -> Result<Programs, Error> {
    let mut programs = Programs::default();
    let wanted: BTreeSet<(String, u64)> = tasks
        .iter()
        .filter(|task| task.image.is_empty())
        .map(key)
        .collect();
    let services: BTreeSet<&String> = wanted.iter().map(|(service, _)| service).collect();
    let services: Vec<String> = services.into_iter().cloned().collect();
    for some in services.chunks(pages::REFERENCES_MAX) {
        let filter = ServiceFilter {
            services: some.to_vec(),
            ..ServiceFilter::default()
        };
        for service in pages::services(client, filter).await? {
            programs.learn(&service);
            let id = service.id();
            let is_known = |(_, key): &&(String, u64)| {
                let key = (id.to_owned(), *key);
                programs.0.contains_key(&key)
            };
            let mut own = wanted.iter().filter(|(service, _)| service == id);
            if own.any(|key| !is_known(&key)) {
                let revisions = pages::revisions(client, id).await?;
                programs.learn_revisions(id, &revisions);
            }
        }
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_task_shows_what_its_revision_runs() {
        let mut programs = Programs::default();
        let now = sample::task(1, 1);
        assert_eq!(programs.of(&now), "");
        programs.learn(&sample::service());
        assert_eq!(programs.of(&now), "/usr/local/bin/shop --serve 'a b'");
        let before = Task {
            template_revision: 7,
            ..now.clone()
        };
        assert_eq!(programs.of(&before), "");
        programs.learn_revisions(&sample::id("svc", 1), &sample::revisions());
        assert_eq!(programs.of(&before), "web:1");
        let container = Task {
            image: "web:2".into(),
            ..now
        };
        assert_eq!(programs.of(&container), "web:2");
    }
}
