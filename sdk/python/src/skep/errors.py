# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, in one type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from skep.v1 import ErrorReason

Code = grpc.StatusCode
"""The canonical codes of gRPC."""

_DOMAIN = "skep"
_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True)
class Violation:
    """One field that breaks its rules."""

    field: str
    """The path of the field, such as `spec.endpoint.ports[0].target`."""
    description: str
    """What is wrong with it, and what would be right."""


class Error(Exception):
    """Any failure of this package: a call that was refused or failed, a wait that ended badly,
    or no connection to call over. Its text is for people, and names each bad field."""

    __module__ = "skep"

    def __init__(
        self,
        code: Code,
        message: str,
        reason: str = "",
        metadata: dict[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
    ) -> None:
        super().__init__(code, message, reason, metadata, violations)
        self.code = code
        """The canonical gRPC code."""
        self.message = message
        """What is wrong, for people."""
        self.reason = reason
        """The name of an `ErrorReason` less its prefix, such as `NAME_TAKEN`; of a wait that
        ended badly the reason of the condition. Empty if no server said this; then the code
        tells what it was: UNAVAILABLE, there is no connection or it broke; PERMISSION_DENIED, this
        user may not use the socket; DEADLINE_EXCEEDED, there was no answer in time; CANCELLED, the
        call was cancelled or the client is closed; INVALID_ARGUMENT, a host or the configuration
        is wrong."""
        self.metadata = metadata or {}
        """Facts for programs; the comment of each `ErrorReason` names its keys."""
        self.violations = violations
        """Every field that breaks its rules, with INVALID_FIELD."""

    def is_(self, reason: ErrorReason.ValueType | str) -> bool:
        """Whether it failed for this reason: `error.is_(v1.ERROR_REASON_NAME_TAKEN)`, or with
        its text: `error.is_("NAME_TAKEN")`."""
        text = reason if isinstance(reason, str) else ErrorReason.Name(reason)
        return text.removeprefix("ERROR_REASON_") == self.reason

    def __str__(self) -> str:
        bad = (f"\n  {field.field}: {field.description}" for field in self.violations)
        return (self.message or str(self.code.value[1])) + "".join(bad)


def closed() -> Error:
    """The client is closed."""
    return Error(Code.CANCELLED, "the client is closed")


def from_call(failure: grpc.RpcError, host: str, timeout: float | None = None) -> Error:
    """The failure of a call to a host, as gRPC tells it. What no server said is put into plain
    words; `timeout` is the time in seconds that the call was allowed."""
    status = _status(failure)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    if info.domain != _DOMAIN:
        info.Clear()
    code = failure.code()
    message = failure.details() or ""
    if not info.reason:
        message = _in_plain_words(code, message, host, timeout)
    violations = (Violation(field.field, field.description) for field in bad.field_violations)
    return Error(code, message, info.reason, dict(info.metadata), tuple(violations))


def _status(failure: grpc.RpcError) -> status_pb2.Status:
    # Its type is told in other words than what there is, for the blocking client and for asyncio.
    trailers: Any = failure.trailing_metadata()
    for key, value in trailers or ():
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _in_plain_words(code: Code, said: str, host: str, timeout: float | None) -> str:
    if code is Code.UNAVAILABLE:
        # "...; last error: UNKNOWN: unix:/x: ...: connect: Connection refused (111)"
        cause = re.sub(r"^.*: ?|\s*\(\d+\)$", "", said, flags=re.DOTALL)
        return f"the connection to {host} is lost: {cause or 'it was closed'}"
    if code is Code.DEADLINE_EXCEEDED and timeout is not None:
        return f"no answer from {host} within {timeout:g}s; a change may have been made or not"
    if code is Code.CANCELLED:
        return "the call was cancelled"
    return said
