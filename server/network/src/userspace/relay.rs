// SPDX-License-Identifier: Apache-2.0
//! Passes bytes between a client and a backend.
//!
//! Small messages are copied through the thread's buffer. When a read fills much of it, this
//! is a bulk transfer: then the kernel moves the bytes through a pipe for as long as more are
//! there. Copying wakes the receiver sooner; moving costs less for each byte.

use std::io;
use std::net::Shutdown;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::coop::consume_budget;

use super::pipe::{LentPipe, Pipes};
use super::scratch::with_scratch;

/// Most bytes copied at once; also the most that one direction keeps in memory for a receiver
/// that is slow.
const COPY_BYTES: usize = 32 * 1024;

/// A read of so many bytes is taken for part of a bulk transfer.
const BULK_BYTES: usize = 16 * 1024;

/// Passes bytes both ways until both directions have ended, or one side breaks.
///
/// A backend that takes no more bytes may have answered before it read the whole question: what
/// it still has to say is passed on before the client hears of the break.
///
/// Unless both directions end well, also when this is dropped, both sides are reset: an end that
/// is cut short must not look like the end of a message.
pub(super) async fn relay(client: TcpStream, backend: TcpStream, pipes: &Pipes) {
    let mut pair = Pair {
        client,
        backend,
        whole: false,
    };
    let up = async {
        match pass_all(&pair.client, &pair.backend, pipes).await {
            Err(Trouble::Reading) => Err(Trouble::Reading),
            ended => Ok(ended.is_ok()),
        }
    };
    let down = pass_all(&pair.backend, &pair.client, pipes);
    let ended = tokio::try_join!(up, down);
    pair.whole = matches!(ended, Ok((true, ())));
}

struct Pair {
    client: TcpStream,
    backend: TcpStream,
    whole: bool,
}

impl Drop for Pair {
    fn drop(&mut self) {
        if !self.whole {
            reset_on_close(&self.client);
            reset_on_close(&self.backend);
        }
    }
}

/// Makes closing the connection reset it.
pub(super) fn reset_on_close(stream: &TcpStream) {
    // It fails only for a connection that is reset already.
    let _ = stream.set_zero_linger();
}

/// Which side broke off.
enum Trouble {
    /// The sender: it was reset, or is silent for too long.
    Reading,
    /// The receiver: it takes no more.
    Writing,
}

/// Passes bytes one way until the sender ends, and passes the end on.
async fn pass_all(from: &TcpStream, to: &TcpStream, pipes: &Pipes) -> Result<(), Trouble> {
    loop {
        // Readiness alone never lets others have their turn.
        consume_budget().await;
        from.readable().await.map_err(|_| Trouble::Reading)?;
        let (count, rest) = match copy(from, to)? {
            Copied::Nothing => continue,
            Copied::End => break,
            Copied::Some { count, rest } => (count, rest),
        };
        if !rest.is_empty() {
            write_all(to, &rest).await.map_err(|_| Trouble::Writing)?;
        }
        if count < BULK_BYTES {
            continue;
        }
        if let Some(pipe) = pipes.lend()
            && let Moved::End = move_burst(from, to, pipe).await?
        {
            break;
        }
    }
    // It fails only if the receiver is gone, and then its own direction says so.
    let _ = SockRef::from(to).shutdown(Shutdown::Write);
    Ok(())
}

enum Copied {
    /// Nothing was there.
    Nothing,
    /// The sender has ended.
    End,
    /// So many bytes were read, and `rest` of them could not be written yet.
    Some { count: usize, rest: Vec<u8> },
}

/// Reads once and writes once, without waiting.
fn copy(from: &TcpStream, to: &TcpStream) -> Result<Copied, Trouble> {
    with_scratch(|scratch| {
        let count = match from.try_read(&mut scratch[..COPY_BYTES]) {
            Ok(0) => return Ok(Copied::End),
            Ok(count) => count,
            Err(error) if is_later(&error) => return Ok(Copied::Nothing),
            Err(_) => return Err(Trouble::Reading),
        };
        let written = match to.try_write(&scratch[..count]) {
            Ok(written) => written,
            Err(error) if is_later(&error) => 0,
            Err(_) => return Err(Trouble::Writing),
        };
        Ok(Copied::Some {
            count,
            rest: scratch[written..count].to_vec(),
        })
    })
}

async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if is_later(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

enum Moved {
    /// No more is there for now.
    Dry,
    /// The sender has ended.
    End,
}

/// Moves bytes for as long as some are there. The pipe is held no longer than that.
async fn move_burst(
    from: &TcpStream,
    to: &TcpStream,
    mut pipe: LentPipe<'_>,
) -> Result<Moved, Trouble> {
    loop {
        match from.try_io(Interest::READABLE, || pipe.fill(from)) {
            Ok(0) => return Ok(Moved::End),
            Ok(_) => {}
            Err(error) if is_later(&error) => return Ok(Moved::Dry),
            Err(_) => return Err(Trouble::Reading),
        }
        while pipe.held() > 0 {
            let drained = to.async_io(Interest::WRITABLE, || pipe.drain(to)).await;
            drained.map_err(|_| Trouble::Writing)?;
        }
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
