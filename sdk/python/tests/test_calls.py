# SPDX-License-Identifier: Apache-2.0
"""Deadlines, request ids, repeated calls, and what errors say."""

from __future__ import annotations

import json
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import Either
from fake import STAY, Fake, Refusal, frame
from google.protobuf.descriptor_pb2 import MethodOptions

import skep
from skep import Code, Error, Violation, policy, v1
from skep.v1 import daemon_pb2, log_pb2, node_pb2, service_pb2, swarm_pb2, task_pb2, watch_pb2

UPDATE = v1.UpdateServiceRequest(service="web", spec=v1.ServiceSpec(name="web"))
DONE = v1.UpdateServiceResponse(revision=7)
BUSY = Refusal(Code.UNAVAILABLE, "NO_QUORUM")


def test_a_change_is_repeated_with_the_same_request_id(
    either: Either, fake: tuple[Fake, str]
) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("UpdateService", BUSY, BUSY, DONE, DONE)
    answer = either.do(lambda: client.services.UpdateService(UPDATE))
    either.do(lambda: client.services.UpdateService(UPDATE))
    assert answer.revision == 7
    first, *again, other = [asked.request_id for asked in server.asked["UpdateService"]]
    assert again == [first, first]
    assert len(first) == 26
    assert first.isalnum()
    assert other != first, "a message sent a second time is another request"
    assert UPDATE.request_id == "", "the caller's message stays as it was"


def test_a_request_id_of_the_caller_stays(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("UpdateService", DONE)
    mine = v1.UpdateServiceRequest(service="web", request_id="mine")
    either.do(lambda: client.services.UpdateService(mine))
    assert server.asked["UpdateService"][0].request_id == "mine"


def test_after_enough_attempts_the_failure_is_told(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("GetService", *[BUSY] * 6)
    with pytest.raises(Error) as told:
        either.do(lambda: client.services.GetService(v1.GetServiceRequest()))
    assert told.value.is_(v1.ERROR_REASON_NO_QUORUM)
    assert len(server.asked["GetService"]) == 5


def test_what_must_not_be_done_twice_is_not_repeated(
    either: Either, fake: tuple[Fake, str]
) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("LeaveSwarm", BUSY, BUSY)
    with pytest.raises(Error):
        either.do(lambda: client.daemon.LeaveSwarm(v1.LeaveSwarmRequest()))
    assert len(server.asked["LeaveSwarm"]) == 1


def test_a_large_change_is_repeated_too(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("UpdateService", BUSY, DONE)
    large = v1.UpdateServiceRequest(spec=v1.ServiceSpec(labels={"a": "b" * 1024 * 1024}))
    assert either.do(lambda: client.services.UpdateService(large)).revision == 7


def test_deadlines(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("GetService", *[v1.GetServiceResponse()] * 2)
    server.script("Watch", [frame(3), STAY])
    request = v1.GetServiceRequest()
    either.do(lambda: client.services.GetService(request))
    either.do(lambda: client.services.GetService(request, timeout=20))
    assert isinstance(either.next(client.watch_tasks()), skep.Reset)
    usual, given, none = server.deadlines
    assert usual is not None
    assert 50 < usual <= 61
    assert given is not None
    assert 10 < given <= 21
    assert none is None or none > 1e6, "a watch has no deadline"


def test_a_deadline_that_passes_is_told_in_plain_words(
    either: Either, fake: tuple[Fake, str]
) -> None:
    server, host = fake
    client = either.connect(host)
    hold = threading.Event()
    server.script("GetService", lambda: hold.wait(30) and v1.GetServiceResponse())
    request = v1.GetServiceRequest()
    with pytest.raises(Error) as told:
        either.do(lambda: client.services.GetService(request, timeout=0.25))
    hold.set()
    assert told.value.code is Code.DEADLINE_EXCEEDED
    assert str(told.value) == (
        f"no answer from {host} within 0.25s; a change may have been made or not"
    )
    assert told.value.reason == ""


def test_details_become_attributes(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    bad = {"spec.name": "must not be empty"}
    server.script("GetService", Refusal(Code.INVALID_ARGUMENT, "INVALID_FIELD", "it is bad", bad))
    with pytest.raises(Error) as told:
        either.do(lambda: client.services.GetService(v1.GetServiceRequest()))
    error = told.value
    assert error.code is Code.INVALID_ARGUMENT
    assert error.is_(v1.ERROR_REASON_INVALID_FIELD)
    assert error.is_("INVALID_FIELD")
    assert not error.is_(v1.ERROR_REASON_NAME_TAKEN)
    assert error.metadata == {"k": "v"}
    assert error.violations == (Violation("spec.name", "must not be empty"),)
    assert str(error) == "it is bad\n  spec.name: must not be empty"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_others_say_is_no_reason(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("GetService", Refusal(Code.ABORTED, "X", "", domain="example.com"))
    with pytest.raises(Error) as told:
        either.do(lambda: client.services.GetService(v1.GetServiceRequest()))
    assert (told.value.reason, told.value.metadata, str(told.value)) == ("", {}, "aborted")


def test_all_faces_of_a_blocking_call_fail_alike(fake: tuple[Fake, str]) -> None:
    either = Either(is_async=False)
    server, host = fake
    client = either.connect(host)
    method = client.services.GetService
    request = v1.GetServiceRequest()
    asks: list[Any] = [
        lambda: method(request),
        lambda: method.with_call(request),
        lambda: method.future(request).result(),
    ]
    for ask in asks:
        server.script("GetService", Refusal(Code.NOT_FOUND, "OBJECT_NOT_FOUND"))
        with pytest.raises(Error) as told:
            ask()
        assert told.value.is_("OBJECT_NOT_FOUND")
        server.script("GetService", v1.GetServiceResponse(revision=3))
        ask()
    server.script("GetService", Refusal(Code.NOT_FOUND, "OBJECT_NOT_FOUND"))
    assert isinstance(method.future(request).exception(), Error)
    either.close()


def test_the_policy_is_that_of_all_sdks() -> None:
    ours = Path(policy.__file__).with_name("service_config.json").read_text(encoding="utf-8")
    shared = Path(__file__).parents[2] / "service_config.json"
    if shared.exists():  # Not in the package of the source.
        assert ours == shared.read_text(encoding="utf-8")
    config = json.loads(ours)
    assert config["methodConfig"][0]["retryPolicy"] == {
        "maxAttempts": 5,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }


def test_only_what_is_protected_is_repeated() -> None:
    modules = (daemon_pb2, log_pb2, node_pb2, service_pb2, swarm_pb2, task_pb2, watch_pb2)
    unprotected = [
        {"service": service.full_name, "method": method.name}
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.GetOptions().idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN
    ]
    assert [found["method"] for found in unprotected] == ["InitSwarm", "LeaveSwarm"]
    assert json.loads(policy.service_config())["methodConfig"][1] == {"name": unprotected}


def test_waits_double_up_to_the_longest() -> None:
    for failures, longest in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0], start=1):
        assert longest / 2 <= policy.backoff_seconds(failures) <= longest
    assert policy.backoff_seconds(10_000) <= 2.0
