// SPDX-License-Identifier: Apache-2.0
//! Many small writes of one connection, gathered into few large ones.
//!
//! An HTTP/2 connection writes as soon as one of its streams has something to say. When a change
//! reaches a thousand watches, or many answers are ready at once, that is one system call for
//! each of them, and one segment that the other side has to be woken for. So a connection that
//! wants to write first lets all others have their turn that are ready to run, takes together
//! what has come up meanwhile, and writes that. On a daemon with nothing else to do this costs
//! about a microsecond.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// So many bytes are worth a system call of their own.
const WRITE_BYTES: usize = 32 << 10;

/// A connection whose writes are gathered.
///
/// It relies on one habit of HTTP/2 libraries: whenever they are woken they read first and write
/// then. One that does not, such as that for HTTP/1 while it streams, loses nothing: bytes that
/// wait come with a wake-up, and the next flush writes them.
#[derive(Debug)]
pub(crate) struct Gathering<T> {
    io: T,
    turn: Turn,
    held: Vec<u8>,
    /// So many of the held bytes are written already.
    written: usize,
}

/// What the connection does in the turn it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// There was nothing to write until now.
    Quiet,
    /// It wanted to write, and waits until the others had their turn.
    Waits,
    /// It gathers what there is to write.
    Gathers,
    /// It was asked to write what it has gathered.
    Flushes,
    /// The system takes no more for now, and wakes the connection once it does.
    Blocked,
}

impl<T: AsyncWrite + Unpin> Gathering<T> {
    pub(crate) fn new(io: T) -> Gathering<T> {
        Gathering {
            io,
            turn: Turn::Quiet,
            held: Vec::new(),
            written: 0,
        }
    }

    /// Writes what is held.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.turn = Turn::Blocked;
        while self.written < self.held.len() {
            let rest = &self.held[self.written..];
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        // Of the many connections that are quiet, none holds memory.
        self.held = Vec::new();
        self.written = 0;
        self.turn = Turn::Quiet;
        Poll::Ready(Ok(()))
    }

