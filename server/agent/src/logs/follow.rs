// SPDX-License-Identifier: Apache-2.0
//! A log as a stream of items.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use futures::stream::{self, StreamExt};

use super::reader::Reader;
use super::{LogItem, LogItems, LogQuery};
use crate::executor::ExecutorError;

/// How many items are read ahead.
const BATCH_ITEMS: usize = 256;

/// Waits between two looks at a log that has nothing new: the first, and the longest.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// The items that `query` asks for. `ended` says whether nothing will be written any more;
/// it is asked before a look, so what was written before the end is read.
pub(crate) fn follow(
    dir: PathBuf,
    query: LogQuery,
    ended: impl Fn() -> bool + Send + 'static,
) -> LogItems {
    let follower = Follower {
        dir,
        query,
        ended,
        reader: None,
        ready: VecDeque::new(),
        pause: LOOK_AGAIN.0,
        failed: false,
    };
    stream::unfold(follower, |mut follower| async move {
        let item = follower.next().await.transpose()?;
        Some((item, follower))
    })
    .boxed()
}

struct Follower<E> {
    dir: PathBuf,
    query: LogQuery,
    ended: E,
    reader: Option<Reader>,
    ready: VecDeque<LogItem>,
    pause: Duration,
    failed: bool,
}

impl<E: Fn() -> bool> Follower<E> {
    async fn next(&mut self) -> Result<Option<LogItem>, ExecutorError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.failed {
                return Ok(None);
            }
            let last_look = !self.query.follow || (self.ended)();
            self.look().await.map_err(|source| self.fail(source))?;
            if !self.ready.is_empty() {
                self.pause = LOOK_AGAIN.0;
            } else if last_look {
                return Ok(None);
            } else {
                tokio::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(LOOK_AGAIN.1);
            }
        }
    }

    /// Reads on, away from the threads that serve others.
    async fn look(&mut self) -> io::Result<()> {
        let (dir, query, reader) = (self.dir.clone(), self.query, self.reader.take());
        let look = move || {
            let mut reader = match reader {
                Some(reader) => reader,
                None => Reader::open(&dir, &query)?,
            };
            let items = reader.read(BATCH_ITEMS)?;
            Ok::<_, io::Error>((reader, items))
        };
        let (reader, items) = tokio::task::spawn_blocking(look).await??;
        self.reader = Some(reader);
        self.ready.extend(items);
        Ok(())
    }

    fn fail(&mut self, source: io::Error) -> ExecutorError {
        self.failed = true;
        ExecutorError::io(
            format!("cannot read the log in {}", self.dir.display()),
            source,
        )
    }
}
