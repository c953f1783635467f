# SPDX-License-Identifier: Apache-2.0
"""How the blocking client does its IO: what is different in `io_asyncio`, its twin."""

from __future__ import annotations

import atexit
import math
import queue
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from threading import Event as Flag
from time import sleep
from typing import Any

import grpc

from skep import v1
from skep.calls import Connection, deadline_seconds, with_request_id
from skep.context import Address, NotSpokenError
from skep.errors import Code, Error, from_call
from skep.policy import DIAL_SECONDS, channel_options

__all__ = ["Calls", "Flag", "Frames", "dial", "pause", "sleep"]

_channels: weakref.WeakSet[grpc.Channel] = weakref.WeakSet()


@atexit.register
def _close_channels() -> None:
    """Closes what was left open, or gRPC may keep the process from ending."""
    for channel in list(_channels):
        channel.close()


def dial(address: Address) -> grpc.Channel:
    """A channel that is connected.

    Raises OSError if there is none in time.
    """
    until = time.monotonic() + DIAL_SECONDS
    # gRPC does not say why it has no connection, so one is opened and closed.
    if address.socket:
        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(DIAL_SECONDS)
            knock.connect(address.socket)
    else:
        socket.create_connection((address.name, address.port), DIAL_SECONDS).close()
    channel = grpc.insecure_channel(address.target, channel_options(address))
    try:
        _wait_until_ready(channel, until)
    except BaseException:
        channel.close()
        raise
    _channels.add(channel)
    return channel


def _wait_until_ready(channel: grpc.Channel, until: float) -> None:
    states: queue.SimpleQueue[grpc.ChannelConnectivity] = queue.SimpleQueue()
    channel.subscribe(states.put, try_to_connect=True)
    try:
        while (
            state := states.get(timeout=max(0.0, until - time.monotonic()))
        ) is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                raise NotSpokenError
    except queue.Empty:
        raise TimeoutError from None
    finally:
        channel.unsubscribe(states.put)


class Calls:
    """What the stubs take for a channel.

    Not an interceptor of gRPC: those look up the method anew for each call, which ends the whole
    program if the channel was closed meanwhile.
    """

    def __init__(self, channel: grpc.Channel, connection: Connection) -> None:
        self._channel = channel
        self._connection = connection
        self._guard = Guard()
        connection.at_end = self._guard.close
        weakref.finalize(self, self._guard.end)

    def unary_unary(self, path: str, *args: Any, **options: Any) -> Any:
        """A method with one answer."""
        method = self._channel.unary_unary(path, *args, **options)
        return _UnaryMethod(method, self._connection, deadline_seconds(path))

    def unary_stream(self, *args: Any, **options: Any) -> Any:
        """A method with a stream of answers."""
        method: Any = self._channel.unary_stream(*args, **options)

        def call(request: Any, timeout: float | None = None, **options: Any) -> _Answer:
            with self._connection.in_plain_words(timeout):
                stream = method(request, timeout, **options)
                return _Answer(stream, self._connection, timeout, self._guard)

        return call


class _UnaryMethod:
    """A method with one answer, as `grpc.UnaryUnaryMultiCallable` has it."""

    def __init__(self, method: Any, connection: Connection, usual: float | None) -> None:
        self._method = method
        self._connection = connection
        self._usual = usual

    def __call__(self, request: Any, timeout: float | None = None, **options: Any) -> Any:
        return self._make(self._method, request, timeout, options)

    def with_call(self, request: Any, timeout: float | None = None, **options: Any) -> Any:
        return self._make(self._method.with_call, request, timeout, options)

    def future(self, request: Any, timeout: float | None = None, **options: Any) -> Any:
        future = self._make(self._method.future, request, timeout, options)
        return _Answer(future, self._connection, timeout or self._usual)

    def _make(self, face: Any, request: Any, timeout: float | None, options: Any) -> Any:
        timeout = self._usual if timeout is None else timeout
        with self._connection.in_plain_words(timeout):
            return face(with_request_id(request), timeout, **options)


