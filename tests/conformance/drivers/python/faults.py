# SPDX-License-Identifier: Apache-2.0
"""Bugs that an SDK could have, planted on order: the scenarios have to find each.

drop_event: of each watch, the third change is lost.
resume_late: a watch that lost its connection goes on one revision too late.
forget_request_id: a change that is repeated has another `request_id` each time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest import mock

import grpc
import grpc.aio

import skep
import skep.aio
from skep import v1

DROPPED = 3
"""Which change is lost."""

ATTEMPTS_MAX = 10
"""How often a call is made."""

PAUSE_SECONDS = 0.2
"""Between two attempts."""


class Faults:
    """The fault that this driver has; empty: none."""

    def __init__(self, fault: str) -> None:
        if fault not in ("", "drop_event", "resume_late", "forget_request_id"):
            raise ValueError(f"there is no fault {fault!r}")
        self.fault = fault
        self.changes: Counter[int] = Counter()
        self.begun = {0}
        if fault == "forget_request_id":
            # gRPC repeats a call below the SDK, with the same request_id: not with this fault.
            for module in (grpc, grpc.aio):
                make = without_retries(module.insecure_channel)
                mock.patch.object(module, "insecure_channel", make).start()

    def plant(self, client: skep.Client | skep.aio.Client) -> None:
        """Takes hold of a client."""
        if self.fault != "resume_late":
            return
        watch: Any = client.watches.Watch

        def late(request: v1.WatchRequest, **options: Any) -> Any:
            changed = v1.WatchRequest()
            changed.CopyFrom(request)
            if request.after_revision not in self.begun:
                changed.after_revision += 1
            return watch(changed, **options)

        mock.patch.object(client.watches, "Watch", late).start()

    def begins_after(self, revision: int) -> None:
        """A watch is asked to begin after this revision, so that is not late."""
        self.begun.add(revision)

    async def call(self, make: Callable[[], Any]) -> Any:
        """Makes a call, in whatever way the fault has it."""
        attempts = ATTEMPTS_MAX if self.fault == "forget_request_id" else 1
        for left in reversed(range(attempts)):
            try:
                return await make()
            except skep.Error as error:
                if error.code is not skep.Code.UNAVAILABLE or not left:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)
        raise AssertionError("the last attempt returns or raises")

    async def next_event(self, watch: skep.aio.Watch[Any]) -> skep.Event[Any]:
        """The next event of a watch that the fault lets through."""
        while True:
            event = await watch.__anext__()
            if self.fault != "drop_event" or isinstance(event, (skep.Reset, skep.Progress)):
                return event
            self.changes[id(watch)] += 1
            if self.changes[id(watch)] != DROPPED:
                return event


def without_retries(channel: Callable[..., Any]) -> Callable[..., Any]:
    """What makes channels that repeat nothing."""

    def make(target: str, options: list[tuple[str, Any]], **others: Any) -> Any:
        kept = [option for option in options if option[0] != "grpc.service_config"]
        return channel(target, [*kept, ("grpc.enable_retries", 0)], **others)

    return make
