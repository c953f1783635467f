// SPDX-License-Identifier: Apache-2.0
//! The thread that writes the log: what waits while one sync runs goes with the next.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use super::error::{LogError, Poison};
use super::noted::Noted;
use super::record::{LogId, Record};
use super::segment::Spare;
use super::wal::Wal;
use crate::fs::Fs;

/// After so many bytes a batch is written, whatever else waits.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// Called once, when the records it came with are durable or never will be.
pub type Done = Box<dyn FnOnce(Result<(), LogError>) + Send>;

/// Called once, if the log stops.
pub type OnPoison = Box<dyn FnOnce(&Poison) + Send>;

enum Job {
    Write {
        records: Vec<Record>,
        done: Option<Done>,
    },
    Stop,
}

/// Hands records to the writing thread. Order is kept; nothing here waits.
#[derive(Debug)]
pub struct LogWriter {
    jobs: Sender<Job>,
    committed: Arc<Noted>,
    poison: Arc<OnceLock<Poison>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl LogWriter {
    /// Starts the thread that writes to `wal`. `fs` is the one the log was opened on;
    /// `on_poison` is called once, if the log stops.
    ///
    /// # Panics
    /// If the system gives no thread.
    #[must_use]
    pub fn start(wal: Wal, fs: Arc<dyn Fs>, on_poison: OnPoison) -> Self {
        let (jobs, queue) = channel();
        let poison = Arc::new(OnceLock::new());
        let committed = Arc::new(Noted::default());
        let thread = Thread {
            wal,
            fs,
            queue,
            committed: Arc::clone(&committed),
            spare: None,
            waiting: Vec::new(),
            poison: Arc::clone(&poison),
            on_poison: Some(on_poison),
        };
        let thread = std::thread::Builder::new()
            .name("skep-log".to_owned())
            .spawn(move || thread.run())
            .expect("the system gives a thread for the log");
        Self {
            jobs,
            committed,
            poison,
            thread: Mutex::new(Some(thread)),
        }
    }

    /// Queues records that go to the disk together; `done` is called from the writing thread
    /// when they are durable.
    pub fn write(&self, records: Vec<Record>, done: Option<Done>) {
        if let Err(unsent) = self.jobs.send(Job::Write { records, done })
            && let Job::Write {
                done: Some(done), ..
            } = unsent.0
        {
            done(Err(self.stopped().into()));
        }
    }

    /// Notes how far entries are committed, to be written with the next records.
    pub fn note_committed(&self, id: Option<LogId>) {
        self.committed.set(id);
    }

    /// Why the log stopped; nothing: it goes on.
    #[must_use]
    pub fn poison(&self) -> Option<&Poison> {
        self.poison.get()
    }

    /// Writes what is queued and ends the thread. Later records are refused.
    pub fn stop(&self) {
        let _ = self.jobs.send(Job::Stop);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread of the log panicked");
        }
    }

    fn stopped(&self) -> Poison {
        self.poison.get().cloned().unwrap_or_else(|| Poison {
            path: std::path::PathBuf::new(),
            operation: "write to the log in",
            cause: "skepd is stopping".to_owned(),
            disk_full: false,
        })
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The writing thread's own things.
struct Thread {
    wal: Wal,
    fs: Arc<dyn Fs>,
    queue: Receiver<Job>,
    committed: Arc<Noted>,
    /// The next segment, being prepared by a thread of its own.
    spare: Option<Receiver<Option<Spare>>>,
    waiting: Vec<Done>,
    poison: Arc<OnceLock<Poison>>,
    on_poison: Option<OnPoison>,
}

impl Thread {
    fn run(mut self) {
        let mut open = true;
        while open {
            open = self.gather();
            self.finish();
            self.prepare_spare();
        }
        if self.wal.poison().is_none() {
            let flushed = self.wal.flush();
            self.note(&flushed);
        }
        // Do not leave a thread behind that still writes into the directory.
        self.take_spare();
    }

    /// Takes what is queued, at least one job; `false` if it was the last.
    fn gather(&mut self) -> bool {
        let Ok(mut job) = self.queue.recv() else {
            return false;
        };
        loop {
            match job {
                Job::Write { records, done } => self.push(&records, done),
                Job::Stop => return false,
            }
            if self.wal.unsynced_bytes() >= BATCH_BYTES_MAX {
                return true;
            }
            match self.queue.try_recv() {
                Ok(next) => job = next,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn push(&mut self, records: &[Record], done: Option<Done>) {
        self.before(records.iter().map(Record::framed_bytes).sum());
        let pushed = records.iter().try_for_each(|record| self.wal.push(record));
        match (pushed, done) {
            (Ok(()), Some(done)) => self.waiting.push(done),
            (Ok(()), None) => {}
            (Err(error), done) => {
                // Whoever is told that the log failed asks at once why.
                if let LogError::Poisoned(poison) = &error {
                    self.note(&Err(poison.clone()));
                }
                tracing::error!(%error, "the log refused a record");
                if let Some(done) = done {
                    done(Err(error));
                }
            }
        }
    }

    /// If so many bytes do not fit and the segment is about to change: better wait for the
    /// prepared one than make two.
    fn before(&mut self, bytes: usize) {
        if bytes as u64 > self.wal.free_bytes() {
            self.take_spare();
        }
    }

    /// Syncs the batch and tells those who wait for it.
    fn finish(&mut self) {
        if let Some(id) = self.committed.take() {
            self.wal.note_committed(id);
        }
        self.before(Record::Committed(None).framed_bytes());
        let early = cfg!(skep_kill_bug = "answer_early") && self.wal.unsynced_bytes() < 2_000;
        let synced = if early { Ok(()) } else { self.wal.sync() };
        self.note(&synced);
        for done in self.waiting.drain(..) {
            done(synced.clone().map_err(LogError::from));
        }
    }

    fn note(&mut self, outcome: &Result<(), Poison>) {
        let Err(poison) = outcome else { return };
        if self.poison.set(poison.clone()).is_ok() {
            tracing::error!(%poison, "the log stopped");
        }
        if let Some(on_poison) = self.on_poison.take() {
            on_poison(poison);
        }
    }

    fn prepare_spare(&mut self) {
        if self.spare.is_some() {
            return;
        }
        let Some(request) = self.wal.wants_spare() else {
            return;
        };
        let (give, spare) = channel();
        let fs = Arc::clone(&self.fs);
        let made = std::thread::Builder::new()
            .name("skep-log-spare".to_owned())
            .spawn(move || {
                let made = request.make(fs.as_ref()).map_err(|(path, error)| {
                tracing::warn!(path = %path.display(), %error, "cannot prepare the next log file");
            });
                // Nobody waits for it if the log was stopped meanwhile.
                let _ = give.send(made.ok());
            });
        match made {
            Ok(_) => self.spare = Some(spare),
            Err(error) => tracing::warn!(%error, "no thread to prepare the next log file"),
        }
    }

    /// Waits for the segment that is being prepared, if there is one.
    fn take_spare(&mut self) {
        let Some(spare) = self.spare.take() else {
            return;
        };
        if let Ok(Some(spare)) = spare.recv() {
            self.wal.give_spare(spare);
        }
    }
}

#[cfg(test)]
mod tests;
