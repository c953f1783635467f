// SPDX-License-Identifier: Apache-2.0
//! Word that something may have changed, so that nobody has to look all the time.

use futures::stream::{BoxStream, StreamExt};
use skep_core::model::TaskId;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

/// How many hints wait for a listener that is busy; the next one makes them one `All`.
const WAITING: usize = 1_024;

/// Where to look again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hint {
    /// At one task.
    Task(TaskId),
    /// At all of them: the listener was too slow for single hints.
    All,
}

/// The sending end, for executors.
#[derive(Clone)]
pub struct HintSender(broadcast::Sender<TaskId>);

impl Default for HintSender {
    fn default() -> Self {
        HintSender(broadcast::Sender::new(WAITING))
    }
}

impl HintSender {
    /// Says that `task` may have changed.
    pub fn send(&self, task: TaskId) {
        // Nobody listens: then nobody needs to be told.
        self.0.send(task).ok();
    }

    /// Hints from now on. Ends with the executor.
    #[must_use]
    pub fn listen(&self) -> BoxStream<'static, Hint> {
        // The only error of the stream is that the listener was too slow.
        BroadcastStream::new(self.0.subscribe())
            .map(|hint| hint.map_or(Hint::All, Hint::Task))
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn hints_come_in_order_and_too_many_become_one() {
        let sender = HintSender::default();
        let mut hints = sender.listen();
        sender.send(TaskId(1));
        sender.send(TaskId(2));
        assert_eq!(
            hints.next().now_or_never(),
            Some(Some(Hint::Task(TaskId(1))))
        );
        assert_eq!(
            hints.next().now_or_never(),
            Some(Some(Hint::Task(TaskId(2))))
        );
        assert_eq!(hints.next().now_or_never(), None);

        for number in 0..=WAITING as u128 {
            sender.send(TaskId(number));
        }
        assert_eq!(hints.next().now_or_never(), Some(Some(Hint::All)));
        drop(sender);
        assert_eq!(hints.count().now_or_never(), Some(WAITING));
    }
}