class _Answer:
    """A call that goes on: it fails with `Error`. All else is as gRPC has it."""

    def __init__(
        self, call: Any, connection: Connection, timeout: float | None, guard: Guard | None = None
    ) -> None:
        self._call = call
        self._connection = connection
        self._timeout = timeout
        self.guard = guard
        """Whoever ends it if it is silent for too long; None: it is no stream."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def result(self, timeout: float | None = None) -> Any:
        with self._connection.in_plain_words(self._timeout):
            return self._call.result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        found: BaseException | None = self._call.exception(timeout)
        if isinstance(found, grpc.RpcError):
            return from_call(found, self._connection.host, self._timeout)
        return found

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._connection.in_plain_words(self._timeout):
            return next(self._call)


class Guard:
    """Ends the streams that are silent for too long. gRPC's own iterator has no time limit, so a
    thread keeps watch over all who read watches of a client. It begins with the first of them, and
    ends with the client, or when there were none for a while. A thread for each would cost more
    than opening the watch."""

    _IDLE_SECONDS = 1.0
    """So long it waits for another watch."""

    def __init__(self) -> None:
        self._guarded: set[Frames] = set()
        # The collector of garbage may end watches and clients anywhere: what it calls here waits
        # for no lock, and this queue takes what it puts.
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._naps_until = math.inf
        self._is_over = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def add(self, frames: Frames) -> None:
        """Keeps watch over these from now on."""
        with self._lock:
            self._guarded.add(frames)
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="skep-watch", daemon=True)
                thread.start()
                self._thread = thread
        if time.monotonic() + frames.silence_seconds < self._naps_until:
            self._news.put(None)

    def remove(self, frames: Frames) -> None:
        """Lets these be."""
        self._guarded.discard(frames)
        if not self._guarded and time.monotonic() + self._IDLE_SECONDS < self._naps_until:
            self._news.put(None)

    def _run(self) -> None:
        while not self._is_over:
            # Whoever comes while it looks around is news.
            self._naps_until = math.inf
            now = time.monotonic()
            naps = [frames.look(now) for frames in tuple(self._guarded)]
            nap = min(naps, default=self._IDLE_SECONDS)
            self._naps_until = now + nap
            try:
                self._news.get(timeout=nap)
            except queue.Empty:
                if not naps and self._is_idle():
                    return

    def _is_idle(self) -> bool:
        """Whether there is still nothing to do: then the thread ends, and the next watch begins
        another."""
        with self._lock:
            if self._guarded:
                return False
            self._thread = None
            return True

    def end(self) -> None:
        """Ends the thread, for good."""
        self._is_over = True
        self._news.put(None)

    def close(self) -> None:
        """Ends the thread, and waits for that."""
        self.end()
        thread = self._thread
        if thread:
            thread.join()


class Frames:
    """The frames of a watch, of which none may come too late."""

    def __init__(self, call: Any, silence_seconds: float) -> None:
        self._call = call
        self.silence_seconds = silence_seconds
        """How long the stream may be silent."""
        self._silent_at = math.inf
        self._is_silent = False
        self._guard: Guard = call.guard
        self._guard.add(self)

    def next(self) -> v1.WatchResponse:
        """The next frame.

        Raises Error once the stream ends or is silent.
        """
        self._silent_at = time.monotonic() + self.silence_seconds
        try:
            frame: v1.WatchResponse = next(self._call)
        except StopIteration:
            raise Error(Code.UNAVAILABLE, "the server ended the watch") from None
        except Error:
            if self._is_silent:
                raise Error(Code.UNAVAILABLE, "the server is silent") from None
            raise
        finally:
            self._silent_at = math.inf
        return frame

    def look(self, now: float) -> float:
        """Ends the stream if it is silent for too long; in how many seconds to look again."""
        if self._silent_at <= now and not self._is_silent:
            self._is_silent = True
            self._call.cancel()
        # A reading that begins right now has the whole time.
        left = self._silent_at - now
        return left if 0 < left < self.silence_seconds else self.silence_seconds

    def cancel(self) -> None:
        """Ends the stream."""
        self._guard.remove(self)
        self._call.cancel()

    close = cancel


def pause(seconds: float, end: Flag) -> None:
    """Waits for so long, or until `end` is set."""
    end.wait(max(0.0, seconds))
