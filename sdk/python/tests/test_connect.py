# SPDX-License-Identifier: Apache-2.0
"""Where the daemon is, what is said when there is none, and what is left after closing."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import LIMIT_SECONDS, Either
from fake import STAY, Fake, frame, serve

import skep
import skep.aio
from skep import Code, Error, context, v1

ROOT = "unix:///run/skep/skep.sock"
Env = dict[str, str]


def choose(
    host: str | None = None, name: str | None = None, is_root: bool = True, env: Env | None = None
) -> list[str]:
    """The addresses that are chosen with these variables."""
    return [found.host for found in context.choose_in(host, name, is_root, env or {})]


@pytest.fixture
def config(tmp_path: Path) -> tuple[Path, Env]:
    """The file of contexts, and the variables that name it."""
    folder = tmp_path / "skep"
    folder.mkdir()
    return folder / "config.json", {"XDG_CONFIG_HOME": str(tmp_path)}


def test_the_users_own_socket_comes_before_roots() -> None:
    env = {"HOME": "/h"}
    assert choose(is_root=False, env=env) == ["unix:///h/.local/share/skep/skep.sock", ROOT]
    env["XDG_RUNTIME_DIR"] = "/run/user/7"
    assert choose(is_root=False, env=env) == ["unix:///run/user/7/skep/skep.sock", ROOT]
    assert choose(env=env) == [ROOT]
    assert choose(is_root=False) == [ROOT]


def test_what_is_given_beats_the_environment_and_it_beats_the_file(
    config: tuple[Path, Env],
) -> None:
    file, env = config
    prod = ["http://10.0.0.1:2378", "http://10.0.0.2:2378"]
    contexts = {"prod": {"hosts": prod}, "test": {"hosts": ["unix:///tmp/t.sock"]}}
    file.write_text(json.dumps({"current": "prod", "contexts": contexts}))
    assert choose(env=env) == prod
    env["SKEP_CONTEXT"] = "test"
    assert choose(env=env) == ["unix:///tmp/t.sock"]
    env["SKEP_HOST"] = "http://h:1"
    assert choose(env=env) == ["http://h:1"]
    assert choose(name="prod", env=env) == prod
    assert choose("unix:///x", "prod", env=env) == ["unix:///x"]
    assert choose(name="default", env=env) == [ROOT]
    assert choose("", "", env=env) == ["http://h:1"], "what is empty is not given"
    assert choose("", "", env={"SKEP_HOST": "", "SKEP_CONTEXT": ""}) == [ROOT]


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("{", None, "/config.json: Expecting"),
        ("[]", None, "/config.json: expected an object at its top"),
        ('{"contexts": {"a": {"hosts": "x"}}}', "a", '"a" must be a list of texts'),
        (
            '{"contexts": {"prod": {}, "none": {}}}',
            "pord",
            'there is no context "pord" in the configuration; there is: none, prod',
        ),
        ('{"contexts": {"none": {}}}', "none", 'the context "none" of the configuration has no'),
        ('{"contexts": {"a": {"hosts": ["tcp://h:2377"]}}}', "a", "write http://h:2377 for a dev"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(
    config: tuple[Path, Env], text: str, name: str | None, words: str
) -> None:
    config[0].write_text(text)
    with pytest.raises(Error) as told:
        choose(name=name, env=config[1])
    assert words in str(told.value)
    assert told.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("host", "cure"),
    [
        (f"unix:///{'x' * 107}", "is 108 bytes long, over the 107"),
        ("/run/skep.sock", "write unix:///run/skep.sock"),
        ("unix://run/skep.sock", "must be absolute"),
        ("https://h:2377", "TLS is not there yet"),
        ("tcp://h:2377", "write http://h:2377"),
        ("http://", "the address is missing"),
        ("localhost:2378", "expected unix:///path"),
        ("http://h:port", "expected http://host:port"),
        ("http://h:1/path", "expected http://host:port"),
        ("http://h:1?query", "expected http://host:port"),
        ("http://me@h:1", "expected http://host:port"),
    ],
)
def test_hosts_are_checked_before_they_are_tried(host: str, cure: str) -> None:
    with pytest.raises(Error) as told:
        skep.connect(host)
    assert str(told.value).startswith(f'bad host "{host}": ')
    assert cure in str(told.value)


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("unix:///a b/s.sock", "unix:///a b/s.sock"),
        ("http://10.0.0.1:2378/", "dns:///10.0.0.1:2378"),
        ("http://[::1]:2378", "dns:///[::1]:2378"),
        ("http://h", "dns:///h:80"),
    ],
)
def test_hosts_in_the_words_of_grpc(host: str, target: str) -> None:
    assert context.parse(host).target == target


def test_a_missing_daemon_is_named_with_all_addresses(
    either: Either, config: tuple[Path, Env], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    none, stale = tmp_path / "none.sock", tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(stale))
    hosts = [f"unix://{none}", f"unix://{stale}"]
    config[0].write_text(json.dumps({"current": "c", "contexts": {"c": {"hosts": hosts}}}))
    for name in ("SKEP_HOST", "SKEP_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", config[1]["XDG_CONFIG_HOME"])
    with pytest.raises(Error) as told:
        either.connect(None)
    assert str(told.value) == (
        f"no skep daemon answers at {hosts[0]} (no such socket) or {hosts[1]} "
        "(nothing listens there)"
    )
    assert (told.value.code, told.value.reason) == (Code.UNAVAILABLE, "")


def test_what_does_not_speak_grpc_is_no_daemon(either: Either) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            for _ in range(2):
                peer, _ = server.accept()
                with peer:
                    peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        greeter = threading.Thread(target=greet)
        greeter.start()
        host = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Error) as told:
            either.connect(host)
        greeter.join(LIMIT_SECONDS)
    expected = f"no skep daemon answers at {host} (what listens there does not speak gRPC)"
    assert str(told.value) == expected


def test_a_client_finds_a_daemon_that_was_restarted(either: Either, tmp_path: Path) -> None:
    for round_ in range(3):
        server = Fake()
        server.script("GetService", v1.GetServiceResponse(revision=round_))
        with serve(server, tmp_path / "s.sock") as host:
            client = either.client or either.connect(host)
            answer = either.do(lambda: client.services.GetService(v1.GetServiceRequest()))  # noqa: B023
            assert answer.revision == round_
    with pytest.raises(Error) as told:
        either.do(lambda: client.services.GetService(v1.GetServiceRequest()))
    assert told.value.code is Code.UNAVAILABLE
    assert str(told.value).startswith(f"the connection to {host} is lost: ")
    assert told.value.reason == ""


def test_a_closed_client_says_so(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    server.script("Watch", [frame(3), STAY])
    client = either.connect(host)
    watch = client.watch_tasks()
    assert isinstance(either.next(watch), skep.Reset)
    # The Progress that follows is there already.
    assert server.open_watches.acquire(timeout=LIMIT_SECONDS)
    either.do(client.close)
    either.do(client.close)
    asks: list[Callable[[], Any]] = [
        watch.__anext__ if either.is_async else watch.__next__,
        lambda: client.services.GetService(v1.GetServiceRequest()),
        lambda: client.edit_service("web", lambda _: None),
        lambda: client.wait_converged(v1.Service()),
    ]
    for ask in asks:
        with pytest.raises(Error) as told:
            either.do(ask)
        assert (told.value.code, str(told.value)) == (Code.CANCELLED, "the client is closed")
    assert server.ended_watches.acquire(timeout=LIMIT_SECONDS)


def test_closing_ends_a_loop_of_another_thread(fake: tuple[Fake, str]) -> None:
    server, host = fake
    server.script("Watch", [frame(3), STAY])
    told: list[Error] = []
    client = skep.connect(host)

    def read() -> None:
        try:
            for _ in client.watch_tasks():
                pass
        except Error as error:
            told.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert server.open_watches.acquire(timeout=LIMIT_SECONDS)
    client.close()
    reader.join(LIMIT_SECONDS)
    assert [str(error) for error in told] == ["the client is closed"]


def clients_threads() -> set[threading.Thread]:
    """All threads, less those of the server's pool, which come with its calls."""
    return {thread for thread in threading.enumerate() if "ThreadPool" not in thread.name}


