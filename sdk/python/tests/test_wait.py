# SPDX-License-Identifier: Apache-2.0
"""Every end of a wait. Decisions about time are tested in a time of their own."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from conftest import Either
from fake import STAY, Fake, Refusal, frame
from google.protobuf.timestamp_pb2 import Timestamp

import skep
from skep import Code, Error, v1
from skep.steps import Call, Next, run
from skep.wait import converged

ADDED, CHANGED, DELETED = v1.EVENT_TYPE_ADDED, v1.EVENT_TYPE_CHANGED, v1.EVENT_TYPE_DELETED
TRUE = v1.Condition.STATUS_TRUE


def service(
    *conditions: tuple[str, int, int],
    status: v1.Condition.Status.ValueType = TRUE,
    running: int = 1,
) -> v1.Service:
    """A service whose spec is of revision 7. A condition is its type, the revision of the spec it
    was judged against, and the second since which it holds."""
    held = [
        v1.Condition(
            type=name,
            status=status,
            reason="ROLLED_BACK",
            message="1 of 2 tasks run",
            observed_spec_revision=observed,
            transition_time=Timestamp(seconds=since),
        )
        for name, observed, since in conditions
    ]
    return v1.Service(
        meta=v1.Meta(id="svc_1", spec_revision=7),
        spec=v1.ServiceSpec(name="web"),
        status=v1.ServiceStatus(conditions=held, running_tasks=running),
    )


WANTED = service()


def wait(
    either: Either, fake: tuple[Fake, str], *frames: Any, timeout: float | None = None
) -> v1.Service:
    """Waits with a real client, for something that needs to hold no time."""
    server, host = fake
    client = either.connect(host)
    server.script("Watch", [*frames, STAY])
    found: v1.Service
    found = either.do(lambda: client.wait_converged(WANTED, timeout, stable_for=0))
    return found


def test_a_wait_ends_when_the_wanted_spec_has_converged(
    either: Either, fake: tuple[Fake, str]
) -> None:
    found = wait(
        either,
        fake,
        frame(5, (ADDED, service(("CONVERGED", 6, 1)))),
        frame(6, (CHANGED, service(("CONVERGED", 8, 1), status=v1.Condition.STATUS_FALSE))),
        frame(7),
        frame(8, (CHANGED, service(("CONVERGED", 8, 1)))),
    )
    assert found == service(("CONVERGED", 8, 1))
    assert fake[0].asked["Watch"][0].services.services == ["svc_1"]


def test_stalled_comes_first(either: Either, fake: tuple[Fake, str]) -> None:
    both = service(("CONVERGED", 7, 1), ("STALLED", 7, 1))
    with pytest.raises(Error) as told:
        wait(either, fake, frame(5, (ADDED, service(("STALLED", 6, 1)))), frame(6, (CHANGED, both)))
    error = told.value
    assert (error.code, error.reason) == (Code.FAILED_PRECONDITION, "ROLLED_BACK")
    assert str(error) == "1 of 2 tasks run"
    assert error.metadata == {"service": "web", "condition": "STALLED"}


@pytest.mark.parametrize(
    "frames", [[frame(5)], [frame(5, (ADDED, WANTED)), frame(6, (DELETED, WANTED))]]
)
def test_a_service_that_is_gone_ends_a_wait(
    either: Either, fake: tuple[Fake, str], frames: list[Any]
) -> None:
    with pytest.raises(Error) as told:
        wait(either, fake, *frames)
    assert (told.value.code, told.value.reason) == (Code.NOT_FOUND, "OBJECT_NOT_FOUND")
    assert str(told.value) == "the service web was deleted"


def pending(desired: v1.TaskState.ValueType, *causes: str) -> v1.Task:
    unplaced = v1.Unplaced(causes=[v1.Unplaced.Cause(message=cause) for cause in causes])
    return v1.Task(desired_state=desired, status=v1.TaskStatus(unplaced=unplaced))


def test_a_wait_that_is_over_says_which_tasks_find_no_node(
    either: Either, fake: tuple[Fake, str]
) -> None:
    run, removed = v1.TASK_STATE_RUNNING, v1.TASK_STATE_REMOVED
    tasks = [
        pending(run, "needs 4 GiB", "not ready"),
        pending(run, "needs 4 GiB"),
        pending(removed, "not wanted"),
    ]
    fake[0].script("ListTasks", v1.ListTasksResponse(tasks=tasks))
    with pytest.raises(Error) as told:
        wait(either, fake, frame(5, (ADDED, WANTED)), timeout=0.05)
    assert (told.value.code, told.value.reason) == (Code.DEADLINE_EXCEEDED, "UNPLACED")
    assert str(told.value) == "the service web has tasks without a node: needs 4 GiB; not ready"
    asked = fake[0].asked["ListTasks"][0].filter
    assert (asked.services, asked.states) == (["svc_1"], [v1.TASK_STATE_PENDING])


def test_a_wait_that_is_over_says_what_the_service_says(
    either: Either, fake: tuple[Fake, str]
) -> None:
    seen = service(("CONVERGED", 7, 1), status=v1.Condition.STATUS_FALSE)
    fake[0].script("ListTasks", Refusal(Code.INTERNAL, "INTERNAL"))
    with pytest.raises(Error) as told:
        wait(either, fake, frame(5, (ADDED, seen)), timeout=0.5)
    assert (told.value.code, told.value.reason) == (Code.DEADLINE_EXCEEDED, "NOT_CONVERGED")
    assert str(told.value) == "the service web did not converge in time: 1 of 2 tasks run"
    assert told.value.metadata == {"service": "web", "condition": "CONVERGED"}


class Play:
    """A watch and reads that answer by a script, in a time of their own."""

    def __init__(self, *script: Any) -> None:
        self.now = 100.0
        self.script = deque(script)
        """What comes next: an event after so many seconds, or the answer to a read."""
        self.reads: list[float] = []

    def perform(self, wish: Call | Next) -> Any:
        if isinstance(wish, Call):
            self.reads.append(self.now)
            answer = self.script.popleft()
            if isinstance(answer, Error):
                raise answer
            return v1.GetServiceResponse(service=answer)
        after, event = self.script[0] if self.is_event() else (wish.timeout + 1, None)
        if after > wish.timeout:
            self.now += wish.timeout
            if event is not None:
                self.script[0] = (after - wish.timeout, event)
            return None
        self.now += after
        self.script.popleft()
        return event

    def is_event(self) -> bool:
        return bool(self.script) and isinstance(self.script[0], tuple)

    def wait(self, timeout: float | None = None) -> v1.Service:
        return run(converged(WANTED, timeout, 5.0, lambda: self.now), self.perform)


DONE = (0.0, skep.Progress(9, 9))


def shown(after: float, found: v1.Service) -> list[Any]:
    """The service changes after so many seconds."""
    return [(after, skep.Changed(found)), DONE]


def test_converged_has_to_last_and_is_read_again() -> None:
    steady = service(("CONVERGED", 7, 1))
    play = Play((0.0, skep.Reset([steady])), DONE, (3.0, skep.Progress(10, 10)), steady)
    assert play.wait() == steady
    assert play.reads == [105.0], "an empty frame is no break"
    other = service(("CONVERGED", 7, 1), running=2)
    play = Play(*shown(0, steady), *shown(3, other), other)
    assert play.wait() == other
    assert play.reads == [105.0], "what else changes is no break"


def test_a_break_begins_the_time_anew() -> None:
    first, then = service(("CONVERGED", 7, 1)), service(("CONVERGED", 7, 4))
    play = Play(*shown(0, first), *shown(3, service()), *shown(1, first), then, then)
    assert play.wait() == then
    # The first read shows a break that the watch has not told of.
    assert play.reads == [109.0, 114.0]
    other = service(("CONVERGED", 8, 1))
    play = Play(*shown(0, first), *shown(3, other), other)
    assert play.wait() == other
    assert play.reads == [108.0], "another spec is another claim"


def test_a_read_that_fails_proves_nothing() -> None:
    steady = service(("CONVERGED", 7, 1))
    lost, busy = Error(Code.UNKNOWN, "lost"), Error(Code.UNAVAILABLE, "no", "NO_QUORUM")
    play = Play(*shown(0, steady), lost, busy, steady)
    assert play.wait() == steady
    assert play.reads == [105.0, 110.0, 115.0]
    refused = Error(Code.PERMISSION_DENIED, "no", "ROLE_REQUIRED")
    with pytest.raises(Error) as told:
        Play(*shown(0, steady), refused).wait()
    assert told.value is refused


def test_what_has_no_task_that_runs_needs_no_time() -> None:
    done = service(("CONVERGED", 7, 1), running=0)
    play = Play(*shown(0, done))
    assert play.wait() == done
    assert play.reads == []


def test_stalled_counts_while_it_holds_too() -> None:
    stalled = service(("STALLED", 7, 2))
    with pytest.raises(Error) as told:
        Play(*shown(0, service(("CONVERGED", 7, 1))), *shown(2, stalled)).wait()
    assert told.value.reason == "ROLLED_BACK"


def test_a_timeout_before_the_time_is_held_is_a_timeout() -> None:
    play = Play(*shown(0, service(("CONVERGED", 7, 1))), Error(Code.UNAVAILABLE, "no"))
    with pytest.raises(Error) as told:
        play.wait(4.0)
    assert (told.value.reason, play.now) == ("NOT_CONVERGED", 104.0)
