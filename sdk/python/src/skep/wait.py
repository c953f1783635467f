# SPDX-License-Identifier: Apache-2.0
"""Waiting: the managers wait, and say how it ended. What is left to do is to ask again when the one
that waited went away."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from skep import v1
from skep.errors import Code, Error

STABLE_SECONDS = 5.0
"""How long a service has to stay converged before that counts, unless the caller says otherwise."""

CALL_SECONDS_MAX = 3600.0
"""How long one call waits: who waits for ever asks again."""

MARGIN_SECONDS = 5.0
"""How much longer than the wait the call may take: how a wait ended is for the server to say."""

_PASSING = (Code.UNAVAILABLE, Code.UNKNOWN, Code.INTERNAL, Code.DEADLINE_EXCEEDED)
"""Failures of a connection, of which no server told."""


def wait_request(service: v1.Service, seconds: float, stable_for: float) -> v1.WaitServiceRequest:
    """Waits until a service, as an answer showed it, has converged."""
    return v1.WaitServiceRequest(
        service=service.meta.id,
        timeout=_duration(seconds),
        stable_for=_duration(stable_for),
        spec_revision=service.meta.spec_revision,
    )


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration


class Failures:
    """What the calls of one wait failed with."""

    def __init__(self, service: v1.Service) -> None:
        self._name = service.spec.name or service.meta.id
        self._told: Error | None = None
        self.count = 0
        """How many failed in a row."""

    def take(self, error: Error, is_over: bool) -> None:
        """Takes in a failure, and whether the time for all calls is over.

        Raises Error unless another call may help: the failure; or, when the time is over, the last
        one that a server told of, or what is wrong with the connection.
        """
        if error.reason:
            error.metadata.setdefault("service", self._name)
            self._told = error
        if error.code is Code.DEADLINE_EXCEEDED and error.reason and not is_over:
            # Nothing failed: one call does not wait for ever.
            self.count = 0
            return
        may_pass = error.code is Code.UNAVAILABLE or (not error.reason and error.code in _PASSING)
        if not may_pass:
            raise error
        self.count += 1
        if not is_over:
            return
        if self._told:
            raise self._told
        message = f"the service {self._name} did not converge in time: {error.message}"
        facts = {"service": self._name, "condition": "CONVERGED"}
        raise Error(Code.DEADLINE_EXCEEDED, message, "NOT_CONVERGED", facts)
