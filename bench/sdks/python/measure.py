# SPDX-License-Identifier: Apache-2.0
"""Measures what the blocking SDK for Python costs over its own stubs. See scripts/bench-sdks.sh."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc

import skep
from skep import v1

SERVICE = "bench-sdks"
"""What is read; it is made first, so its history is what is watched."""

OTHERS = 500
"""Services that are made and removed after it: that is the history."""

COMPILE_SECONDS = 1.0
"""What goes before all, for each side: Python fits what runs often to the types it meets."""

WARM_UP_SECONDS = 0.02
"""What goes before each part."""

Once = Callable[[], int]


def main(row: str, seconds: float, rounds: int) -> None:
    """Measures one row: bare, SDK, bare, SDK, ..., bare."""
    host = os.environ["SKEP_HOST"]
    options = [("grpc.default_authority", "localhost")]
    with skep.connect(host) as client, grpc.insecure_channel(host, options) as channel:
        read = prepare(client)
        first, last = read.service.meta.create_revision, read.revision
        if row == "watch":
            watches = v1.WatchServiceStub(channel)
            bare: Once = lambda: follow_bare(watches, first, last)  # noqa: E731
            sdk: Once = lambda: follow_sdk(client, first, last)  # noqa: E731
        elif row in ("get-1", "get-16"):
            bare, sdk = get_once(v1.ServiceServiceStub(channel)), get_once(client.services)
        else:
            sys.exit(f"there is no row {row!r}; there are get-1, get-16, watch")
        callers = 16 if row == "get-16" else 1
        with ThreadPoolExecutor(callers) as pool:

            def repeat(once: Once, length: float) -> int:
                until = time.monotonic() + length
                return sum(pool.map(lambda _: repeat_until(until, once), range(callers)))

            repeat(bare, COMPILE_SECONDS)
            repeat(sdk, COMPILE_SECONDS)
            for side, once in [("bare", bare), ("sdk", sdk)] * rounds + [("bare", bare)]:
                repeat(once, WARM_UP_SECONDS)
                began, cpu = time.monotonic(), time.process_time()
                tell(side, repeat(once, seconds), began, cpu)


def tell(side: str, count: int, began: float, cpu: float) -> None:
    """Prints how much of something went a second since it began, and what CPU time of this process
    one took, in microseconds."""
    took, used = time.monotonic() - began, time.process_time() - cpu
    print(f"{side} {count / took:.1f} {used * 1e6 / count:.2f}", flush=True)  # noqa: T201


def repeat_until(until: float, once: Once) -> int:
    """What one caller does."""
    count = 0
    while time.monotonic() < until:
        count += once()
    return count


def get_once(stub: v1.ServiceServiceStub) -> Once:
    """Reads the service."""

    def once() -> int:
        stub.GetService(v1.GetServiceRequest(service=SERVICE))
        return 1

    return once


def follow_bare(stub: v1.WatchServiceStub, first: int, last: int) -> int:
    """Does what any program has to: it looks at each event."""
    request = v1.WatchRequest(services=v1.ServiceFilter(), after_revision=first)
    frames = stub.Watch(request)
    count = 0
    for frame in frames:
        for event in frame.events:
            if event.service.meta.id:
                count += 1
        if frame.revision >= last:
            break
    frames.cancel()
    return count


def follow_sdk(client: skep.Client, first: int, last: int) -> int:
    """The same through the SDK."""
    count = 0
    with client.watch_services(from_revision=first) as watch:
        for event in watch:
            if isinstance(event, skep.Progress):
                if event.revision >= last:
                    break
            elif not isinstance(event, skep.Reset) and event.object.meta.id:
                count += 1
    return count


def prepare(client: skep.Client) -> v1.GetServiceResponse:
    """Makes what is measured, unless it is there."""
    read = v1.GetServiceRequest(service=SERVICE)
    try:
        return client.services.GetService(read)
    except skep.Error as error:
        if not error.is_(v1.ERROR_REASON_OBJECT_NOT_FOUND):
            raise
    create(client, SERVICE)
    for number in range(OTHERS):
        create(client, f"{SERVICE}-{number}")
        client.services.DeleteService(v1.DeleteServiceRequest(service=f"{SERVICE}-{number}"))
    return client.services.GetService(read)


def create(client: skep.Client, name: str) -> None:
    """Makes a service without tasks: they would change while it is measured."""
    spec = v1.ServiceSpec(
        name=name,
        labels={"app": "bench", "tier": "web"},
        replicated=v1.Replicated(replicas=0),
        template=v1.TaskTemplate(process=v1.Process(command=["/bin/sleep", "600"])),
    )
    client.services.CreateService(v1.CreateServiceRequest(spec=spec))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
