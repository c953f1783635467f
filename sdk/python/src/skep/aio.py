# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio. Its twin that blocks is `skep`, with the same members.

async with skep.aio.connect() as client:
    async for event in client.watch_tasks():
        ...
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import weakref
from collections.abc import AsyncIterator, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message
from typing_extensions import Self

from skep import context as contexts
from skep import v1
from skep.context import Address
from skep.dial import Dial, NotSpokenError, first_that_answers
from skep.edit import Edited, edit
from skep.errors import Code, Error, closed
from skep.layer import AsyncCalls, Connection
from skep.policy import DIAL_SECONDS, channel_options
from skep.steps import Call, Next, Sleep, run_async
from skep.wait import STABLE_SECONDS, converged
from skep.watch import Drop, Event, Filter, Follower, Kind, Open, Read, Wish

if TYPE_CHECKING:
    from skep.v1.daemon_pb2_grpc import DaemonServiceAsyncStub
    from skep.v1.log_pb2_grpc import LogServiceAsyncStub
    from skep.v1.node_pb2_grpc import NodeServiceAsyncStub
    from skep.v1.service_pb2_grpc import ServiceServiceAsyncStub
    from skep.v1.swarm_pb2_grpc import SwarmServiceAsyncStub
    from skep.v1.task_pb2_grpc import TaskServiceAsyncStub
    from skep.v1.watch_pb2_grpc import WatchServiceAsyncStub

T = TypeVar("T")


def connect(host: str | None = None, *, context: str | None = None) -> Connecting:
    """Connects to a daemon, as `skep.connect` does, to be awaited or used as a context manager:
    `client = await connect()`, or `async with connect() as client:`.

    Raises Error: no daemon there, no permission on its socket, a bad host, an unknown context.
    """
    return Connecting(host, context)


class Connecting:
    """A connection that is being made."""

    def __init__(self, host: str | None, context: str | None) -> None:
        """Use `connect`."""
        self._choice = host, context
        self._client: Client | None = None

    def __await__(self) -> Generator[Any, None, Client]:
        return self._connect().__await__()

    async def _connect(self) -> Client:
        return await run_async(first_that_answers(contexts.choose(*self._choice)), _dial)

    async def __aenter__(self) -> Client:
        self._client = await self
        return self._client

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client:
            await self._client.close()


async def _dial(wish: Dial[Client]) -> Client | OSError:
    """A client, or why there is none."""
    until = time.monotonic() + DIAL_SECONDS
    try:
        # TimeoutError is an OSError, but asyncio has one of its own up to Python 3.10.
        await asyncio.wait_for(_knock(wish.address), DIAL_SECONDS)
        options = channel_options(wish.address)
        channel = grpc.aio.insecure_channel(wish.address.target, options)
        return Client(await _ready(channel, until), wish.address.host)
    except asyncio.TimeoutError:
        return TimeoutError()
    except OSError as error:
        return error


async def _knock(address: Address) -> None:
    """Opens and closes a connection, because gRPC does not say why it has none."""
    if address.socket:
        _, writer = await asyncio.open_unix_connection(address.socket)
    else:
        _, writer = await asyncio.open_connection(address.name, address.port)
    writer.close()


async def _ready(channel: grpc.aio.Channel, until: float) -> grpc.aio.Channel:
    """The channel once it is connected."""
    try:
        while True:
            state = channel.get_state(try_to_connect=True)
            if state is grpc.ChannelConnectivity.READY:
                return channel
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                raise NotSpokenError
            left = max(0.0, until - time.monotonic())
            await asyncio.wait_for(channel.wait_for_state_change(state), left)
    except BaseException:
        await channel.close()
        raise


