# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio. Its twin that blocks is `skep`, with the same members.

    async with skep.aio.connect() as client:
        async for event in client.watch_tasks():
            ...

`make gen` writes the twin, `client.py`, by taking the asyncio out of this file.
"""

from __future__ import annotations

import math
import random
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, cast

import grpc
import grpc.aio
from typing_extensions import Self

from skep import v1
from skep.calls import Connection
from skep.context import choose, why_not
from skep.edit import PAUSE_MAX_SECONDS, ROUNDS_MAX, Edited, Object, update_request
from skep.errors import Code, Error, closed
from skep.io_asyncio import Calls, Connecting, Flag, Frames, dial, pause, sleep
from skep.policy import backoff_seconds
from skep.wait import CALL_SECONDS_MAX, MARGIN_SECONDS, STABLE_SECONDS, Failures, wait_request
from skep.watch import Event, Follower, Kind


def connect(host: str | None = None, *, context: str | None = None) -> Connecting[Client]:
    """Connects to a daemon: at `host`, which is `unix:///path` or `http://host:port`; else where
    `SKEP_HOST` says, unless a `context` is named; else at the first address of the context that
    answers: the one named, that of `SKEP_CONTEXT`, the current one of
    `~/.config/skep/config.json`, or this machine's sockets. An address has 5 s to answer. What is
    empty counts as not given.

        async with skep.aio.connect() as client:
            answer = await client.daemon.GetDaemon(v1.GetDaemonRequest())
            print(answer.daemon.version)

    Raises Error: no daemon there, no permission on its socket, a bad host, an unknown context.
    """
    return Connecting(_connect(host, context))


async def _connect(host: str | None, context: str | None) -> Client:
    """Connects to the first address that answers. A socket without permission ends the search:
    there is a daemon, and another is not what was meant."""
    tried = []
    for address in choose(host, context):
        try:
            return Client(await dial(address), address.host)
        except PermissionError:
            raise Error(Code.PERMISSION_DENIED, f"no permission to use {address.host}") from None
        except OSError as error:
            tried.append(f"{address.host} ({why_not(error)})")
    raise Error(Code.UNAVAILABLE, f"no skep daemon answers at {' or '.join(tried)}")


class Client:
    """A connection to a daemon, made by `connect`. Threads may share a blocking one, tasks of one
    loop one of asyncio. When the connection breaks, the next call makes a new one.

    Its members are the generated stubs. Under them every call gets a deadline of 60 s unless it is
    given a `timeout`, every change a `request_id`, and what failed with UNAVAILABLE is repeated up
    to four times with the same one. What fails raises `skep.Error`.
    """

    def __init__(self, channel: grpc.aio.Channel, host: str) -> None:
        """Use `connect`."""
        self._channel = channel
        self._connection = Connection(host)
        self._watches: weakref.WeakSet[Watch[Any]] = weakref.WeakSet()
        self._lock = threading.Lock()
        # The stubs make their methods of it and ask for no more.
        calls = cast("grpc.aio.Channel", Calls(channel, self._connection))
        self.daemon = v1.DaemonServiceStub(calls)
        """The daemon itself: its state, founding and leaving a swarm."""
        self.swarm = v1.SwarmServiceStub(calls)
        """The swarm as a whole."""
        self.nodes = v1.NodeServiceStub(calls)
        """Nodes."""
        self.services = v1.ServiceServiceStub(calls)
        """Services."""
        self.tasks = v1.TaskServiceStub(calls)
        """Tasks."""
        self.watches = v1.WatchServiceStub(calls)
        """The watch as it is on the wire. `watch_tasks` and its siblings are those that resume."""
        self.logs = v1.LogServiceStub(calls)
        """What tasks print."""

    @property
    def host(self) -> str:
        """The address this client is connected to."""
        return self._connection.host

    async def close(self) -> None:
        """Ends all calls and watches and lets go of the connection, at once. No thread stays."""
        with self._lock:
            self._connection.is_closed = True
            watches = list(self._watches)
        for watch in watches:
            await watch.close()
        self._connection.at_end()
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def watch_tasks(
        self,
        filter: v1.TaskFilter | None = None,
        *,
        from_revision: int = 0,
        progress_interval: float | None = None,
    ) -> Watch[v1.Task]:
        """Watches the tasks that match: first a `Reset` with all there are, then every change. It
        resumes by itself and does not end. `from_revision` is the `revision` of an earlier watch,
        or of any answer: then only what came after it is told. A `Progress` comes at least every
        `progress_interval` seconds, 1 to 60, or 5 if it is not given; after three without a word
        the connection is taken for lost."""
        return Watch(self, Follower(v1.Task, filter, from_revision, progress_interval))

    def watch_services(
        self,
        filter: v1.ServiceFilter | None = None,
        *,
        from_revision: int = 0,
        progress_interval: float | None = None,
    ) -> Watch[v1.Service]:
        """Watches services. See `watch_tasks`."""
        return Watch(self, Follower(v1.Service, filter, from_revision, progress_interval))

    def watch_nodes(
        self,
        filter: v1.NodeFilter | None = None,
        *,
        from_revision: int = 0,
        progress_interval: float | None = None,
    ) -> Watch[v1.Node]:
        """Watches nodes. See `watch_tasks`."""
        return Watch(self, Follower(v1.Node, filter, from_revision, progress_interval))

    async def wait_converged(
        self,
        service: v1.Service,
        timeout: float | None = None,
        *,
        stable_for: float = STABLE_SECONDS,
    ) -> v1.Service:
        """Waits until a service, as the answer to a change showed it, has converged and has stayed
        so for `stable_for` seconds; returns it as it then is. With 0 it counts at once, which a
        program that ends right after its start can pass. `timeout` is in seconds; None: for ever.

        Raises Error: FAILED_PRECONDITION if nothing more will happen by itself, with the reason of
        the condition STALLED, such as ROLLED_BACK; NOT_FOUND if the service is gone;
        DEADLINE_EXCEEDED after the timeout, with reason UNPLACED if tasks find no node, else
        NOT_CONVERGED; UNAVAILABLE after it, if managers could not serve.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        failures = Failures(service)
        while True:
            left = max(0.0, min(until - time.monotonic(), CALL_SECONDS_MAX + stable_for))
            request = wait_request(service, left, stable_for)
            try:
                done = await self.services.WaitService(request, timeout=left + MARGIN_SECONDS)
                return done.service
            except Error as error:
                failures.take(error, is_over=time.monotonic() >= until)
            pause_seconds = backoff_seconds(failures.count) if failures.count else 0.0
            await sleep(max(0.0, min(pause_seconds, until - time.monotonic())))

    async def edit_service(
        self, service: str, change: Callable[[v1.ServiceSpec], object]
    ) -> Edited[v1.Service]:
        """Changes a service, named by id or name: reads it, lets `change` change its spec, and
        sends what differs, if no one else has changed the spec meanwhile; else it starts over. So
        `change` may run several times, on the newest spec each time, and must come to the same
        end; that is why it is a function and not the body of a `with`, which runs once.

        Raises Error: those of GetService and UpdateService; SPEC_REVISION_MISMATCH only if others
        win ten times in a row.
        """
        return await self._edit(v1.Service, self.services, {"service": service}, change)

    async def edit_node(
        self, node: str, change: Callable[[v1.NodeSpec], object]
    ) -> Edited[v1.Node]:
        """Changes a node, named by id or name. See `edit_service`."""
        return await self._edit(v1.Node, self.nodes, {"node": node}, change)

    async def edit_swarm(self, change: Callable[[v1.SwarmSpec], object]) -> Edited[v1.Swarm]:
        """Changes the settings of the swarm. See `edit_service`."""
        return await self._edit(v1.Swarm, self.swarm, {}, change)

    async def _edit(
        self,
        kind: type[Object],
        stub: Any,
        reference: dict[str, str],
        change: Callable[..., object],
    ) -> Edited[Object]:
        """Requests and answers of all kinds have one shape, so they are found by its name."""
        name = kind.DESCRIPTOR.name
        for rounds_left in reversed(range(ROUNDS_MAX)):
            got = await getattr(stub, f"Get{name}")(getattr(v1, f"Get{name}Request")(**reference))
            found = getattr(got, name.lower())
            request = update_request(found, reference, change)
            if request is None:
                return Edited(found, got.revision, False)
            try:
                done = await getattr(stub, f"Update{name}")(request)
                return Edited(getattr(done, name.lower()), done.revision, True)
            except Error as error:
                if not error.is_(v1.ERROR_REASON_SPEC_REVISION_MISMATCH) or not rounds_left:
                    raise
            await sleep(random.uniform(0, PAUSE_MAX_SECONDS))
        raise AssertionError("the last round returns or raises")


