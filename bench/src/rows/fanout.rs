// SPDX-License-Identifier: Apache-2.0
//! One write, seen by a thousand watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::future::try_join_all;
use skep_proto::v1;
use skep_proto::v1::service_service_client::ServiceServiceClient;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tonic::Streaming;
use tonic::transport::Channel;

use super::frames::{self, Frame};
use super::writes::{CONNECTIONS_MAX, LABEL, spec};
use super::{Sample, Setup, Side};
use crate::etcd::{Changes, Etcd};
use crate::proc::Meter;
use crate::server::Server;
use crate::stats::Latencies;

/// How many watches there are.
const WATCHES: usize = 1_000;
/// How many write at the same time.
const WRITERS: usize = 4;
/// Writes for each second that a row may take.
const WRITES_PER_SECOND: f64 = 100.0;
/// What is written: the writer, the number of the write, and when, filled up to this.
const VALUE_BYTES: usize = 256;
/// One in so many watches notes when it saw a write.
const TIMED_EVERY: usize = 16;
/// How long the watches may take to see everything.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Measures either side.
pub(super) async fn measure(setup: &Setup, side: Side, one_by_one: bool) -> Result<Sample> {
    let server = match side {
        Side::Skep => Server::skepd(&setup.programs, 1, &["--executor", "simulated"]).await?,
        Side::Peer => Server::etcd(&setup.programs).await?,
    };
    let channels = server.channels(CONNECTIONS_MAX).await?;
    let writers = writers(side, &channels).await?;
    let board = Arc::new(Board::default());
    let mut readers = JoinSet::new();
    for number in 0..WATCHES {
        let channel = channels[number % channels.len()].clone();
        let watch = Watch::open(side, channel).await?;
        let timed = number % TIMED_EVERY == 0;
        readers.spawn(read(watch, board.clone(), timed));
    }
    let writes = (setup.seconds * WRITES_PER_SECOND) as u64;
    let work = async {
        if one_by_one {
            each_alone(&server, &writers[0], &board, writes).await
        } else {
            all_at_once(&server, writers, &board, writes).await
        }
    };
    let mut sample = tokio::select! {
        sample = tokio::time::timeout(TIME_MAX, work) => sample.context("writes were not seen")??,
        Some(ended) = readers.join_next() => return Err(ended?.into_error()),
    };
    readers.shutdown().await;
    let latencies = std::mem::take(&mut *board.latencies.lock().await);
    sample.note = format!("write to seen {latencies}");
    server.stop().await?;
    Ok(sample)
}

/// Four at full speed: the figure is how many events reach a reader in a second.
async fn all_at_once(
    server: &Server,
    writers: Vec<Writer>,
    board: &Arc<Board>,
    writes: u64,
) -> Result<Sample> {
    let each = writes / WRITERS as u64;
    let meter = Meter::start(server.pid())?;
    let loops = writers
        .iter()
        .enumerate()
        .map(|(number, writer)| async move {
            for count in 1..=each {
                writer.write(number, count, board.start).await?;
            }
            anyhow::Ok(())
        });
    try_join_all(loops).await?;
    let operations = each * WRITERS as u64 * WATCHES as u64;
    board.seen(operations).await;
    let usage = meter.stop()?;
    Ok(Sample {
        value: operations as f64 / usage.wall,
        operations,
        usage,
        note: String::new(),
    })
}

/// One after the other: the figure is the median time until the last reader has it.
async fn each_alone(
    server: &Server,
    writer: &Writer,
    board: &Arc<Board>,
    writes: u64,
) -> Result<Sample> {
    let mut times = Latencies::default();
    let meter = Meter::start(server.pid())?;
    for count in 1..=writes {
        let sent = Instant::now();
        writer.write(0, count, board.start).await?;
        board.seen(count * WATCHES as u64).await;
        times.add(sent.elapsed());
    }
    Ok(Sample {
        value: times.percentile(0.5),
        operations: writes * WATCHES as u64,
        usage: meter.stop()?,
        note: String::new(),
    })
}

/// What the readers have seen.
struct Board {
    start: Instant,
    count: AtomicU64,
    /// Somebody waits until the count is so high.
    wanted: AtomicU64,
    reached: Notify,
    latencies: tokio::sync::Mutex<Latencies>,
}

impl Default for Board {
    fn default() -> Self {
        Board {
            start: Instant::now(),
            count: AtomicU64::new(0),
            wanted: AtomicU64::new(u64::MAX),
            reached: Notify::new(),
            latencies: tokio::sync::Mutex::default(),
        }
    }
}

impl Board {
    fn add(&self, seen: u64) {
        let before = self.count.fetch_add(seen, Ordering::SeqCst);
        if before + seen >= self.wanted.load(Ordering::SeqCst) {
            self.reached.notify_one();
        }
    }

