# SPDX-License-Identifier: Apache-2.0
"""The layer under the stubs: gives every call a deadline and every change a `request_id`, and tells
every failure as `Error`. That a call is repeated is left to gRPC, which does so below this layer
and thus with the same `request_id`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from skep.errors import Code, closed, from_call
from skep.policy import DEADLINE_SECONDS, with_request_id


@dataclass
class Connection:
    """What the layer knows of the connection."""

    host: str
    is_closed: bool = False

    @contextlib.contextmanager
    def in_plain_words(self, timeout: float | None) -> Iterator[None]:
        """Failures within as `Error`."""
        try:
            yield
        except grpc.RpcError as failure:
            error = from_call(failure, self.host, timeout)
            is_ours = self.is_closed and error.code is Code.CANCELLED
            raise (closed() if is_ours else error) from None
        except (ValueError, asyncio.CancelledError, grpc.aio.UsageError):
            # What gRPC says of a channel that is closed.
            if self.is_closed:
                raise closed() from None
            raise


class BlockingCalls:
    """What the stubs take for a channel.

    Not an interceptor of gRPC: those look up the method anew for each call, which ends the whole
    program if the channel was closed meanwhile.
    """

    def __init__(self, channel: grpc.Channel, connection: Connection) -> None:
        self._channel = channel
        self._connection = connection

    def unary_unary(self, *args: Any, **options: Any) -> Any:
        """A method with one answer."""
        return _UnaryMethod(self._channel.unary_unary(*args, **options), self._connection)

    def unary_stream(self, *args: Any, **options: Any) -> Any:
        """A method with a stream of answers."""
        method: Any = self._channel.unary_stream(*args, **options)

        def call(request: Any, timeout: float | None = None, **options: Any) -> Any:
            with self._connection.in_plain_words(timeout):
                answers = method(request, timeout, **options)
            return _Answer(answers, self._connection, timeout)

        return call


class _UnaryMethod:
    """A method with one answer, as `grpc.UnaryUnaryMultiCallable` has it."""

    def __init__(self, method: Any, connection: Connection) -> None:
        self._method = method
        self._connection = connection

    def __call__(self, request: Any, timeout: float | None = None, **options: Any) -> Any:
        answer, _ = self.with_call(request, timeout, **options)
        return answer

    def with_call(self, request: Any, timeout: float | None = None, **options: Any) -> Any:
        timeout = DEADLINE_SECONDS if timeout is None else timeout
        with self._connection.in_plain_words(timeout):
            return self._method.with_call(with_request_id(request), timeout, **options)

    def future(self, request: Any, timeout: float | None = None, **options: Any) -> Any:
        timeout = DEADLINE_SECONDS if timeout is None else timeout
        with self._connection.in_plain_words(timeout):
            future = self._method.future(with_request_id(request), timeout, **options)
        return _Answer(future, self._connection, timeout)


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


class AsyncCalls:
    """What the stubs take for a channel of asyncio.

    Not an interceptor of gRPC: those complain of every failure that is no error of their own.
    """

    def __init__(self, channel: grpc.aio.Channel, connection: Connection) -> None:
        self._channel = channel
        self._connection = connection

    def unary_unary(self, *args: Any, **options: Any) -> Any:
        """A method with one answer."""
        method: Any = self._channel.unary_unary(*args, **options)

        def call(request: Any, *, timeout: float | None = None, **options: Any) -> _AsyncAnswer:
            timeout = DEADLINE_SECONDS if timeout is None else timeout
            with self._connection.in_plain_words(timeout):
                answer = method(with_request_id(request), timeout=timeout, **options)
            return _AsyncAnswer(answer, self._connection, timeout)

        return call

    def unary_stream(self, *args: Any, **options: Any) -> Any:
        """A method with a stream of answers."""
        method: Any = self._channel.unary_stream(*args, **options)

        def call(request: Any, *, timeout: float | None = None, **options: Any) -> _AsyncAnswer:
            with self._connection.in_plain_words(timeout):
                answers = method(request, timeout=timeout, **options)
            return _AsyncAnswer(answers, self._connection, timeout)

        return call


class _AsyncAnswer:
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