    /// Lets the others have their turn, and makes room.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.turn == Turn::Blocked || self.held.len() >= WRITE_BYTES {
            ready!(self.poll_drain(cx))?;
            self.turn = Turn::Gathers;
        }
        if self.turn == Turn::Quiet {
            self.turn = Turn::Waits;
            // Waking itself puts a task behind all that are ready to run.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.turn = Turn::Gathers;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathering<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if matches!(self.turn, Turn::Gathers | Turn::Flushes) {
            // A new turn: what the last one gathered is whole.
            if let Poll::Ready(Err(error)) = self.poll_drain(cx) {
                return Poll::Ready(Err(error));
            }
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gathering<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        self.held.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        bufs.iter().for_each(|buf| self.held.extend_from_slice(buf));
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Sees to it that what is held is written in the next turn. The library asks after every
    /// frame, so this is no sign that all of this turn's are there.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.turn {
            Turn::Quiet | Turn::Waits => {}
            Turn::Gathers => {
                self.turn = Turn::Flushes;
                cx.waker().wake_by_ref();
            }
            // Asked again, and nothing was read or written: that was the next turn.
            Turn::Flushes | Turn::Blocked => ready!(self.poll_drain(cx))?,
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<T: Connected> Connected for Gathering<T> {
    type ConnectInfo = T::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// Notes what is written, and takes so many bytes and no more.
    #[derive(Default)]
    struct Line {
        writes: Vec<Vec<u8>>,
        takes: usize,
        shut: bool,
    }

    impl AsyncRead for Line {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Line {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = buf.len().min(self.takes);
            if taken == 0 {
                return Poll::Pending;
            }
            self.takes -= taken;
            self.writes.push(buf[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.shut = true;
            Poll::Ready(Ok(()))
        }
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A connection, and how often it was woken.
    struct Fixture {
        io: Gathering<Line>,
        wakes: Arc<Wakes>,
    }

    impl Fixture {
        fn taking(takes: usize) -> Fixture {
            let line = Line {
                takes,
                ..Line::default()
            };
            Fixture {
                io: Gathering::new(line),
                wakes: Arc::default(),
            }
        }

        fn poll<T>(
            &mut self,
            poll: impl FnOnce(Pin<&mut Gathering<Line>>, &mut Context<'_>) -> Poll<io::Result<T>>,
        ) -> Option<T> {
            let waker = Waker::from(self.wakes.clone());
            match poll(Pin::new(&mut self.io), &mut Context::from_waker(&waker)) {
                Poll::Ready(done) => Some(done.expect("the line is whole")),
                Poll::Pending => None,
            }
        }

        fn read(&mut self) {
            let mut space = [0; 8];
            self.poll(|io, cx| io.poll_read(cx, &mut ReadBuf::new(&mut space)));
        }

        fn write(&mut self, bytes: &[u8]) -> Option<usize> {
            self.poll(|io, cx| io.poll_write(cx, bytes))
        }

        fn flush(&mut self) -> Option<()> {
            self.poll(|io, cx| io.poll_flush(cx))
        }

        fn wakes(&self) -> usize {
            self.wakes.0.load(Ordering::SeqCst)
        }

        fn written(&self) -> Vec<u8> {
            self.io.io.writes.concat()
        }
    }

    #[test]
    fn what_comes_up_in_a_turn_is_one_write() {
        let mut it = Fixture::taking(usize::MAX);
        it.read();
        assert_eq!((it.write(b"ab"), it.wakes()), (None, 1), "others go first");
        it.read();
        assert_eq!(it.write(b"ab"), Some(2));
        assert_eq!((it.flush(), it.wakes()), (Some(()), 2));
        let more = [io::IoSlice::new(b"c"), io::IoSlice::new(b"de")];
        let taken = it.poll(|io, cx| io.poll_write_vectored(cx, &more));
        assert_eq!((taken, it.flush()), (Some(3), Some(())));
        assert!(it.written().is_empty(), "it may not be all yet");
        it.read();
        assert_eq!(it.io.io.writes, [b"abcde"]);
        let wakes = it.wakes();
        assert_eq!((it.flush(), it.wakes()), (Some(()), wakes), "it is quiet");
    }

    #[test]
    fn what_is_flushed_twice_is_written_without_a_read() {
        let mut it = Fixture::taking(usize::MAX);
        it.write(b"ab");
        assert_eq!(it.write(b"ab"), Some(2));
        assert_eq!(it.flush(), Some(()));
        assert!(it.written().is_empty(), "the others have their turn first");
        let wakes = it.wakes();
        assert_eq!((it.flush(), it.written()), (Some(()), b"ab".to_vec()));
        assert_eq!(it.wakes(), wakes, "it is quiet");
    }

    #[test]
    fn much_is_written_at_once() {
        let mut it = Fixture::taking(usize::MAX);
        assert_eq!(it.write(b"x"), None);
        let much = vec![7; WRITE_BYTES];
        assert_eq!(it.write(&much), Some(WRITE_BYTES));
        assert_eq!(it.write(b"x"), Some(1));
        assert_eq!(it.written(), much);
    }

    #[test]
    fn a_line_that_takes_no_more_is_waited_for() {
        let mut it = Fixture::taking(3);
        it.write(b"abcde");
        it.write(b"abcde");
        it.read();
        assert_eq!(it.written(), b"abc");
        let wakes = it.wakes();
        assert_eq!((it.flush(), it.write(b"f")), (None, None));
        assert_eq!(it.wakes(), wakes, "the line wakes it, nobody else");
        it.io.io.takes = usize::MAX;
        assert_eq!((it.write(b"f"), it.written()), (Some(1), b"abcde".to_vec()));
        assert_eq!(it.flush(), Some(()));
        it.read();
        assert_eq!(it.written(), b"abcdef");
    }

    #[test]
    fn the_end_comes_after_all_that_is_held() {
        let mut it = Fixture::taking(1);
        it.write(b"ab");
        it.write(b"ab");
        let end = |it: &mut Fixture| it.poll(|io, cx| io.poll_shutdown(cx));
        assert_eq!((end(&mut it), it.io.io.shut), (None, false));
        it.io.io.takes = 1;
        assert_eq!((end(&mut it), it.io.io.shut), (Some(()), true));
        assert_eq!(it.written(), b"ab");
    }
}
