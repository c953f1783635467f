# SPDX-License-Identifier: Apache-2.0
"""The conformance driver of the SDK for Python: it does what the lines on its standard input ask
for, by the public surface of `skep.aio` alone, and answers each with a line on its standard output.

SKEP_DRIVER_BLOCKING=1 has it use the blocking client instead, in threads. SKEP_DRIVER_FAULT plants
a fault, which the scenarios have to find: see faults.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

import skep
import skep.aio
from skep import v1

import threads
from faults import Faults

LINE_BYTES_MAX = 64 * 1024 * 1024
"""A request of the API is at most 4 MiB, and longer as JSON."""

TIMEOUT_MS = 10_000
"""How long something may take if it is not said."""

Asked = dict[str, Any]


class Driver:
    """What is open."""

    def __init__(self, connect: Callable[[str | None], Any], faults: Faults) -> None:
        self.make = connect
        self.faults = faults
        self.client: skep.aio.Client | None = None
        self.watches: dict[str, skep.aio.Watch[Any]] = {}

    def connected(self) -> skep.aio.Client:
        """The client."""
        if self.client is None:
            raise ValueError("connect comes first")
        return self.client

    async def connect(self, asked: Asked) -> Asked:
        """Makes the client."""
        client = await self.make(asked.get("host"))
        if self.client:
            await self.client.close()
        self.client = client
        self.faults.plant(getattr(client, "blocking", client))
        return {}

    async def call(self, asked: Asked) -> Asked:
        """Calls a method with one answer."""
        method, request = self.method(asked)
        timeout = seconds(asked, None)
        answer = await self.faults.call(lambda: method(request, timeout=timeout))
        return {"response": MessageToDict(answer)}

    async def stream(self, asked: Asked) -> Asked:
        """Gives what a stream sends until there is enough of it, or its time is over."""
        method, request = self.method(asked)
        responses: list[Asked] = []
        call = method(request)

        async def read() -> None:
            async for response in call:
                responses.append(MessageToDict(response))
                if len(responses) == asked.get("max"):
                    raise asyncio.TimeoutError

        try:
            # A time limit of the driver: a stream has none.
            await asyncio.wait_for(read(), seconds(asked, TIMEOUT_MS))
        except asyncio.TimeoutError:
            call.cancel()
            return {"responses": responses, "ended": False}
        return {"responses": responses, "ended": True}

    def method(self, asked: Asked) -> tuple[Any, Message]:
        """A method of a stub, and the request for it."""
        client = self.connected()
        service, _, name = asked["method"].partition("/")
        stubs = {
            "DaemonService": client.daemon,
            "SwarmService": client.swarm,
            "NodeService": client.nodes,
            "ServiceService": client.services,
            "TaskService": client.tasks,
            "WatchService": client.watches,
            "LogService": client.logs,
        }
        request = getattr(v1, f"{name}Request")()
        return getattr(stubs[service], name), ParseDict(asked.get("request") or {}, request)

    async def watch_open(self, asked: Asked) -> Asked:
        """Begins a watch."""
        client, revision = self.connected(), int(asked.get("from_revision") or 0)
        watch: Callable[..., skep.aio.Watch[Any]]
        wanted: Any
        match asked["kind"]:
            case "tasks":
                watch, wanted = client.watch_tasks, v1.TaskFilter()
            case "services":
                watch, wanted = client.watch_services, v1.ServiceFilter()
            case "nodes":
                watch, wanted = client.watch_nodes, v1.NodeFilter()
            case other:
                raise ValueError(f"there is no kind {other!r} to watch")
        ParseDict(asked.get("filter") or {}, wanted)
        self.faults.begins_after(revision)
        self.watches[asked["watch"]] = watch(wanted, from_revision=revision)
        return {}

    async def watch_next(self, asked: Asked) -> Asked:
        """Waits for an event. Giving up in the middle loses none."""
        watch = self.watches[asked["watch"]]
        next_event = self.faults.next_event(watch)
        try:
            event = await asyncio.wait_for(next_event, seconds(asked, TIMEOUT_MS))
        except asyncio.TimeoutError:
            return {"timeout": True}
        return {"event": tell_event(event)}

    async def watch_close(self, asked: Asked) -> Asked:
        """Ends a watch."""
        await self.watches.pop(asked["watch"]).close()
        return {}

    async def wait(self, asked: Asked) -> Asked:
        """Waits for a service, named by id or name."""
        client = self.connected()
        request = v1.GetServiceRequest(service=asked["service"])
        found = (await client.services.GetService(request)).service
        stable_for = asked.get("stable_for_ms")
        options = {} if stable_for is None else {"stable_for": stable_for / 1000}
        service = await client.wait_converged(found, seconds(asked, None), **options)
        return {"service": MessageToDict(service)}

    async def edit(self, asked: Asked) -> Asked:
        """Sets members of a spec by their paths in its proto JSON; null takes one away."""

        def change(spec: Message) -> None:
            for path, value in asked["set"].items():
                set_in(spec, path.split("."), value)

        client = self.connected()
        edited: skep.Edited[Any]
        match asked["kind"]:
            case "service":
                edited = await client.edit_service(asked["name"], change)
            case "node":
                edited = await client.edit_node(asked["name"], change)
            case "swarm":
                edited = await client.edit_swarm(change)
            case other:
                raise ValueError(f"there is no kind {other!r} to edit")
        found = MessageToDict(edited.object)
        return {"changed": edited.changed, "revision": str(edited.revision), "object": found}

    async def close(self, _: Asked) -> Asked:
        """Closes the client."""
        await self.connected().close()
        return {}

    async def serve(self, asked: Asked) -> None:
        """Does what is asked and answers."""
        ops = {
            "connect": self.connect,
            "call": self.call,
            "stream": self.stream,
            "watch_open": self.watch_open,
            "watch_next": self.watch_next,
            "watch_close": self.watch_close,
            "wait": self.wait,
            "edit": self.edit,
            "close": self.close,
        }
        answer: Asked = {"id": asked.get("id")}
        try:
            answer["ok"] = await ops[asked["op"]](asked)
        except skep.Error as error:
            answer["error"] = tell_error(error)
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            answer["error"] = tell_error(skep.Error(skep.Code.UNKNOWN, words))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def seconds(asked: Asked, default_ms: int | None) -> float | None:
    """The time that is allowed."""
    timeout_ms = asked.get("timeout_ms") or default_ms
    return None if timeout_ms is None else timeout_ms / 1000


def set_in(message: Message, path: list[str], value: object) -> None:
    """Sets what a path of proto JSON leads to: names of fields, keys of maps, places in lists. All
    else stays as it is, also what this release does not know; null takes out what is there."""
    name, *rest = path
    fields = message.DESCRIPTOR.fields
    field = next(field for field in fields if field.json_name == name)
    members = getattr(message, field.name)
    if not rest:
        message.ClearField(field.name)
        ParseDict({name: value}, message)
    elif isinstance(members, Message):
        set_in(members, rest, value)
    elif hasattr(members, "keys"):
        members[rest[0]] = value
    else:
        set_in(members[int(rest[0])], rest[1:], value)


def tell_event(event: skep.Event[Any]) -> Asked:
    """An event as the runner reads it."""
    told: Asked = {"type": type(event).__name__.lower()}
    match event:
        case skep.Reset(objects):
            told["objects"] = [MessageToDict(found) for found in objects]
        case skep.Progress(revision, head_revision):
            told["revision"], told["head_revision"] = str(revision), str(head_revision)
        case changed:
            told["object"] = MessageToDict(changed.object)
    return told


def tell_error(error: skep.Error) -> Asked:
    """An error as the runner reads it."""
    violations = [{"field": v.field, "description": v.description} for v in error.violations]
    return {
        "code": error.code.name,
        "reason": error.reason,
        "message": error.message,
        "metadata": error.metadata,
        "violations": violations,
    }


async def main() -> None:
    """Serves the lines of standard input; they may overlap."""
    is_blocking = os.environ.get("SKEP_DRIVER_BLOCKING") == "1"
    connect = threads.connect if is_blocking else skep.aio.connect
    driver = Driver(connect, Faults(os.environ.get("SKEP_DRIVER_FAULT", "")))
    lines = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    serving: set[asyncio.Task[None]] = set()
    while line := await lines.readline():
        asked = json.loads(line)
        task = asyncio.create_task(driver.serve(asked))
        serving.add(task)
        task.add_done_callback(serving.discard)
        # What comes after these has to find what they made.
        if asked.get("op") in ("connect", "watch_open"):
            await task
    await asyncio.gather(*serving)


if __name__ == "__main__":
    asyncio.run(main())
