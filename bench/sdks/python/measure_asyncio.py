# SPDX-License-Identifier: Apache-2.0
"""Measures what the SDK for Python costs over its own stubs with asyncio. See measure.py."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio

import skep
import skep.aio
from measure import COMPILE_SECONDS, SERVICE, WARM_UP_SECONDS, prepare, tell
from skep import v1

Once = Callable[[], Awaitable[int]]


async def main(row: str, seconds: float, rounds: int) -> None:
    """Measures one row: bare, SDK, bare, SDK, ..., bare."""
    host = os.environ["SKEP_HOST"]
    with skep.connect(host) as blocking:
        read = prepare(blocking)
    first, last = read.service.meta.create_revision, read.revision
    options = [("grpc.default_authority", "localhost")]
    async with (
        skep.aio.connect(host) as client,
        grpc.aio.insecure_channel(host, options) as channel,
    ):
        if row == "watch":
            watches = v1.WatchServiceStub(channel)
            bare: Once = lambda: follow_bare(watches, first, last)  # noqa: E731
            sdk: Once = lambda: follow_sdk(client, first, last)  # noqa: E731
        elif row in ("get-1", "get-16"):
            bare, sdk = get_once(v1.ServiceServiceStub(channel)), get_once(client.services)
        else:
            sys.exit(f"there is no row {row!r}; there are get-1, get-16, watch")
        callers = 16 if row == "get-16" else 1
        await repeat(callers, bare, COMPILE_SECONDS)
        await repeat(callers, sdk, COMPILE_SECONDS)
        for side, once in [("bare", bare), ("sdk", sdk)] * rounds + [("bare", bare)]:
            await repeat(callers, once, WARM_UP_SECONDS)
            began, cpu = time.monotonic(), time.process_time()
            tell(side, await repeat(callers, once, seconds), began, cpu)


async def repeat(callers: int, once: Once, length: float) -> int:
    """Lets callers do something over and over, and sums up."""
    until = time.monotonic() + length

    async def caller() -> int:
        count = 0
        while time.monotonic() < until:
            count += await once()
        return count

    return sum(await asyncio.gather(*(caller() for _ in range(callers))))


def get_once(stub: Any) -> Once:
    """Reads the service."""

    async def once() -> int:
        await stub.GetService(v1.GetServiceRequest(service=SERVICE))
        return 1

    return once


async def follow_bare(stub: Any, first: int, last: int) -> int:
    """Does what any program has to: it looks at each event."""
    request = v1.WatchRequest(services=v1.ServiceFilter(), after_revision=first)
    frames = stub.Watch(request)
    count = 0
    async for frame in frames:
        for event in frame.events:
            if event.service.meta.id:
                count += 1
        if frame.revision >= last:
            break
    frames.cancel()
    return count


async def follow_sdk(client: skep.aio.Client, first: int, last: int) -> int:
    """The same through the SDK."""
    count = 0
    async with client.watch_services(from_revision=first) as watch:
        async for event in watch:
            if isinstance(event, skep.Progress):
                if event.revision >= last:
                    break
            elif not isinstance(event, skep.Reset) and event.object.meta.id:
                count += 1
    return count


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
