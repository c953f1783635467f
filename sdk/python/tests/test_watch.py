# SPDX-License-Identifier: Apache-2.0
"""A watch over broken streams, lost history and silence."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from datetime import timedelta
from typing import Any

import pytest
from conftest import LIMIT_SECONDS, Either
from fake import STAY, Fake, Refusal, frame, task

import skep
from skep import Code, Error, View, v1
from skep.watch import Follower

ADDED, CHANGED = v1.EVENT_TYPE_ADDED, v1.EVENT_TYPE_CHANGED
LEFT, DELETED = v1.EVENT_TYPE_LEFT, v1.EVENT_TYPE_DELETED


def words(event: Any) -> str:
    """Events in short: `reset a b`, `added c`, `at 7`."""
    match event:
        case skep.Reset(objects):
            return " ".join(["reset", *(found.name for found in objects)])
        case skep.Progress(revision, _):
            return f"at {revision}"
    return f"{type(event).__name__.lower()} {event.object.name}"


def after(server: Fake) -> list[int]:
    """The revisions after which frames were asked for."""
    return [asked.after_revision for asked in server.asked["Watch"]]


def test_a_watch_goes_on_after_the_last_whole_step(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    server.script(
        "Watch",
        # Half a step, then the stream ends: it must come again, whole.
        [frame(3, (ADDED, "a")), frame(0, (CHANGED, "a"))],
        [Refusal(Code.UNKNOWN, message="error reading a body from connection")],
        [frame(4, (CHANGED, "a"), (ADDED, "b"))],
        [Refusal(Code.OUT_OF_RANGE, "REVISION_COMPACTED")],
        [frame(9, (ADDED, "c")), frame(10, (DELETED, "c")), STAY],
    )
    watch = either.connect(host).watch_tasks(v1.TaskFilter(services=["web"]))
    seen = [words(either.next(watch)) for _ in range(9)]
    assert seen == [
        "reset a",
        "at 3",
        "changed a",
        "added b",
        "at 4",
        "reset c",
        "at 9",
        "deleted c",
        "at 10",
    ]
    assert after(server) == [0, 3, 3, 4, 0]
    assert all(asked.tasks.services == ["web"] for asked in server.asked["Watch"])


def test_the_first_state_comes_whole_and_an_empty_one_is_a_reset_too(
    either: Either, fake: tuple[Fake, str]
) -> None:
    server, host = fake
    later = v1.EventType.ValueType(77)
    server.script(
        "Watch",
        [
            frame(0, (ADDED, "a")),
            frame(5, (ADDED, "b")),
            frame(6, (LEFT, "a"), (later, "b")),
            frame(7),
        ],
        [Refusal(Code.OUT_OF_RANGE, "REVISION_UNKNOWN")],
        [frame(1, (ADDED, v1.Service())), STAY],
    )
    watch = either.connect(host).watch_tasks()
    seen = [words(either.next(watch)) for _ in range(8)]
    expected = ["reset a b", "at 5", "left a", "changed b", "at 6", "at 7", "reset", "at 1"]
    assert seen == expected


def test_a_revision_may_be_kept_and_given_back(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("Watch", [frame(3, (ADDED, "a")), frame(4, (CHANGED, "a")), STAY])
    watch = client.watch_tasks()
    assert [words(either.next(watch)) for _ in range(3)] == ["reset a", "at 3", "changed a"]
    assert watch.revision == 3, "the step of 4 has not been given out whole"
    server.script("Watch", [frame(4, (CHANGED, "a")), STAY])
    later = client.watch_tasks(from_revision=watch.revision)
    assert [words(either.next(later)) for _ in range(2)] == ["changed a", "at 4"]
    assert (after(server), later.revision) == ([0, 3], 4)


def test_a_refused_filter_ends_the_watch(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    server.script("Watch", [Refusal(Code.INVALID_ARGUMENT, "INVALID_FIELD")])
    watch = either.connect(host).watch_nodes()
    with pytest.raises(Error) as told:
        either.next(watch)
    assert told.value.is_(v1.ERROR_REASON_INVALID_FIELD)


def test_a_busy_server_is_asked_again(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    busy = Refusal(Code.UNAVAILABLE, "NO_QUORUM")
    server.script("Watch", [frame(3)], *[[busy]] * 6, [frame(4), STAY])
    watch = either.connect(host).watch_services()
    assert [words(either.next(watch)) for _ in range(3)] == ["reset", "at 3", "at 4"]


def test_a_watch_that_is_closed_comes_to_its_end(fake: tuple[Fake, str]) -> None:
    server, host = fake
    server.script("Watch", [frame(3), STAY])
    seen: list[str] = []
    with skep.connect(host) as client:
        watch = client.watch_tasks()
        has_all = threading.Event()

        def read() -> None:
            for event in watch:
                seen.append(words(event))
                if isinstance(event, skep.Progress):
                    has_all.set()

        reader = threading.Thread(target=read)
        reader.start()
        assert has_all.wait(LIMIT_SECONDS)
        assert server.open_watches.acquire(timeout=LIMIT_SECONDS)
        watch.close()
        reader.join(LIMIT_SECONDS)
        assert not reader.is_alive()
        assert seen == ["reset", "at 3"]
        assert list(watch) == []
    assert server.ended_watches.acquire(timeout=LIMIT_SECONDS)


def test_leaving_a_loop_ends_the_stream(fake: tuple[Fake, str]) -> None:
    server, host = fake
    server.script("Watch", [frame(3), STAY])
    with skep.connect(host) as client:
        for _ in client.watch_tasks():
            assert server.open_watches.acquire(timeout=LIMIT_SECONDS)
            break
        assert server.ended_watches.acquire(timeout=LIMIT_SECONDS)


def test_cancelling_a_task_loses_nothing(fake: tuple[Fake, str]) -> None:
    server, host = fake
    said = threading.Event()

    def later() -> v1.WatchResponse:
        said.wait(LIMIT_SECONDS)
        return frame(4, (ADDED, "a"))

    server.script("Watch", [frame(3), later, STAY])

    async def main() -> None:
        async with skep.aio.connect(host) as client:
            async with client.watch_tasks() as watch:
                assert words(await watch.__anext__()) == "reset"
                assert words(await watch.__anext__()) == "at 3"
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(watch.__anext__(), 0.01)
                said.set()
                assert words(await watch.__anext__()) == "added a"
                assert len(server.asked["Watch"]) == 1, "on the same stream"
            assert [event async for event in watch] == []

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


def test_what_was_read_is_not_told_after_the_end(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    server.script("Watch", [frame(3), STAY])
    watch = either.connect(host).watch_tasks()
    assert words(either.next(watch)) == "reset"
    either.do(watch.close)
    for _ in range(2):
        with pytest.raises(StopAsyncIteration if either.is_async else StopIteration):
            either.next(watch)
    assert watch.revision == 0


def test_silence_is_a_broken_connection(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    server.script("Watch", [frame(3), STAY], [STAY], [frame(4), STAY])
    watch = either.connect(host).watch_tasks(progress_interval=0.1)
    assert [words(either.next(watch)) for _ in range(3)] == ["reset", "at 3", "at 4"]
    assert after(server) == [0, 3, 3]
    assert server.asked["Watch"][0].progress_interval.ToTimedelta() == timedelta(seconds=0.1)


def test_a_server_has_the_time_to_refuse_an_interval() -> None:
    for interval, silence in ((0.001, 1), (0.1, 1), (2, 6), (None, 15)):
        assert Follower(v1.Task, None, 0, interval).silence_seconds == silence


def test_silence_adds_up_while_others_wait_their_turn(fake: tuple[Fake, str]) -> None:
    server, host = fake
    server.script("Watch", [frame(3), STAY], [frame(4), STAY])

    async def main() -> None:
        async with skep.aio.connect(host) as client:
            watch = client.watch_tasks(progress_interval=0.2)
            seen: list[str] = []
            while len(seen) < 3:
                # Whoever gives up after less than the silence that is borne must notice it too.
                with contextlib.suppress(asyncio.TimeoutError):
                    seen.append(words(await asyncio.wait_for(watch.__anext__(), 0.1)))
            assert seen == ["reset", "at 3", "at 4"]

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


def test_a_view_follows_its_watch() -> None:
    view: View[v1.Task] = View()
    view.apply(skep.Reset([task("a"), task("b")]))
    view.apply(skep.Progress(4, 4))
    view.apply(skep.Added(task("c")))
    changed = task("a")
    changed.slot = 2
    view.apply(skep.Changed(changed))
    view.apply(skep.Left(task("b")))
    view.apply(skep.Deleted(task("z")))
    assert {name: found.slot for name, found in view.objects.items()} == {"a": 2, "c": 0}
    assert view.revision == 4
    view.apply(skep.Reset([]))
    assert view.objects == {}
