# SPDX-License-Identifier: Apache-2.0
"""A server that plays a script, over a real socket."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from skep import v1


class Refusal:
    """An answer that is an error, with skep's details if it has a reason."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str = "",
        message: str = "no",
        bad: dict[str, str] | None = None,
        domain: str = "skep",
    ) -> None:
        self.code, self.message = code, message
        self.details: list[Any] = []
        if reason:
            self.details.append(
                error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata={"k": "v"})
            )
        if bad:
            fields = [
                error_details_pb2.BadRequest.FieldViolation(field=field, description=why)
                for field, why in bad.items()
            ]
            self.details.append(error_details_pb2.BadRequest(field_violations=fields))

    def end(self, context: Any) -> None:
        """Ends the call with it."""
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in self.details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        if self.details:
            details = ("grpc-status-details-bin", status.SerializeToString())
            context.set_trailing_metadata((details,))
        context.abort(self.code, self.message)


class Fake(grpc.GenericRpcHandler):
    """What to answer, in order, and what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, deque[Any]] = {}
        self.asked: dict[str, list[Any]] = {}
        self.deadlines: list[float | None] = []
        self.open_watches = threading.Semaphore(0)
        """Released for each watch that has played its script and is left open."""
        self.ended_watches = threading.Semaphore(0)
        """Released for each watch whose client has gone."""

    def script(self, method: str, *answers: Any) -> None:
        """What a method answers: messages, refusals, what makes one; of a watch
        lists of frames and refusals."""
        self.answers.setdefault(method, deque()).extend(answers)

    def _answer(self, method: str, request: Any, context: Any) -> Any:
        self.asked.setdefault(method, []).append(request)
        self.deadlines.append(context.time_remaining())
        answer = self.answers[method].popleft()
        if callable(answer):
            answer = answer()
        if isinstance(answer, Refusal):
            answer.end(context)
        return answer

    def service(self, details: Any) -> Any:
        """What handles a call, for gRPC."""
        method = details.method.rpartition("/")[2]
        if method == "Watch":
            return grpc.unary_stream_rpc_method_handler(
                self._watch,
                v1.WatchRequest.FromString,
                v1.WatchResponse.SerializeToString,
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._answer(method, request, context),
            getattr(v1, f"{method}Request").FromString,
            getattr(v1, f"{method}Response").SerializeToString,
        )

    def _watch(self, request: Any, context: Any) -> Iterator[Any]:
        for frame in self._answer("Watch", request, context):
            if isinstance(frame, Refusal):
                frame.end(context)
            elif callable(frame):
                yield frame()
            elif frame is STAY:
                gone = threading.Event()
                if context.add_callback(gone.set):
                    self.open_watches.release()
                    gone.wait(60)
                self.ended_watches.release()
                return
            else:
                yield frame


STAY = object()
"""Leaves a watch open, and silent."""


@contextlib.contextmanager
def serve(fake: Fake, socket: Path) -> Iterator[str]:
    """Serves it at a socket; gives the host."""
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((fake,))
    server.add_insecure_port(f"unix://{socket}")
    server.start()
    try:
        yield f"unix://{socket}"
    finally:
        server.stop(None).wait(10)


def task(name: str) -> v1.Task:
    """A task whose id is its name."""
    return v1.Task(meta=v1.Meta(id=name), name=name)


def frame(revision: int, *events: tuple[v1.EventType.ValueType, Any]) -> v1.WatchResponse:
    """A frame with events of tasks, named, or of services."""
    told = [
        v1.WatchResponse.Event(type=kind, task=task(found))
        if isinstance(found, str)
        else v1.WatchResponse.Event(type=kind, service=found)
        for kind, found in events
    ]
    return v1.WatchResponse(revision=revision, head_revision=revision, events=told)