def threads_after(before: set[threading.Thread]) -> set[threading.Thread]:
    """The threads that stay, once those that are about to end had time to."""
    until = time.monotonic() + LIMIT_SECONDS
    while (more := clients_threads() - before) and time.monotonic() < until:
        gc.collect()
        next(iter(more)).join(0.1)
    return more


def test_closing_leaves_no_thread(fake: tuple[Fake, str]) -> None:
    server, host = fake
    server.script("Watch", *[[frame(3), STAY]] * 4)
    server.script("GetService", *[v1.GetServiceResponse()] * 2)
    before = clients_threads()
    with skep.connect(host) as client:
        client.services.GetService(v1.GetServiceRequest())
        tasks, nodes = client.watch_tasks(), client.watch_nodes()
        assert [type(next(tasks)), type(next(nodes))] == [skep.Reset] * 2
        assert clients_threads() - before
    assert not [thread for thread in clients_threads() - before if thread.name == "skep-watch"]
    assert threads_after(before) == set()

    async def main() -> None:
        async with skep.aio.connect(host) as client:
            await client.services.GetService(v1.GetServiceRequest())
            tasks, nodes = client.watch_tasks(), client.watch_nodes()
            assert isinstance(await tasks.__anext__(), skep.Reset)
            assert isinstance(await nodes.__anext__(), skep.Reset)
            assert isinstance(await nodes.__anext__(), skep.Progress)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(nodes.__anext__(), 0.01)
        others = [found for found in asyncio.all_tasks() if found is not asyncio.current_task()]
        if others:
            _, left = await asyncio.wait(others, timeout=LIMIT_SECONDS)
            assert not left

    asyncio.run(main())
    assert threads_after(before) == set()


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize("module", ["skep", "skep.aio"])
def test_a_process_ends_at_once(fake: tuple[Fake, str], module: str, close: bool) -> None:
    server, host = fake
    server.script("Watch", [frame(3), STAY])
    blocking = f"""
import skep
client = skep.connect({host!r})
watch = client.watch_tasks()
next(watch)
{"client.close()" if close else ""}
"""
    asynchronous = f"""
import asyncio, skep.aio
async def main():
    client = await skep.aio.connect({host!r})
    watch = client.watch_tasks()
    await watch.__anext__()
    {"await client.close()" if close else ""}
asyncio.run(main())
"""
    program = blocking if module == "skep" else asynchronous
    source = str(Path(skep.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": source},
        timeout=LIMIT_SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