class Client:
    """A connection to a daemon, made by `connect`. Tasks of one event loop may share it. When the
    connection breaks, the next call makes a new one.

    Its members are the generated stubs. Under them every call gets a deadline of 60 s unless it is
    given a `timeout`, every change a `request_id`, and what failed with UNAVAILABLE is repeated up
    to four times with the same one. What fails raises `skep.Error`.
    """

    def __init__(self, channel: grpc.aio.Channel, host: str) -> None:
        """Use `connect`."""
        self._channel = channel
        self._connection = Connection(host)
        self._open_watches: weakref.WeakSet[Watch[Any]] = weakref.WeakSet()
        # The stubs make their methods of it and ask for no more.
        calls = cast("grpc.aio.Channel", AsyncCalls(channel, self._connection))
        self.daemon: DaemonServiceAsyncStub = v1.DaemonServiceStub(calls)
        """The daemon itself: its state, founding and leaving a swarm."""
        self.swarm: SwarmServiceAsyncStub = v1.SwarmServiceStub(calls)
        """The swarm as a whole."""
        self.nodes: NodeServiceAsyncStub = v1.NodeServiceStub(calls)
        """Nodes."""
        self.services: ServiceServiceAsyncStub = v1.ServiceServiceStub(calls)
        """Services."""
        self.tasks: TaskServiceAsyncStub = v1.TaskServiceStub(calls)
        """Tasks."""
        self.watches: WatchServiceAsyncStub = v1.WatchServiceStub(calls)
        """The watch as it is on the wire. `watch_tasks` and its siblings are those that resume."""
        self.logs: LogServiceAsyncStub = v1.LogServiceStub(calls)
        """What tasks print."""

    @property
    def host(self) -> str:
        """The address this client is connected to."""
        return self._connection.host

    async def close(self) -> None:
        """Ends all calls and watches and lets go of the connection, at once."""
        self._connection.is_closed = True
        for watch in list(self._open_watches):
            await watch.close()
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def watch_tasks(
        self, filter: v1.TaskFilter | None = None, *, from_revision: int = 0
    ) -> Watch[v1.Task]:
        """Watches the tasks that match: first a `Reset` with all there are, then every change. It
        resumes by itself and does not end. `from_revision` is the `revision` of an earlier watch,
        or of any answer: then only what came after it is told."""
        return Watch(self, v1.Task, filter, from_revision)

    def watch_services(
        self, filter: v1.ServiceFilter | None = None, *, from_revision: int = 0
    ) -> Watch[v1.Service]:
        """Watches services. See `watch_tasks`."""
        return Watch(self, v1.Service, filter, from_revision)

    def watch_nodes(
        self, filter: v1.NodeFilter | None = None, *, from_revision: int = 0
    ) -> Watch[v1.Node]:
        """Watches nodes. See `watch_tasks`."""
        return Watch(self, v1.Node, filter, from_revision)

    async def wait_converged(
        self,
        service: v1.Service,
        timeout: float | None = None,
        *,
        stable_for: float = STABLE_SECONDS,
    ) -> v1.Service:
        """Waits until a service has converged and stays so. See `skep.Client.wait_converged`."""
        async with self.watch_services(v1.ServiceFilter(services=[service.meta.id])) as watch:

            async def perform(wish: Call | Next) -> Any:
                if isinstance(wish, Call):
                    return await self._call(wish)
                return await watch._next(wish.timeout)

            return await run_async(converged(service, timeout, stable_for), perform)

    async def edit_service(
        self, service: str, change: Callable[[v1.ServiceSpec], object]
    ) -> Edited[v1.Service]:
        """Changes a service, named by id or name. `change` may run several times. See
        `skep.Client.edit_service`."""
        return await self._run(edit("services", "Service", {"service": service}, change))

    async def edit_node(
        self, node: str, change: Callable[[v1.NodeSpec], object]
    ) -> Edited[v1.Node]:
        """Changes a node, named by id or name. See `edit_service`."""
        return await self._run(edit("nodes", "Node", {"node": node}, change))

    async def edit_swarm(self, change: Callable[[v1.SwarmSpec], object]) -> Edited[v1.Swarm]:
        """Changes the settings of the swarm. See `edit_service`."""
        return await self._run(edit("swarm", "Swarm", {}, change))

    async def _run(self, steps: Generator[Call | Sleep, Any, T]) -> T:
        async def perform(wish: Call | Sleep) -> Any:
            doing = self._call(wish) if isinstance(wish, Call) else asyncio.sleep(wish.seconds)
            return await doing

        return await run_async(steps, perform)

    async def _call(self, call: Call) -> Message:
        method = getattr(getattr(self, call.service), call.method)
        answer: Message = await method(call.request, timeout=call.timeout)
        return answer


