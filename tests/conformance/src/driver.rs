// SPDX-License-Identifier: Apache-2.0
//! The driver of one language: a process that does what a line of JSON asks.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What a request ended with: its answer, or the error that the SDK gave.
pub(crate) type Outcome = Result<Value, Value>;

/// How long a driver may take for what should take no time.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How long it may take to end once it was closed.
const EXIT_DEADLINE: Duration = Duration::from_secs(10);

type Pending = Arc<Mutex<HashMap<u64, oneshot::Sender<Outcome>>>>;

/// A driver that runs.
pub(crate) struct Driver {
    child: tokio::sync::Mutex<Child>,
    stdin: tokio::sync::Mutex<Option<ChildStdin>>,
    pending: Pending,
    next: AtomicU64,
    log: PathBuf,
}

impl Driver {
    /// Starts one; what it writes to standard error goes into `folder`.
    pub(crate) fn start(command: &str, fault: Option<&str>, folder: &Path) -> Result<Self> {
        let log = folder.join("driver.log");
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("exec {command}")])
            .env_remove("SKEP_HOST")
            .env_remove("SKEP_CONTEXT")
            .env("SKEP_DRIVER_FAULT", fault.unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let pending = Pending::default();
        let stdout = child.stdout.take().context("its output is a pipe")?;
        tokio::spawn(read(BufReader::new(stdout).lines(), Arc::clone(&pending)));
        Ok(Self {
            stdin: tokio::sync::Mutex::new(child.stdin.take()),
            child: tokio::sync::Mutex::new(child),
            pending,
            next: AtomicU64::new(1),
            log,
        })
    }

    /// Asks for something and waits for what comes of it.
    ///
    /// # Errors
    /// The driver broke the protocol: no answer in time, or it is gone.
    pub(crate) async fn ask(&self, mut order: Value, deadline: Duration) -> Result<Outcome> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        order["id"] = id.into();
        let (sender, answer) = oneshot::channel();
        lock(&self.pending).insert(id, sender);
        {
            let mut stdin = self.stdin.lock().await;
            let stdin = stdin.as_mut().context("the driver was closed")?;
            let line = format!("{order}\n");
            stdin
                .write_all(line.as_bytes())
                .await
                .context("the driver is gone")?;
            stdin.flush().await?;
        }
        match timeout(deadline, answer).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => bail!("the driver ended instead of answering {order}"),
            Err(_) => bail!("the driver did not answer {order} within {deadline:?}"),
        }
    }

    /// Closes its standard input and waits for its end, which has to come by itself.
    pub(crate) async fn end(&self) -> Result<()> {
        drop(self.stdin.lock().await.take());
        let mut child = self.child.lock().await;
        let status = timeout(EXIT_DEADLINE, child.wait()).await;
        let status = status.map_err(|_| {
            anyhow!("the driver still runs {EXIT_DEADLINE:?} after close and the end of its input")
        })??;
        if !status.success() {
            bail!("the driver ended with {status}");
        }
        Ok(())
    }

    /// The last lines it wrote to standard error.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        last_lines(&text, 15)
    }
}

/// The last lines of a text, indented.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    lines[from..]
        .iter()
        .map(|line| format!("      {line}\n"))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands each answer to who waits for it. When the driver is gone, so are all who wait.
async fn read(mut lines: Lines<BufReader<ChildStdout>>, pending: Pending) {
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(mut answer) = serde_json::from_str::<Value>(&line) else {
            eprintln!("a driver wrote what is no JSON: {line}");
            break;
        };
        let id = answer["id"].as_u64().unwrap_or_default();
        let Some(waiting) = lock(&pending).remove(&id) else {
            continue;
        };
        let outcome = match (answer.get("ok").is_some(), answer.get("error").is_some()) {
            (true, false) => Ok(answer["ok"].take()),
            (false, true) => Err(answer["error"].take()),
            _ => break,
        };
        // Who gave up waiting is told nothing.
        let _ = waiting.send(outcome);
    }
    lock(&pending).clear();
}
