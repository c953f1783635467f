# SPDX-License-Identifier: Apache-2.0
"""The blocking client behind the face of that for asyncio, so that the driver is written once: what
would block is done in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import skep

POOL = ThreadPoolExecutor(64)
"""More than a scenario does at a time."""

END = object()
"""What a stream gives after its last item."""


def in_thread(function: Callable[..., Any], *args: Any, **options: Any) -> asyncio.Future[Any]:
    """Calls a function that blocks."""
    loop = asyncio.get_running_loop()
    return loop.run_in_executor(POOL, lambda: function(*args, **options))


async def connect(host: str | None) -> Any:
    """Connects as `skep.connect` does."""
    return Threaded(await in_thread(skep.connect, host))


class Threaded:
    """A client or a stub: its methods are to be awaited, what it streams has to be iterated over
    asynchronously."""

    def __init__(self, blocking: Any) -> None:
        self.blocking = blocking

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.blocking, name)
        if not callable(found):
            return Threaded(found)
        if name.startswith(("watch_", "Watch", "Stream")):
            return lambda *args, **options: Stream(found(*args, **options))
        return lambda *args, **options: in_thread(found, *args, **options)


class Stream:
    """A watch or the answers of a call. Whoever is cancelled while waiting for the next one loses
    nothing."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.reading: asyncio.Future[Any] | None = None

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        if self.reading is None:
            self.reading = in_thread(next, self.stream, END)
        await asyncio.wait({self.reading})
        reading, self.reading = self.reading, None
        if reading.result() is END:
            raise StopAsyncIteration
        return reading.result()

    def cancel(self) -> None:
        """Ends the call."""
        self.stream.cancel()

    async def close(self) -> None:
        """Ends the watch."""
        await in_thread(self.stream.close)