class Watch(Generic[Kind]):
    """The events of a watch, to be iterated over by one thread or task at a time.

    It ends when it is closed, and with an `Error` that repeating cannot cure, such as a filter
    that is refused. To cancel a task that waits for its next event loses nothing. What is left to
    the garbage collector closes itself.
    """

    def __init__(self, client: Client, follower: Follower[Kind]) -> None:
        """Use `Client.watch_tasks` and its siblings."""
        self._client = client
        self._follower = follower
        self._events: Iterator[Event[Kind]] = iter(())
        self._frames: Frames | None = None
        self._reopen_at = 0.0
        self._closed = Flag()
        with client._lock:
            client._watches.add(self)
            if client._connection.is_closed:
                self._closed.set()

    @property
    def revision(self) -> int:
        """The last revision whose `Progress` was given out: where a later watch may go on."""
        return self._follower.revision

    def __aiter__(self) -> AsyncIterator[Event[Kind]]:
        return self

    async def __anext__(self) -> Event[Kind]:
        while True:
            # The next of what was read is handed out at once: a step may have very many events.
            for event in self._events:
                return event
            await self._read()

    async def _read(self) -> None:
        """Reads a frame, or mends what kept it from that; ends the iteration once it is closed."""
        if self._closed.is_set():
            if self._client._connection.is_closed:
                raise closed()
            raise StopAsyncIteration
        try:
            self._events = self._follower.take(await self._frame())
        except Error as error:
            await self._drop()
            if not self._closed.is_set():
                self._reopen_at = time.monotonic() + self._follower.recover(error)
        if self._closed.is_set():
            self._events = iter(())

    async def _frame(self) -> v1.WatchResponse:
        """The next frame, of a new stream if there is none."""
        frames = self._frames
        if frames is None:
            await pause(self._reopen_at - time.monotonic(), self._closed)
            call = self._client.watches.Watch(self._follower.request)
            frames = self._frames = Frames(call, self._follower.silence_seconds)
            if self._closed.is_set():
                raise closed()
        return await frames.next()

    async def _drop(self) -> None:
        frames, self._frames = self._frames, None
        if frames:
            await frames.close()

    async def close(self) -> None:
        """Ends it at once; whoever iterates over it comes to the end."""
        self._closed.set()
        # Whoever reads meanwhile looks at the flag once there are others.
        self._events = iter(())
        await self._drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __del__(self) -> None:
        # Not close: whoever collects garbage waits for nothing.
        if self._frames:
            self._frames.cancel()
