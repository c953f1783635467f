# SPDX-License-Identifier: Apache-2.0
"""The layer under the stubs: gives every call a deadline and every change a `request_id`, and tells
every failure as `Error`. That a call is repeated is left to gRPC, which does so below this layer
and thus with the same `request_id`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import grpc.aio

from skep.errors import Error, closed, from_call
from skep.policy import DEADLINE_SECONDS, with_request_id

T = TypeVar("T")


@dataclass(frozen=True)
class _Details(grpc.ClientCallDetails):
    """How a call is made."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class BlockingCalls(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """The layer under the stubs: deadlines, request ids, and failures as `Error`."""

    def __init__(self, host: str) -> None:
        self._host = host

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """A call with one answer."""
        timeout = DEADLINE_SECONDS if details.timeout is None else details.timeout
        return self._made(continuation, details, with_request_id(request), timeout)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        """A call with a stream of answers."""
        return self._made(continuation, details, request, details.timeout)

    def _made(self, continuation: Any, details: Any, request: Any, timeout: float | None) -> Any:
        changed = _Details(
            details.method,
            timeout,
            details.metadata,
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )
        return _Answer(continuation(changed, request), self._host, timeout)


class _Answer:
    """A call that is being made, or was: it fails with `Error`. All else is as gRPC has it."""

    def __init__(self, call: Any, host: str, timeout: float | None) -> None:
        self._call = call
        self._host = host
        self._timeout = timeout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def result(self, timeout: float | None = None) -> Any:
        """The answer."""
        return self._in_plain_words(lambda: self._call.result(timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Why there is no answer."""
        found: BaseException | None = self._call.exception(timeout)
        return self._read(found) if isinstance(found, grpc.RpcError) else found

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._in_plain_words(lambda: next(self._call))

    def _in_plain_words(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except grpc.RpcError as failure:
            raise self._read(failure) from None
        except ValueError as failure:
            # What gRPC says of a channel that is closed.
            if "closed channel" in str(failure):
                raise closed() from None
            raise

    def _read(self, failure: grpc.RpcError) -> Error:
        return from_call(failure, self._host, self._timeout)


@dataclass
class Connection:
    """What the layer under the stubs knows of the connection."""

    host: str
    is_closed: bool = False

    def details(self, given: Any, timeout: float | None) -> grpc.aio.ClientCallDetails:
        """How a call is made."""
        return grpc.aio.ClientCallDetails(
            given.method, timeout, given.metadata, given.credentials, given.wait_for_ready
        )

    @contextlib.contextmanager
    def in_plain_words(self, timeout: float | None) -> Iterator[None]:
        """Failures within as `Error`."""
        try:
            yield
        except grpc.aio.AioRpcError as failure:
            raise from_call(failure, self.host, timeout) from None
        except (asyncio.CancelledError, grpc.aio.UsageError):
            if self.is_closed:
                raise closed() from None
            raise


class UnaryCalls(grpc.aio.UnaryUnaryClientInterceptor):
    """The layer under the stubs: deadlines, request ids, and failures as `Error`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """A call with one answer."""
        timeout = DEADLINE_SECONDS if details.timeout is None else details.timeout
        with self._connection.in_plain_words(timeout):
            made = self._connection.details(details, timeout)
            call = await continuation(made, with_request_id(request))
            await call
        return call


class StreamCalls(grpc.aio.UnaryStreamClientInterceptor):
    """The layer under the stubs: failures as `Error`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        """A call with a stream of answers."""
        with self._connection.in_plain_words(details.timeout):
            call = await continuation(details, request)
        return self._answers(call, details.timeout)

    async def _answers(self, call: Any, timeout: float | None) -> AsyncIterator[Any]:
        with self._connection.in_plain_words(timeout):
            async for answer in call:
                yield answer
