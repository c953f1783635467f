# SPDX-License-Identifier: Apache-2.0
"""Waiting until a service is as wanted and stays so, or it is known that it will not be."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from typing import Any

from skep import v1
from skep.errors import Code, Error
from skep.steps import Call, Next
from skep.watch import Event, Progress, View

STABLE_SECONDS = 5.0
"""How long a service has to stay converged before that counts, unless the caller says otherwise."""

_LISTED_MAX = 1000
"""How many tasks without a node are looked at: a page."""

_LISTING_SECONDS = 5.0
"""How long asking for them may take, once the time is over."""

_PASSING = (Code.NOT_FOUND, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)
"""A read that failed with one of these says nothing about the next one: of a service that is gone
the watch tells."""

Claim = tuple[int, int, int]
"""That a service has converged, as it says itself: for which revision of the spec, and since when,
in seconds and nanoseconds. Another time means that there was a break."""


class Judge:
    """Decides when a wait is over. What is seen and the time go in; the end, or the time at which
    to read the service, comes out.

    STALLED comes first, because it holds together with CONVERGED after an automatic rollback.
    CONVERGED counts only once it was seen to hold for a time without a break; a read at the end
    of that time proves it.
    """

    def __init__(self, wanted: v1.Service, stable_for: float) -> None:
        self._wanted = wanted
        self._stable_for = stable_for
        self._claim: Claim | None = None
        self._since = 0.0
        self.read_at = math.inf
        """When the service is to be read."""

    def see(self, service: v1.Service | None, now: float) -> bool:
        """Takes in what a watch shows, None if it is gone; True: it has converged.

        Raises Error if it is gone, or has failed.
        """
        if service is None:
            name = self._wanted.spec.name
            message = f"the service {name} was deleted"
            raise Error(Code.NOT_FOUND, message, "OBJECT_NOT_FOUND", {"service": name})
        self._check_stalled(service)
        claim = self._claim_of(service)
        if claim and (self._stable_for <= 0 or service.status.running_tasks == 0):
            return True
        self._hold(claim, now)
        return False

    def read(self, service: v1.Service, now: float) -> bool:
        """Takes in the service, read at `read_at`; True: it has converged and stayed so.

        Raises Error if it has failed.
        """
        self._check_stalled(service)
        claim = self._claim_of(service)
        if claim and claim == self._claim:
            return True
        self._hold(claim, now)
        return False

    def unread(self, now: float) -> None:
        """The service could not be read: what was seen of it before proves nothing."""
        claim, self._claim = self._claim, None
        self._hold(claim, now)

    def _check_stalled(self, service: v1.Service) -> None:
        stalled = self._holds(service, "STALLED")
        if stalled:
            facts = {"service": self._wanted.spec.name, "condition": "STALLED"}
            raise Error(Code.FAILED_PRECONDITION, stalled.message, stalled.reason, facts)

    def _hold(self, claim: Claim | None, now: float) -> None:
        """Goes on watching the same claim, or begins anew with another."""
        if claim != self._claim:
            self._claim, self._since = claim, now
        self.read_at = self._since + self._stable_for if claim else math.inf

    def _holds(self, service: v1.Service, name: str) -> v1.Condition | None:
        """The condition, if it holds and was judged against the wanted spec or a later one."""
        condition = condition_of(service, name)
        if condition is None or condition.status != v1.Condition.STATUS_TRUE:
            return None
        is_current = condition.observed_spec_revision >= self._wanted.meta.spec_revision
        return condition if is_current else None

    def _claim_of(self, service: v1.Service) -> Claim | None:
        condition = self._holds(service, "CONVERGED")
        if condition is None:
            return None
        since = condition.transition_time
        return condition.observed_spec_revision, since.seconds, since.nanos


def condition_of(service: v1.Service, name: str) -> v1.Condition | None:
    """The condition of this type, whatever it says."""
    return next((found for found in service.status.conditions if found.type == name), None)


def converged(
    wanted: v1.Service,
    timeout: float | None,
    stable_for: float,
    now: Callable[[], float] = time.monotonic,
) -> Generator[Next | Call, Any, v1.Service]:
    """Waits for a service, as an answer showed it; returns it as it then is."""
    until = math.inf if timeout is None else now() + timeout
    judge, view = Judge(wanted, stable_for), View[v1.Service]()
    is_new = False
    while now() < until:
        event: Event[v1.Service] | None
        event = yield Next(max(0.0, min(judge.read_at, until) - now()))
        if event is not None:
            view.apply(event)
            if not isinstance(event, Progress):
                is_new = True
            elif is_new:
                is_new = False
                service = view.objects.get(wanted.meta.id)
                if judge.see(service, now()) and service is not None:
                    return service
        elif judge.read_at <= now() < until:
            service = yield from _read(wanted, judge, until, now)
            if service is not None:
                return service
    raise (yield from _too_late(view.objects.get(wanted.meta.id, wanted)))


def _read(
    wanted: v1.Service, judge: Judge, until: float, now: Callable[[], float]
) -> Generator[Call, Any, v1.Service | None]:
    """Asks whether it is still as it was seen, as a watch that is silent may be cut off; None: it
    is not, or could not be read."""
    left = until - now()
    request = v1.GetServiceRequest(service=wanted.meta.id)
    try:
        got: v1.GetServiceResponse
        got = yield Call("services", "GetService", request, None if left == math.inf else left)
    except Error as error:
        if error.reason and error.code not in _PASSING:
            raise
        judge.unread(now())
        return None
    return got.service if judge.read(got.service, now()) else None


def _too_late(last: v1.Service) -> Generator[Call, Any, Error]:
    """What to say once the time is over: that tasks have no node, if so, because then waiting
    longer would not have helped; else what the service says itself."""
    name = last.spec.name
    causes = yield from _unplaced(last)
    if causes:
        message = f"the service {name} has tasks without a node: {causes}"
        return Error(Code.DEADLINE_EXCEEDED, message, "UNPLACED", {"service": name})
    condition = condition_of(last, "CONVERGED")
    why = (condition.message if condition else "") or "its status does not say why"
    facts = {"service": name, "condition": "CONVERGED"}
    message = f"the service {name} did not converge in time: {why}"
    return Error(Code.DEADLINE_EXCEEDED, message, "NOT_CONVERGED", facts)


def _unplaced(last: v1.Service) -> Generator[Call, Any, str]:
    """Why tasks that should run have no node, each cause once; empty: none is known."""
    pending = v1.TaskFilter(services=[last.meta.id], states=[v1.TASK_STATE_PENDING])
    request = v1.ListTasksRequest(filter=pending, page_size=_LISTED_MAX)
    try:
        got: v1.ListTasksResponse
        got = yield Call("tasks", "ListTasks", request, _LISTING_SECONDS)
    except Error:
        return ""
    should_run = (task for task in got.tasks if task.desired_state <= v1.TASK_STATE_RUNNING)
    causes = (cause for task in should_run for cause in task.status.unplaced.causes)
    return "; ".join(dict.fromkeys(cause.message for cause in causes if cause.message))
