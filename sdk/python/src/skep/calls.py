# SPDX-License-Identifier: Apache-2.0
"""What is done to every call, for the blocking client and for asyncio: it gets a deadline, a change
gets a `request_id`, and every failure is told as `Error`. That a call is repeated is left to gRPC,
which does so below this layer and thus with the same `request_id`."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pool

from skep.errors import Code, closed, from_call
from skep.v1 import options_pb2

_DEADLINE_SECONDS = 59.9
"""How long a call may take if the caller sets no timeout. The most that a server allows is 60 s,
and gRPC tells it the next tenth of a second."""


def deadline_seconds(path: str) -> float | None:
    """How long a call of the method at `/skep.v1.Service/Method` may take if the caller sets no
    timeout; None: for ever, as that of a stream, and of what waits."""
    service, name = path.strip("/").split("/")
    method = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
    waits = method.GetOptions().Extensions[options_pb2.waits]
    return None if waits or method.server_streaming else _DEADLINE_SECONDS


@dataclass
class Connection:
    """What the layer knows of the connection."""

    host: str
    is_closed: bool = False
    at_end: Callable[[], None] = lambda: None
    """What else ends with it."""

    def in_plain_words(self, timeout: float | None) -> _PlainWords:
        """Failures within as `Error`."""
        return _PlainWords(self, timeout)


class _PlainWords:
    """What goes around each call. Not made by `contextlib`, which costs several times as much."""

    __slots__ = ("_connection", "_timeout")

    def __init__(self, connection: Connection, timeout: float | None) -> None:
        self._connection = connection
        self._timeout = timeout

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, failure: BaseException | None, trace: Any) -> None:
        if failure is None:
            return
        is_closed = self._connection.is_closed
        if isinstance(failure, grpc.RpcError):
            error = from_call(failure, self._connection.host, self._timeout)
            is_ours = is_closed and error.code is Code.CANCELLED
            raise (closed() if is_ours else error) from None
        if is_closed and isinstance(failure, _OF_CLOSED):
            raise closed() from None


_OF_CLOSED = (ValueError, asyncio.CancelledError, grpc.aio.UsageError)
"""What gRPC says of a channel that is closed."""


def with_request_id(request: Any) -> Any:
    """The request with a fresh `request_id` of 26 letters and digits, if it has that field and the
    caller left it empty.

    A copy: a message that is sent a second time is another request, and needs another id."""
    if "request_id" not in request.DESCRIPTOR.fields_by_name or request.request_id:
        return request
    filled = type(request)()
    filled.CopyFrom(request)
    letters = string.ascii_letters + string.digits
    filled.request_id = "".join(secrets.choice(letters) for _ in range(26))
    return filled
