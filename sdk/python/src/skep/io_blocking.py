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

    def unary_unary(self, path: str, *args: Any, **options: Any) -> Any:
        """A method with one answer."""
        method = self._channel.unary_unary(path, *args, **options)
        return _UnaryMethod(method, self._connection, deadline_seconds(path))

    def unary_stream(self, *args: Any, **options: Any) -> Any:
        """A method with a stream of answers."""
        method: Any = self._channel.unary_stream(*args, **options)

        def call(request: Any, timeout: float | None = None, **options: Any) -> _Answer:
            with self._connection.in_plain_words(timeout):
                return _Answer(method(request, timeout, **options), self._connection, timeout)

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

    def __init__(self, call: Any, connection: Connection, timeout: float | None) -> None:
        self._call = call
        self._connection = connection
        self._timeout = timeout

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


class Frames:
    """The frames of a watch, of which none may come too late. gRPC's own iterator has no time
    limit, so a thread keeps watch over whoever reads, and ends the stream."""

    def __init__(self, call: Any, silence_seconds: float) -> None:
        self._call = call
        self._silence_seconds = silence_seconds
        self._silent_at = math.inf
        self._is_silent = False
        self._ended = Flag()
        self._guard = threading.Thread(target=self._keep_watch, name="skep-watch", daemon=True)
        self._guard.start()

    def next(self) -> v1.WatchResponse:
        """The next frame.

        Raises Error once the stream ends or is silent.
        """
        self._silent_at = time.monotonic() + self._silence_seconds
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

    def _keep_watch(self) -> None:
        left = self._silence_seconds
        while not self._ended.wait(left):
            # A reading that begins right now has this long.
            left = min(self._silent_at - time.monotonic(), self._silence_seconds)
            if left <= 0:
                self._is_silent = True
                self._call.cancel()
                return

    def cancel(self) -> None:
        """Ends the stream."""
        self._ended.set()
        self._call.cancel()

    def close(self) -> None:
        """Ends the stream and its thread."""
        self.cancel()
        self._guard.join()


def pause(seconds: float, end: Flag) -> None:
    """Waits for so long, or until `end` is set."""
    end.wait(max(0.0, seconds))