class Watch(Generic[Kind]):
    """The events of a watch, to be iterated over, by one task at a time.

    It ends when it is closed, and with an `Error` that repeating cannot cure, such as a filter
    that is refused. Cancelling whoever waits for its next event loses nothing.
    """

    def __init__(
        self, client: Client, kind: type[Kind], filter: Filter | None, from_revision: int
    ) -> None:
        """Use `Client.watch_tasks` and its siblings."""
        self._client = client
        self._follower = Follower(kind, filter, from_revision)
        self._stream: Any = None
        self._reading: asyncio.Task[v1.WatchResponse] | None = None
        self._closed = asyncio.Event()
        client._open_watches.add(self)
        if client._connection.is_closed:
            self._closed.set()

    @property
    def revision(self) -> int:
        """The last revision whose `Progress` was given out: where a later watch may go on."""
        return self._follower.revision

    def __aiter__(self) -> AsyncIterator[Event[Kind]]:
        return self

    async def __anext__(self) -> Event[Kind]:
        try:
            while True:
                event = await self._next(math.inf)
                if event is not None:
                    return event
        except _ClosedError:
            raise StopAsyncIteration from None

    async def _next(self, timeout: float) -> Event[Kind] | None:
        """The next event; None if there was none in time."""
        try:
            if self._closed.is_set():
                raise _ClosedError
            event = self._follower.event_at_hand()
            if event is not None:
                return event
            return await run_async(self._follower.next_event(timeout), self._perform)
        except _ClosedError:
            if self._client._connection.is_closed:
                raise closed() from None
            raise

    async def _perform(self, wish: Wish) -> v1.WatchResponse | None:
        if self._closed.is_set():
            raise _ClosedError
        match wish:
            case Open(request):
                self._stream = self._client.watches.Watch(request)
            case Read(timeout):
                return await self._read(timeout)
            case Drop():
                self._drop()
            case Sleep(seconds):
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), seconds)
        return None

    async def _read(self, timeout: float) -> v1.WatchResponse | None:
        """The next frame; None if there was none in time. The reading goes on then, as it does
        when its caller is cancelled: to cancel it would be to end the stream."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(_next_frame(self._stream))
            self._reading.add_done_callback(_look_at)
        reading = self._reading
        done, _ = await asyncio.wait({reading}, timeout=None if timeout == math.inf else timeout)
        if self._closed.is_set():
            raise _ClosedError
        if not done:
            return None
        self._reading = None
        return reading.result()

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        reading, self._reading = self._reading, None
        if reading:
            reading.cancel()
        if stream:
            stream.cancel()

    async def close(self) -> None:
        """Ends it at once; a task that iterates over it comes to its end."""
        self._closed.set()
        reading = self._reading
        self._drop()
        if reading:
            await asyncio.wait({reading})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        # The loop may be closed already; then nothing is left to end.
        with contextlib.suppress(RuntimeError):
            self._drop()


class _ClosedError(Exception):
    """The watch is closed."""


def _look_at(reading: asyncio.Task[v1.WatchResponse]) -> None:
    """Looks at how a reading ended, or asyncio would complain that no one did."""
    if not reading.cancelled():
        reading.exception()


async def _next_frame(stream: Any) -> v1.WatchResponse:
    frame = await stream.read()
    if not isinstance(frame, v1.WatchResponse):
        raise Error(Code.UNAVAILABLE, "the server ended the watch")
    return frame
