# SPDX-License-Identifier: Apache-2.0
"""Waiting: what is asked of the managers, when it is asked again, and how it ends."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import pytest
from conftest import LIMIT_SECONDS, Either
from fake import Fake, Refusal

import skep
from skep import Code, Error, v1

WANTED = v1.Service(meta=v1.Meta(id="svc_1", spec_revision=7), spec=v1.ServiceSpec(name="web"))
DONE = v1.WaitServiceResponse(service=WANTED, revision=9)
# What is asked again by the SDK itself: gRPC repeats what is UNAVAILABLE.
LOST = Refusal(Code.UNKNOWN, message="error reading a body from connection")
STOPS = Refusal(Code.UNAVAILABLE, "MANAGER_NOT_READY", "this manager stops")
LATE = Refusal(Code.DEADLINE_EXCEEDED, "NOT_CONVERGED", "1 of 2 tasks run")


def wait(
    either: Either,
    fake: tuple[Fake, str],
    *answers: Any,
    timeout: float | None = 30,
    **options: Any,
) -> tuple[v1.Service, list[v1.WaitServiceRequest]]:
    """Waits with a real client; also gives what was asked."""
    server, host = fake
    client = either.connect(host)
    server.script("WaitService", *answers)
    found = either.do(lambda: client.wait_converged(WANTED, timeout, **options))
    return found, server.asked["WaitService"]


def test_the_managers_are_asked_to_wait(either: Either, fake: tuple[Fake, str]) -> None:
    found, (asked,) = wait(either, fake, DONE, timeout=30, stable_for=1.5)
    assert found == WANTED
    assert (asked.service, asked.spec_revision) == ("svc_1", 7)
    assert asked.goal in (asked.GOAL_UNSPECIFIED, asked.GOAL_CONVERGED)
    assert asked.stable_for.ToMilliseconds() == 1500
    assert 29_000 < asked.timeout.ToMilliseconds() <= 30_000
    (deadline,) = fake[0].deadlines
    assert deadline is not None
    assert 30 < deadline < 36, "how it ended is for the server to say"


def test_what_waits_has_no_deadline_of_its_own(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("WaitService", DONE)
    either.do(lambda: client.services.WaitService(v1.WaitServiceRequest(service="web")))
    (deadline,) = server.deadlines
    assert deadline is None or deadline > 1e6


def test_a_wait_for_ever_asks_again(either: Either, fake: tuple[Fake, str]) -> None:
    found, asked = wait(either, fake, LATE, LATE, DONE, timeout=None, stable_for=3600)
    assert found == WANTED
    assert [asked.timeout.ToSeconds() for asked in asked] == [7200] * 3, "longer than it must hold"


def test_a_wait_survives_managers_and_connections(either: Either, fake: tuple[Fake, str]) -> None:
    found, asked = wait(either, fake, *[STOPS] * 6, LOST, DONE)
    assert found == WANTED
    left = [asked.timeout.ToMilliseconds() for asked in asked]
    assert left == sorted(left, reverse=True), "it is the time that is left"
    assert left[-1] < left[0]


@pytest.mark.parametrize(
    "end",
    [
        Refusal(Code.NOT_FOUND, "OBJECT_NOT_FOUND"),
        Refusal(Code.FAILED_PRECONDITION, "ROLLED_BACK"),
        Refusal(Code.UNIMPLEMENTED),
        Refusal(Code.PERMISSION_DENIED),
    ],
)
def test_what_waiting_does_not_help_with_is_told(
    either: Either, fake: tuple[Fake, str], end: Refusal
) -> None:
    with pytest.raises(Error) as told:
        wait(either, fake, LOST, end, DONE)
    assert told.value.code is end.code
    assert len(fake[0].asked["WaitService"]) == 2


def test_a_wait_that_is_over_says_what_the_server_says(
    either: Either, fake: tuple[Fake, str]
) -> None:
    with pytest.raises(Error) as told:
        wait(either, fake, LATE, timeout=0)
    assert (told.value.code, str(told.value)) == (Code.DEADLINE_EXCEEDED, "1 of 2 tasks run")


def test_a_wait_without_a_connection_says_so_in_the_end(
    either: Either, fake: tuple[Fake, str]
) -> None:
    began = time.monotonic()
    with pytest.raises(Error) as told:
        wait(either, fake, *[LOST] * 99, timeout=0.3)
    assert time.monotonic() - began < LIMIT_SECONDS
    error = told.value
    assert (error.code, error.reason) == (Code.DEADLINE_EXCEEDED, "NOT_CONVERGED")
    assert str(error).startswith("the service web did not converge in time: error reading")
    assert error.metadata == {"service": "web", "condition": "CONVERGED"}


def test_a_wait_over_which_managers_were_busy_says_what_they_said(
    either: Either, fake: tuple[Fake, str]
) -> None:
    with pytest.raises(Error) as told:
        wait(either, fake, *[STOPS] * 5, *[LOST] * 99, timeout=1.5)
    assert told.value.is_(v1.ERROR_REASON_MANAGER_NOT_READY)


def test_closing_ends_a_wait_of_another_thread(fake: tuple[Fake, str]) -> None:
    server, host = fake
    begun, end = threading.Event(), threading.Event()

    def hang() -> v1.WaitServiceResponse:
        begun.set()
        end.wait(LIMIT_SECONDS)
        return DONE

    server.script("WaitService", hang)
    told: list[Error] = []
    client = skep.connect(host)

    def read() -> None:
        try:
            client.wait_converged(WANTED, math.inf)
        except Error as error:
            told.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(LIMIT_SECONDS)
    client.close()
    reader.join(LIMIT_SECONDS)
    end.set()
    assert [str(error) for error in told] == ["the client is closed"]
