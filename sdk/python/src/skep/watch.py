# SPDX-License-Identifier: Apache-2.0
"""The watch that does not end: the state first, then every change, over broken connections and
restarts of the daemon, without a gap and without a duplicate."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from skep import v1
from skep.errors import Code, Error
from skep.policy import backoff_seconds
from skep.steps import Sleep

_SILENCE_SECONDS = 15.0
"""So much silence means that the other side is gone: a server sends a frame at least every 5 s,
unless it is asked for another interval."""

Kind = TypeVar("Kind", bound="v1.Task | v1.Service | v1.Node")
"""A kind of object that can be watched."""

Filter = v1.TaskFilter | v1.ServiceFilter | v1.NodeFilter
"""Which objects are watched: the filter of their kind."""


@dataclass(frozen=True)
class Reset(Generic[Kind]):
    """All there is: replace whatever you held. First of all, and again if the server no longer
    has the history that was needed to go on."""

    objects: list[Kind]


@dataclass(frozen=True)
class Added(Generic[Kind]):
    """The object was made, or began to match."""

    object: Kind


@dataclass(frozen=True)
class Changed(Generic[Kind]):
    """The object changed and still matches."""

    object: Kind


@dataclass(frozen=True)
class Left(Generic[Kind]):
    """The object still exists but no longer matches."""

    object: Kind


@dataclass(frozen=True)
class Deleted(Generic[Kind]):
    """The object is gone; this is its last state."""

    object: Kind


@dataclass(frozen=True)
class Progress:
    """Everything through `revision` has been told. What lies between two of these happened as
    one. The number may be kept, and given to a later watch to go on from."""

    revision: int
    """The revision that is complete."""
    head_revision: int
    """The newest one the server has: the difference is the lag."""


Event = Reset[Kind] | Added[Kind] | Changed[Kind] | Left[Kind] | Deleted[Kind] | Progress
"""What a watch tells."""


class View(Generic[Kind]):
    """The objects that match, kept up to date by the events of a watch. Between two `Progress` it
    may show half of a change; at one it is what the swarm was at that revision."""

    def __init__(self) -> None:
        self.objects: dict[str, Kind] = {}
        """The objects by id."""
        self.revision = 0
        """The last revision that is complete."""

    def apply(self, event: Event[Kind]) -> None:
        """Takes in an event."""
        match event:
            case Reset(objects):
                self.objects = {found.meta.id: found for found in objects}
            case Added(found) | Changed(found):
                self.objects[found.meta.id] = found
            case Left(found) | Deleted(found):
                self.objects.pop(found.meta.id, None)
            case Progress(revision):
                self.revision = revision


@dataclass(frozen=True)
class Open:
    """Ask for a new stream of frames."""

    request: v1.WatchRequest


@dataclass(frozen=True)
class Read:
    """Read the next frame of the stream; the answer is None if there was none in time."""

    timeout: float
    """Seconds."""


@dataclass(frozen=True)
class Drop:
    """Let go of the stream."""


Wish = Open | Read | Drop | Sleep
"""What a watch wants to be done."""


class Follower(Generic[Kind]):
    """A watch without its IO: asks for frames, and turns them into events."""

    def __init__(
        self,
        kind: type[Kind],
        filter: Filter | None,
        from_revision: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._field = kind.DESCRIPTOR.name.lower()
        self._request = v1.WatchRequest(after_revision=from_revision)
        """Asks for what comes after the last whole step."""
        wanted = getattr(self._request, f"{self._field}s")
        wanted.SetInParent()
        if filter is not None:
            wanted.CopyFrom(filter)
        self._now = now
        self._events: deque[Event[Kind]] = deque()
        self._step: list[tuple[v1.EventType.ValueType, Kind]] = []
        self._is_open = False
        self._silent_for = 0.0
        self._failures = 0
        self._reopen_at = 0.0
        self.revision = from_revision
        """The last revision whose `Progress` was given out."""

    def next_event(self, timeout: float) -> Generator[Wish, Any, Event[Kind] | None]:
        """The next event; None if there was none in time. Whoever stops in the middle loses
        nothing: the next call goes on from there."""
        until = self._now() + timeout
        while not self._events:
            try:
                if not (yield from self._read_frame(until)):
                    return None
            except Error as error:
                yield from self._recover(error)
        return self.event_at_hand()

    def event_at_hand(self) -> Event[Kind] | None:
        """The next event of those that were read already; None: there is none. To go through the
        steps of `next_event` for each would cost more than to read it."""
        if not self._events:
            return None
        event = self._events.popleft()
        if isinstance(event, Progress):
            self.revision = event.revision
        return event

    def _read_frame(self, until: float) -> Generator[Wish, Any, bool]:
        """Takes in a frame, on a new connection if there is none; False: there was none in time."""
        if not self._is_open:
            wait = self._reopen_at - self._now()
            if wait > 0:
                yield Sleep(max(0.0, min(wait, until - self._now())))
                if self._now() < self._reopen_at:
                    return False
            request = v1.WatchRequest()
            request.CopyFrom(self._request)
            yield Open(request)
            self._is_open, self._silent_for = True, 0.0
        began = self._now()
        frame: v1.WatchResponse | None
        frame = yield Read(max(0.0, min(_SILENCE_SECONDS - self._silent_for, until - began)))
        if frame is None:
            self._silent_for += self._now() - began
            if self._silent_for < _SILENCE_SECONDS:
                return False
            raise Error(Code.UNAVAILABLE, "the server is silent")
        self._silent_for, self._failures = 0.0, 0
        self._take(frame)
        return True

    def _take(self, frame: v1.WatchResponse) -> None:
        """Adds a frame to its step, and gives the step out once it is whole."""
        for event in frame.events:
            # An object of a kind that this client does not know is left out.
            if event.WhichOneof("object") == self._field:
                self._step.append((event.type, getattr(event, self._field)))
        if not frame.revision:
            return
        step, self._step = self._step, []
        if self._request.after_revision == 0:
            self._events.append(Reset([found for _, found in step]))
        else:
            self._events.extend(_event(kind, found) for kind, found in step)
        self._events.append(Progress(frame.revision, frame.head_revision))
        self._request.after_revision = frame.revision

    def _recover(self, error: Error) -> Generator[Wish, Any, None]:
        """After a failure: goes on after a while, or starts over; or gives up."""
        yield Drop()
        self._is_open = False
        self._step.clear()
        if not error.reason and error.code in (Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED):
            # What the caller got wrong stays wrong; connections come back.
            raise error
        if error.code is Code.OUT_OF_RANGE and error.reason:
            self._request.after_revision = 0
        elif error.reason and error.code is not Code.UNAVAILABLE:
            raise error
        self._failures += 1
        self._reopen_at = self._now() + backoff_seconds(self._failures)


def _event(kind: v1.EventType.ValueType, found: Kind) -> Event[Kind]:
    """One change. A type of a later release says at least that the object is there and is new."""
    if kind == v1.EVENT_TYPE_ADDED:
        return Added(found)
    if kind == v1.EVENT_TYPE_LEFT:
        return Left(found)
    if kind == v1.EVENT_TYPE_DELETED:
        return Deleted(found)
    return Changed(found)
