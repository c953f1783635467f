# SPDX-License-Identifier: Apache-2.0
"""Both clients, behind one face: every test of behaviour runs with each of them."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake import Fake, serve

import skep
import skep.aio

LIMIT_SECONDS = 30
"""Ten times what anything here should take."""


class Either:
    """A client of one kind, to be used in a blocking way."""

    def __init__(self, is_async: bool) -> None:
        self.is_async = is_async
        self.loop = asyncio.new_event_loop()
        self.client: Any = None

    def do(self, ask: Callable[[], Any]) -> Any:
        """Does it, and waits for it."""
        if not self.is_async:
            return ask()

        async def wait() -> Any:
            answer = ask()
            return await answer if inspect.isawaitable(answer) else answer

        return self.loop.run_until_complete(asyncio.wait_for(wait(), LIMIT_SECONDS))

    def connect(self, host: str | None) -> Any:
        """Connects."""
        connect = skep.aio.connect if self.is_async else skep.connect
        self.client = self.do(lambda: connect(host))
        return self.client

    def next(self, watch: Any) -> Any:
        """The next event of a watch."""
        return self.do(watch.__anext__ if self.is_async else watch.__next__)

    def close(self) -> None:
        """Closes it."""
        if self.client:
            self.do(self.client.close)
        self.loop.close()


@pytest.fixture(params=[False, True], ids=["blocking", "asyncio"])
def either(request: pytest.FixtureRequest) -> Iterator[Either]:
    """A client of each kind, not connected."""
    either = Either(request.param)
    yield either
    either.close()
    either.client = None
    gc.collect()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[tuple[Fake, str]]:
    """A server, and its host."""
    played = Fake()
    with serve(played, tmp_path / "s.sock") as host:
        yield played, host