    /// Waits until so many events reached a reader.
    async fn seen(&self, events: u64) {
        self.wanted.store(events, Ordering::SeqCst);
        while self.count.load(Ordering::SeqCst) < events {
            self.reached.notified().await;
        }
        self.wanted.store(u64::MAX, Ordering::SeqCst);
    }
}

/// Reads until it is ended, and complains of any gap.
async fn read(mut watch: Watch, board: Arc<Board>, timed: bool) -> Gap {
    let mut last = [0; WRITERS];
    loop {
        let values = match watch.next().await {
            Ok(values) => values,
            Err(error) => return Gap(error),
        };
        let mut seen = 0;
        for value in values {
            let Some((writer, count, sent)) = parse(&value) else {
                continue;
            };
            // What a service has besides its spec may change too: that is no write.
            if count == last[writer] {
                continue;
            }
            if count != last[writer] + 1 {
                let before = last[writer];
                return Gap(anyhow::anyhow!("a watch saw {count} after {before}"));
            }
            last[writer] = count;
            seen += 1;
            if timed {
                let time = board.start.elapsed().saturating_sub(sent);
                board.latencies.lock().await.add(time);
            }
        }
        if seen > 0 {
            board.add(seen);
        }
    }
}

/// Why a reader ended.
struct Gap(anyhow::Error);

impl Gap {
    fn into_error(self) -> anyhow::Error {
        self.0
    }
}

fn render(writer: usize, count: u64, sent: Duration) -> String {
    let text = format!("{writer} {count} {} ", sent.as_micros());
    format!("{text:x<VALUE_BYTES$}")
}

fn parse(value: &[u8]) -> Option<(usize, u64, Duration)> {
    let text = std::str::from_utf8(value).ok()?;
    let mut words = text.split(' ');
    let writer: usize = words.next()?.parse().ok()?;
    let count = words.next()?.parse().ok()?;
    let sent = Duration::from_micros(words.next()?.parse().ok()?);
    (writer < WRITERS).then_some((writer, count, sent))
}

/// Somebody who writes, each to one object.
enum Writer {
    Skep(ServiceServiceClient<Channel>),
    Etcd(Etcd),
}

async fn writers(side: Side, channels: &[Channel]) -> Result<Vec<Writer>> {
    let mut writers = Vec::with_capacity(WRITERS);
    for number in 0..WRITERS {
        let channel = channels[number % channels.len()].clone();
        writers.push(match side {
            Side::Peer => Writer::Etcd(Etcd::new(channel)),
            Side::Skep => {
                let mut services = ServiceServiceClient::new(channel);
                let request = v1::CreateServiceRequest {
                    spec: Some(spec(&object(number), String::new())),
                    request_id: object(number),
                };
                services.create_service(request).await?;
                Writer::Skep(services)
            }
        });
    }
    Ok(writers)
}

fn object(writer: usize) -> String {
    format!("bench-{writer}")
}

impl Writer {
    async fn write(&self, number: usize, count: u64, start: Instant) -> Result<()> {
        let value = render(number, count, start.elapsed());
        match self {
            Writer::Etcd(etcd) => etcd.put(object(number), value).await,
            Writer::Skep(services) => {
                let request = v1::UpdateServiceRequest {
                    service: object(number),
                    spec: Some(spec("", value)),
                    update_mask: Some(prost_types::FieldMask {
                        paths: vec!["labels".to_owned()],
                    }),
                    request_id: format!("bench-{number}-{count}"),
                    ..v1::UpdateServiceRequest::default()
                };
                services.clone().update_service(request).await?;
                Ok(())
            }
        }
    }
}

/// Somebody who watches everything.
enum Watch {
    Skep(Box<Streaming<Frame>>),
    Etcd(Box<Changes>),
}

impl Watch {
    async fn open(side: Side, channel: Channel) -> Result<Watch> {
        if side == Side::Peer {
            let changes = Etcd::new(channel).watch("bench-").await?;
            return Ok(Watch::Etcd(Box::new(changes)));
        }
        let frames = frames::watch(channel).await?;
        Ok(Watch::Skep(Box::new(frames)))
    }

    /// The values that were written, in order.
    async fn next(&mut self) -> Result<Vec<Bytes>> {
        match self {
            Watch::Etcd(changes) => {
                let events = changes.next().await?.into_iter();
                Ok(events.filter_map(|event| Some(event.kv?.value)).collect())
            }
            Watch::Skep(frames) => {
                let frame = frames.message().await?.context("a watch ended")?;
                Ok(frame.values(LABEL).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let value = render(3, 17, Duration::from_micros(42));
        assert_eq!(value.len(), VALUE_BYTES);
        let read = parse(value.as_bytes());
        assert_eq!(read, Some((3, 17, Duration::from_micros(42))));
        assert_eq!(parse(b"9 1 1 x"), None);
        assert_eq!(parse(b""), None);
    }
}
