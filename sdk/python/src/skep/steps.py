# SPDX-License-Identifier: Apache-2.0
"""Logic that is written once for the blocking and the asyncio client.

What the two differ in is how they wait. So an edit, a wait, or a step of a watch is a generator
that does no IO: it yields what it wants to be done, gets the answer or the `Error` back where it
stands, and returns its result. Each client performs the wishes in its own way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from skep.errors import Error

W = TypeVar("W")
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """Call a method; the answer is its response."""

    service: str
    """The member of the client: `services`."""
    method: str
    """The method of its stub: `GetService`."""
    request: Message
    timeout: float | None = None
    """Seconds; None: the usual ones."""


@dataclass(frozen=True)
class Next:
    """Read the next event of the watch; the answer is None if there was none in time."""

    timeout: float
    """Seconds."""


@dataclass(frozen=True)
class Sleep:
    """Wait."""

    seconds: float


def run(steps: Generator[W, Any, T], perform: Callable[[W], Any]) -> T:
    """Performs what steps wish for, to their end."""
    try:
        wish = next(steps)
        while True:
            try:
                answer = perform(wish)
            except Error as error:
                wish = steps.throw(error)
            else:
                wish = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


async def run_async(steps: Generator[W, Any, T], perform: Callable[[W], Awaitable[Any]]) -> T:
    """Performs what steps wish for, to their end."""
    try:
        wish = next(steps)
        while True:
            try:
                answer = await perform(wish)
            except Error as error:
                wish = steps.throw(error)
            else:
                wish = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
