# SPDX-License-Identifier: Apache-2.0
"""The watch that does not end: the state first, then every change, over broken connections and
restarts of the daemon, without a gap and without a duplicate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from skep import v1
from skep.errors import Code, Error
from skep.policy import backoff_seconds

_PROGRESS_SECONDS = 5.0
"""A server sends a frame at least so often, unless it is asked for another interval."""

_SILENT_INTERVALS = 3
"""So many intervals without a frame mean that the other side is gone."""

_SILENCE_SECONDS_MIN = 1.0
"""The least silence that means so: a server has to have the time to refuse an interval."""

Kind = TypeVar("Kind", bound="v1.Task | v1.Service | v1.Node")
"""A kind of object that can be watched."""

Filter = v1.TaskFilter | v1.ServiceFilter | v1.NodeFilter
"""Which objects are watched: the filter of their kind."""


@dataclass(slots=True)
class Reset(Generic[Kind]):
    """All there is: replace whatever you held. First of all, and again if the server no longer
    has the history that was needed to go on."""

    objects: list[Kind]


@dataclass(slots=True)
class Added(Generic[Kind]):
    """The object was made, or began to match."""

    object: Kind


@dataclass(slots=True)
class Changed(Generic[Kind]):
    """The object changed and still matches."""

    object: Kind


@dataclass(slots=True)
class Left(Generic[Kind]):
    """The object still exists but no longer matches."""

    object: Kind


@dataclass(slots=True)
class Deleted(Generic[Kind]):
    """The object is gone; this is its last state."""

    object: Kind


@dataclass(slots=True)
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


class Follower(Generic[Kind]):
    """A watch without its IO and its clock: says what to ask for, and turns frames into events."""

    def __init__(
        self,
        kind: type[Kind],
        filter: Filter | None,
        from_revision: int,
        progress_interval: float | None,
    ) -> None:
        self._field: Any = kind.DESCRIPTOR.name.lower()
        self.request = v1.WatchRequest(after_revision=from_revision)
        """Asks for what comes after the last whole step."""
        wanted = getattr(self.request, f"{self._field}s")
        wanted.SetInParent()
        if filter is not None:
            wanted.CopyFrom(filter)
        if progress_interval is not None:
            self.request.progress_interval.FromNanoseconds(round(progress_interval * 1e9))
        silence_seconds = _SILENT_INTERVALS * (progress_interval or _PROGRESS_SECONDS)
        self.silence_seconds = max(silence_seconds, _SILENCE_SECONDS_MIN)
        """How long a stream may be silent."""
        self.revision = from_revision
        """The last revision whose `Progress` was given out."""
        self._step: list[v1.WatchResponse] = []
        self._failures = 0

    def take(self, frame: v1.WatchResponse) -> Iterator[Event[Kind]]:
        """Adds a frame to its step, and gives the events of the step once it is whole. What was
        given before has been iterated over."""
        self._failures = 0
        self._step.append(frame)
        if not frame.revision:
            return iter(())
        step, self._step = self._step, []
        events = self._changes if self.request.after_revision else self._reset
        self.request.after_revision = frame.revision
        return events(step)

    def _reset(self, step: list[v1.WatchResponse]) -> Iterator[Event[Kind]]:
        field = self._field
        found = (event for frame in step for event in frame.events)
        yield Reset([getattr(event, field) for event in found if event.HasField(field)])
        yield self._progress(step)

    def _changes(self, step: list[v1.WatchResponse]) -> Iterator[Event[Kind]]:
        """The changes one by one, for a step may have very many."""
        field = self._field
        for frame in step:
            for event in frame.events:
                # An object of a kind that this client does not know is left out.
                if event.HasField(field):
                    change = _CHANGES.get(event.type, Changed)
                    yield change(getattr(event, field))
        yield self._progress(step)

    def _progress(self, step: list[v1.WatchResponse]) -> Progress:
        """The end of a step."""
        self.revision = step[-1].revision
        return Progress(self.revision, step[-1].head_revision)

    def recover(self, error: Error) -> float:
        """The stream failed: after how many seconds to ask for another one, which may start over.

        Raises the error if asking again does not help: what the caller got wrong stays wrong.
        """
        self._step.clear()
        if error.code is Code.OUT_OF_RANGE and error.reason:
            self.request.after_revision = 0
        elif error.code in (Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED) or (
            error.reason and error.code is not Code.UNAVAILABLE
        ):
            raise error
        self._failures += 1
        return backoff_seconds(self._failures)


# A type of a later release says at least that the object is there and is new.
_CHANGES: dict[v1.EventType.ValueType, Any] = {
    v1.EVENT_TYPE_ADDED: Added,
    v1.EVENT_TYPE_LEFT: Left,
    v1.EVENT_TYPE_DELETED: Deleted,
}
