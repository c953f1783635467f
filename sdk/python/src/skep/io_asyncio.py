# SPDX-License-Identifier: Apache-2.0
"""How the client for asyncio does its IO: what is different in `io_blocking`, its twin."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import Event as Flag
from asyncio import sleep
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio

from skep import v1
from skep.calls import Connection, deadline_seconds, with_request_id
from skep.context import Address, NotSpokenError
from skep.errors import Code, Error, closed
from skep.policy import DIAL_SECONDS, channel_options

__all__ = ["Calls", "Connecting", "Flag", "Frames", "dial", "pause", "sleep"]

C = TypeVar("C", bound=AbstractAsyncContextManager[Any])


class Connecting(Generic[C]):
    """A client that is being connected, to be awaited or used as a context manager."""

    def __init__(self, connecting: Coroutine[Any, Any, C]) -> None:
        self._connecting = connecting

    def __await__(self) -> Generator[Any, None, C]:
        return self._connecting.__await__()

    async def __aenter__(self) -> C:
        self._client = await self
        return self._client

    async def __aexit__(self, *error: Any) -> None:
        await self._client.__aexit__(*error)


async def dial(address: Address) -> grpc.aio.Channel:
    """A channel that is connected.

    Raises OSError if there is none in time.
    """
    try:
        return await asyncio.wait_for(_connected(address), DIAL_SECONDS)
    except asyncio.TimeoutError:
        # Up to Python 3.10 it is another one, and no OSError.
        raise TimeoutError from None


async def _connected(address: Address) -> grpc.aio.Channel:
    # gRPC does not say why it has no connection, so one is opened and closed.
    if address.socket:
        _, writer = await asyncio.open_unix_connection(address.socket)
    else:
        _, writer = await asyncio.open_connection(address.name, address.port)
    writer.close()
    channel = grpc.aio.insecure_channel(address.target, channel_options(address))
    try:
        while True:
            state = channel.get_state(try_to_connect=True)
            if state is grpc.ChannelConnectivity.READY:
                return channel
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                raise NotSpokenError
            await channel.wait_for_state_change(state)
    except BaseException:
        await channel.close()
        raise


class Calls:
    """What the stubs take for a channel.

    Not an interceptor of gRPC: those complain of every failure that is no error of their own.
    """

    def __init__(self, channel: grpc.aio.Channel, connection: Connection) -> None:
        self._channel = channel
        self._connection = connection

    def unary_unary(self, path: str, *args: Any, **options: Any) -> Any:
        """A method with one answer."""
        return self._method(self._channel.unary_unary(path, *args, **options), path)

    def unary_stream(self, path: str, *args: Any, **options: Any) -> Any:
        """A method with a stream of answers."""
        return self._method(self._channel.unary_stream(path, *args, **options), path)

    def _method(self, method: Any, path: str) -> Any:
        usual = deadline_seconds(path)

        def call(request: Any, *, timeout: float | None = None, **options: Any) -> _Answer:
            timeout = usual if timeout is None else timeout
            with self._connection.in_plain_words(timeout):
                answer = method(with_request_id(request), timeout=timeout, **options)
            return _Answer(answer, self._connection, timeout)

        return call


class _Answer:
    """A call that goes on: it fails with `Error`. All else is as gRPC has it."""

    def __init__(self, call: Any, connection: Connection, timeout: float | None) -> None:
        self._call = call
        self._connection = connection
        self._timeout = timeout
        self._answers: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __await__(self) -> Generator[Any, None, Any]:
        with self._connection.in_plain_words(self._timeout):
            return (yield from self._call.__await__())

    def __aiter__(self) -> AsyncIterator[Any]:
        self._answers = self._call.__aiter__()
        return self

    async def __anext__(self) -> Any:
        with self._connection.in_plain_words(self._timeout):
            return await self._answers.__anext__()

    async def read(self) -> Any:
        with self._connection.in_plain_words(self._timeout):
            return await self._call.read()


class Frames:
    """The frames of a watch, of which none may come too late."""

    def __init__(self, call: Any, silence_seconds: float) -> None:
        self._call = call
        self._silence_seconds = silence_seconds
        self._silent_at = 0.0
        self._reading: asyncio.Task[Any] | None = None

    async def next(self) -> v1.WatchResponse:
        """The next frame. Whoever is cancelled in here loses nothing: the reading goes on, and the
        next one who asks has it.

        Raises Error once the stream ends or is silent.
        """
        now = asyncio.get_running_loop().time()
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._call.read())
            self._reading.add_done_callback(_look_at)
            self._silent_at = now + self._silence_seconds
        reading = self._reading
        await asyncio.wait({reading}, timeout=max(0.0, self._silent_at - now))
        if not reading.done():
            raise Error(Code.UNAVAILABLE, "the server is silent")
        if reading.cancelled():
            raise closed()
        self._reading = None
        frame = reading.result()
        if not isinstance(frame, v1.WatchResponse):
            raise Error(Code.UNAVAILABLE, "the server ended the watch")
        return frame

    def cancel(self) -> None:
        """Ends the stream."""
        # The loop may be closed already; then nothing is left to end.
        with contextlib.suppress(RuntimeError):
            if self._reading:
                self._reading.cancel()
            self._call.cancel()

    async def close(self) -> None:
        """Ends the stream and its reading."""
        self.cancel()
        if self._reading:
            await asyncio.wait({self._reading})


def _look_at(reading: asyncio.Task[Any]) -> None:
    """Looks at how a reading ended, or asyncio would complain that no one did."""
    if not reading.cancelled():
        reading.exception()


async def pause(seconds: float, end: Flag) -> None:
    """Waits for so long, or until `end` is set."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(end.wait(), max(0.0, seconds))
