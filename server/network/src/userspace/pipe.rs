// SPDX-License-Identifier: Apache-2.0
//! Pipes, through which the kernel moves bytes from socket to socket without copying them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;

use super::lock;

/// How much a pipe holds. If the user has too many pipes for that, the kernel gives it less.
const PIPE_BYTES: i32 = 256 * 1024;

/// Pipes that wait to be lent.
#[derive(Debug)]
pub(super) struct Pipes {
    idle: Mutex<Vec<Pipe>>,
    open: AtomicUsize,
    max: usize,
}

#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipes {
    pub(super) fn new(max: usize) -> Pipes {
        Pipes {
            idle: Mutex::new(Vec::new()),
            open: AtomicUsize::new(0),
            max,
        }
    }

    /// An empty pipe, if there is one left.
    pub(super) fn lend(&self) -> Option<LentPipe<'_>> {
        let idle = lock(&self.idle).pop();
        let pipe = match idle {
            Some(pipe) => pipe,
            None => self.open_one()?,
        };
        Some(LentPipe {
            pipe: Some(pipe),
            held: 0,
            from: self,
        })
    }

    fn open_one(&self) -> Option<Pipe> {
        let below_max = |open: usize| (open < self.max).then_some(open + 1);
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, below_max)
            .ok()?;
        match pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC) {
            Ok((reader, writer)) => {
                // Only ever a wish: a smaller pipe works too.
                let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
                Some(Pipe { reader, writer })
            }
            Err(_) => {
                self.open.fetch_sub(1, Ordering::Relaxed);
                None
            }
        }
    }
}

/// A pipe that goes back when it is dropped, or is closed if bytes are left in it.
#[derive(Debug)]
pub(super) struct LentPipe<'a> {
    pipe: Option<Pipe>,
    held: usize,
    from: &'a Pipes,
}

impl LentPipe<'_> {
    /// Bytes in the pipe.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes what a socket has received; 0: it will receive no more. The pipe must be empty:
    /// a full one could not be told from a socket that has nothing.
    pub(super) fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        debug_assert_eq!(self.held, 0, "only an empty pipe is filled");
        let count = move_bytes(from, &self.pipe().writer, PIPE_BYTES as usize)?;
        self.held += count;
        Ok(count)
    }

    /// Gives what it holds to a socket, or as much as that takes.
    pub(super) fn drain(&mut self, to: impl AsFd) -> io::Result<()> {
        let count = move_bytes(&self.pipe().reader, to, self.held)?;
        self.held -= count;
        Ok(())
    }

    fn pipe(&self) -> &Pipe {
        self.pipe
            .as_ref()
            .expect("a lent pipe is only taken when it is dropped")
    }
}

impl Drop for LentPipe<'_> {
    fn drop(&mut self) {
        let pipe = self.pipe.take();
        if self.held == 0 {
            lock(&self.from.idle).extend(pipe);
        } else {
            self.from.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn move_bytes(from: impl AsFd, to: impl AsFd, count: usize) -> io::Result<usize> {
    let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
    Ok(splice(from, None, to, None, count, flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn bytes_pass_through_and_the_pipe_is_lent_again() {
        let pipes = Pipes::new(1);
        let (mut client, front) = UnixStream::pair().unwrap();
        let (back, mut backend) = UnixStream::pair().unwrap();
        client.write_all(b"hello").unwrap();

        let mut pipe = pipes.lend().unwrap();
        assert!(pipes.lend().is_none(), "the only one is lent");
        assert_eq!(pipe.fill(&front).unwrap(), 5);
        pipe.drain(&back).unwrap();
        assert_eq!(pipe.held(), 0);
        drop(pipe);

        let mut bytes = [0; 5];
        backend.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
        assert!(pipes.lend().is_some());
    }

    #[test]
    fn a_pipe_with_bytes_left_is_never_lent_again() {
        let pipes = Pipes::new(1);
        let (mut client, front) = UnixStream::pair().unwrap();
        client.write_all(b"secret").unwrap();
        let mut pipe = pipes.lend().unwrap();
        pipe.fill(&front).unwrap();
        drop(pipe);
        assert!(lock(&pipes.idle).is_empty());
        assert!(pipes.lend().is_some(), "a new one takes its place");
    }
}
