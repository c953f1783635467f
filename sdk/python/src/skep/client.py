# SPDX-License-Identifier: Apache-2.0
"""The blocking client. Its twin for asyncio is `skep.aio`."""

from __future__ import annotations

import atexit
import math
import queue
import socket
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import grpc
from google.protobuf.message import Message
from typing_extensions import Self

from skep import context as contexts
from skep import v1
from skep.context import Address
from skep.dial import Dial, NotSpokenError, first_that_answers
from skep.edit import Edited, edit
from skep.errors import Code, Error, closed
from skep.layer import BlockingCalls, Connection
from skep.policy import DIAL_SECONDS, channel_options
from skep.steps import Call, Next, Sleep, run
from skep.wait import STABLE_SECONDS, converged
from skep.watch import Drop, Event, Filter, Follower, Kind, Open, Read, Wish

T = TypeVar("T")


_open_clients: weakref.WeakSet[Client] = weakref.WeakSet()


@atexit.register
def _close_open_clients() -> None:
    """Closes what was left open, or gRPC may keep the process from ending."""
    for client in list(_open_clients):
        client.close()


def connect(host: str | None = None, *, context: str | None = None) -> Client:
    """Connects to a daemon: at `host`, which is `unix:///path` or `http://host:port`; else where
    `SKEP_HOST` says, unless a `context` is named; else at the first address of the context that
    answers: the one named, that of `SKEP_CONTEXT`, the current one of
    `~/.config/skep/config.json`, or this machine's sockets. An address has 5 s to answer.

        with skep.connect() as client:
            print(client.daemon.GetDaemon(v1.GetDaemonRequest()).daemon.version)

    Raises Error: no daemon there, no permission on its socket, a bad host, an unknown context.
    """
    return run(first_that_answers(contexts.choose(host, context)), _dial)


def _dial(wish: Dial[Client]) -> Client | OSError:
    """A client, or why there is none."""
    until = time.monotonic() + DIAL_SECONDS
    try:
        _knock(wish.address)
        return Client(_ready(wish.address, until), wish.address.host)
    except OSError as error:
        return error


def _knock(address: Address) -> None:
    """Opens and closes a connection, because gRPC does not say why it has none."""
    if not address.socket:
        socket.create_connection((address.name, address.port), DIAL_SECONDS).close()
        return
    with socket.socket(socket.AF_UNIX) as knock:
        knock.settimeout(DIAL_SECONDS)
        knock.connect(address.socket)


def _ready(address: Address, until: float) -> grpc.Channel:
    """A channel that is connected."""
    channel = grpc.insecure_channel(address.target, channel_options(address))
    states: queue.SimpleQueue[grpc.ChannelConnectivity] = queue.SimpleQueue()
    channel.subscribe(states.put, try_to_connect=True)
    try:
        while True:
            state = states.get(timeout=max(0.0, until - time.monotonic()))
            if state is grpc.ChannelConnectivity.READY:
                return channel
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                raise NotSpokenError
    except queue.Empty:
        channel.close()
        raise TimeoutError from None
    except NotSpokenError:
        channel.close()
        raise
    finally:
        channel.unsubscribe(states.put)


class Client:
    """A connection to a daemon, made by `connect`. Threads may share it. When the connection
    breaks, the next call makes a new one.

    Its members are the generated stubs. Under them every call gets a deadline of 60 s unless it is
    given a `timeout`, every change a `request_id`, and what failed with UNAVAILABLE is repeated up
    to four times with the same one. What fails raises `skep.Error`.
    """

    def __init__(self, channel: grpc.Channel, host: str) -> None:
        """Use `connect`."""
        self._channel = channel
        self._connection = Connection(host)
        self._open_watches: weakref.WeakSet[Watch[Any]] = weakref.WeakSet()
        self._lock = threading.Lock()
        _open_clients.add(self)
        # The stubs make their methods of it and ask for no more.
        calls = cast("grpc.Channel", BlockingCalls(channel, self._connection))
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

    def close(self) -> None:
        """Ends all calls and watches and lets go of the connection, at once. No thread stays."""
        with self._lock:
            self._connection.is_closed = True
            watches = list(self._open_watches)
        for watch in watches:
            watch.close()
        self._channel.close()
        _open_clients.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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

    def wait_converged(
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
        NOT_CONVERGED.
        """
        with self.watch_services(v1.ServiceFilter(services=[service.meta.id])) as watch:

            def perform(wish: Call | Next) -> Any:
                return self._call(wish) if isinstance(wish, Call) else watch._next(wish.timeout)

            return run(converged(service, timeout, stable_for), perform)

    def edit_service(
        self, service: str, change: Callable[[v1.ServiceSpec], object]
    ) -> Edited[v1.Service]:
        """Changes a service, named by id or name: reads it, lets `change` change its spec, and
        sends what differs, if no one else has changed the spec meanwhile; else it starts over. So
        `change` may run several times, on the newest spec each time, and must come to the same
        end; that is why it is a function and not the body of a `with`, which runs once.

        Raises Error: those of GetService and UpdateService; SPEC_REVISION_MISMATCH only if others
        win ten times in a row.
        """
        return self._run(edit("services", "Service", {"service": service}, change))

    def edit_node(self, node: str, change: Callable[[v1.NodeSpec], object]) -> Edited[v1.Node]:
        """Changes a node, named by id or name. See `edit_service`."""
        return self._run(edit("nodes", "Node", {"node": node}, change))

    def edit_swarm(self, change: Callable[[v1.SwarmSpec], object]) -> Edited[v1.Swarm]:
        """Changes the settings of the swarm. See `edit_service`."""
        return self._run(edit("swarm", "Swarm", {}, change))

    def _run(self, steps: Generator[Call | Sleep, Any, T]) -> T:
        def perform(wish: Call | Sleep) -> Any:
            return self._call(wish) if isinstance(wish, Call) else time.sleep(wish.seconds)

        return run(steps, perform)

    def _call(self, call: Call) -> Message:
        method = getattr(getattr(self, call.service), call.method)
        answer: Message = method(call.request, timeout=call.timeout)
        return answer


class Watch(Generic[Kind]):
    """The events of a watch, to be iterated over. One thread at a time may do so.

    It ends when it is closed, and with an `Error` that repeating cannot cure, such as a filter
    that is refused. What is left to the garbage collector closes itself.
    """

    def __init__(
        self, client: Client, kind: type[Kind], filter: Filter | None, from_revision: int
    ) -> None:
        """Use `Client.watch_tasks` and its siblings."""
        self._client = client
        self._follower = Follower(kind, filter, from_revision)
        self._frames: _Frames | None = None
        self._closed = threading.Event()
        with client._lock:
            client._open_watches.add(self)
            if client._connection.is_closed:
                self._closed.set()

    @property
    def revision(self) -> int:
        """The last revision whose `Progress` was given out: where a later watch may go on."""
        return self._follower.revision

    def __iter__(self) -> Iterator[Event[Kind]]:
        return self

    def __next__(self) -> Event[Kind]:
        try:
            while True:
                event = self._next(math.inf)
                if event is not None:
                    return event
        except _ClosedError:
            raise StopIteration from None

    def _next(self, timeout: float) -> Event[Kind] | None:
        """The next event; None if there was none in time."""
        try:
            if self._closed.is_set():
                raise _ClosedError
            event = self._follower.event_at_hand()
            if event is not None:
                return event
            return run(self._follower.next_event(timeout), self._perform)
        except _ClosedError:
            if self._client._connection.is_closed:
                raise closed() from None
            raise

    def _perform(self, wish: Wish) -> v1.WatchResponse | None:
        if self._closed.is_set():
            raise _ClosedError
        match wish:
            case Open(request):
                self._frames = _Frames(self._client.watches.Watch(request))
                if self._closed.is_set():
                    self._drop()
            case Read(timeout) if self._frames:
                return self._frames.next(timeout)
            case Drop():
                self._drop()
            case Sleep(seconds):
                self._closed.wait(seconds)
        return None

    def _drop(self) -> None:
        frames, self._frames = self._frames, None
        if frames:
            frames.close()

    def close(self) -> None:
        """Ends it at once; a thread that iterates over it comes to its end."""
        self._closed.set()
        self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Not close: whoever collects garbage may hold a lock that the thread to be joined needs.
        if self._frames:
            self._frames.cancel()


class _ClosedError(Exception):
    """The watch is closed."""


class _Frames:
    """A stream of frames that can be waited for with a time limit. That needs a thread, as gRPC's
    own iterator has no time limit. It reads one frame ahead and no more, so that a slow reader
    holds the server back instead of filling the memory."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._ahead = threading.Semaphore(1)
        self._frames: queue.SimpleQueue[v1.WatchResponse | Error] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, name="skep-watch", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for frame in self._call:
                self._ahead.acquire()
                self._frames.put(frame)
            self._frames.put(Error(Code.UNAVAILABLE, "the server ended the watch"))
        except Error as error:
            self._frames.put(error)

    def next(self, timeout: float) -> v1.WatchResponse | None:
        """The next frame; None if there was none in time. Raises Error once the stream ends."""
        try:
            frame = self._frames.get(timeout=min(timeout, threading.TIMEOUT_MAX))
        except queue.Empty:
            return None
        self._ahead.release()
        if isinstance(frame, Error):
            raise frame
        return frame

    def cancel(self) -> None:
        """Ends the stream."""
        self._call.cancel()
        self._ahead.release()

    def close(self) -> None:
        """Ends the stream and its thread."""
        self.cancel()
        self._thread.join()
