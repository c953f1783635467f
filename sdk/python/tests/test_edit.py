# SPDX-License-Identifier: Apache-2.0
"""Editing under competition, and what differs between two messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Either
from fake import Fake, Refusal
from google.protobuf.duration_pb2 import Duration

from skep import Code, Error, v1
from skep.edit import changed_paths, update_request

MISMATCH = Refusal(Code.ABORTED, "SPEC_REVISION_MISMATCH")


def read(spec_revision: int, label: str) -> v1.GetServiceResponse:
    meta = v1.Meta(id="svc_1", spec_revision=spec_revision)
    spec = v1.ServiceSpec(name="web", labels={"a": label})
    service = v1.Service(meta=meta, spec=spec)
    return v1.GetServiceResponse(service=service, revision=spec_revision + 100)


def add_label(spec: v1.ServiceSpec) -> None:
    spec.labels["b"] = "mine"


def test_a_lost_race_is_run_again_on_the_newest_spec(
    either: Either, fake: tuple[Fake, str]
) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("GetService", read(3, "old"), read(4, "theirs"))
    done = v1.UpdateServiceResponse(service=v1.Service(meta=v1.Meta(id="svc_1")), revision=9)
    server.script("UpdateService", MISMATCH, done)
    edited = either.do(lambda: client.edit_service("web", add_label))
    assert (edited.changed, edited.revision, edited.object.meta.id) == (True, 9, "svc_1")
    first, second = server.asked["UpdateService"]
    assert (first.if_spec_revision, second.if_spec_revision) == (3, 4)
    assert second.service == "svc_1", "by its id, whatever bears the name by now"
    assert dict(second.spec.labels) == {"a": "theirs", "b": "mine"}
    assert second.update_mask.paths == ["labels"]
    assert first.request_id != second.request_id


def test_nothing_to_change_makes_no_call(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("GetService", read(3, "old"))
    edited = either.do(lambda: client.edit_service("web", lambda _: None))
    assert (edited.changed, edited.revision) == (False, 103)
    assert "UpdateService" not in server.asked


def test_an_edit_gives_up_after_ten_rounds(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("GetService", *[read(n, "old") for n in range(11)])
    server.script("UpdateService", *[MISMATCH] * 11)
    with pytest.raises(Error) as told:
        either.do(lambda: client.edit_service("web", add_label))
    assert told.value.is_(v1.ERROR_REASON_SPEC_REVISION_MISMATCH)
    assert len(server.asked["UpdateService"]) == 10


def test_other_failures_end_an_edit(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    server.script("GetService", Refusal(Code.NOT_FOUND, "OBJECT_NOT_FOUND"))
    with pytest.raises(Error) as told:
        either.do(lambda: client.edit_service("wbe", add_label))
    assert told.value.is_(v1.ERROR_REASON_OBJECT_NOT_FOUND)


def test_nodes_and_the_swarm_are_edited_alike(either: Either, fake: tuple[Fake, str]) -> None:
    server, host = fake
    client = either.connect(host)
    meta = v1.Meta(id="x_1", spec_revision=3)
    server.script("GetNode", v1.GetNodeResponse(node=v1.Node(meta=meta)))
    server.script("UpdateNode", v1.UpdateNodeResponse(node=v1.Node(meta=meta), revision=7))
    server.script("GetSwarm", v1.GetSwarmResponse(swarm=v1.Swarm(meta=meta)))
    server.script("UpdateSwarm", v1.UpdateSwarmResponse(swarm=v1.Swarm(meta=meta), revision=8))

    def drain(spec: v1.NodeSpec) -> None:
        spec.availability = v1.NodeSpec.AVAILABILITY_DRAIN

    def keep_none(spec: v1.SwarmSpec) -> None:
        spec.task_history = 0

    assert either.do(lambda: client.edit_node("n", drain)).revision == 7
    assert either.do(lambda: client.edit_swarm(keep_none)).revision == 8
    node, swarm = server.asked["UpdateNode"][0], server.asked["UpdateSwarm"][0]
    assert (node.node, node.update_mask.paths) == ("x_1", ["availability"])
    assert (swarm.if_spec_revision, swarm.update_mask.paths) == (3, ["task_history"])


def spec() -> v1.ServiceSpec:
    return v1.ServiceSpec(
        name="web",
        replicated=v1.Replicated(replicas=2),
        template=v1.TaskTemplate(
            process=v1.Process(command=["/bin/a"]),
            restart=v1.RestartPolicy(delay=Duration(seconds=1)),
        ),
    )


def paths(change: Callable[[v1.ServiceSpec], object]) -> list[str]:
    after = spec()
    change(after)
    return list(changed_paths(spec(), after))


def test_scalars_lists_and_maps_are_named_where_they_are() -> None:
    def change(spec: v1.ServiceSpec) -> None:
        spec.labels["a"] = "b"
        spec.replicated.replicas = 0
        spec.template.process.args.append("x")
        spec.template.process.env["K"] = "V"
        spec.template.restart_token = "1"

    assert paths(change) == [
        "labels",
        "replicated.replicas",
        "template.process.args",
        "template.process.env",
        "template.restart_token",
    ]
    assert paths(lambda _: None) == []
    assert paths(lambda spec: spec.endpoint) == [], "looking is not changing"


def test_messages_that_come_and_go_are_taken_whole() -> None:
    def change(spec: v1.ServiceSpec) -> None:
        spec.endpoint.ports.add(target=80)
        spec.template.ClearField("restart")

    assert paths(change) == ["template.restart", "endpoint"]
    assert paths(lambda spec: spec.every_node.SetInParent()) == ["replicated", "every_node"]
    longer = Duration(seconds=2)
    assert paths(lambda spec: spec.template.restart.delay.CopyFrom(longer)) == [
        "template.restart.delay"
    ]


def sent(before: v1.ServiceSpec, change: Callable[[v1.ServiceSpec], object]) -> v1.ServiceSpec:
    """The spec that an edit sends."""
    request = update_request(v1.Service(spec=before), {"service": "web"}, change)
    assert isinstance(request, v1.UpdateServiceRequest)
    return request.spec


def test_only_what_changed_is_sent() -> None:
    def change(spec: v1.ServiceSpec) -> None:
        spec.replicated.replicas = 0
        spec.template.process.command.append("x")
        spec.template.ClearField("restart")

    assert sent(spec(), change) == v1.ServiceSpec(
        replicated=v1.Replicated(replicas=0),
        template=v1.TaskTemplate(process=v1.Process(command=["/bin/a", "x"])),
    )
    assert sent(spec(), lambda spec: spec.every_node.SetInParent()).HasField("every_node")
    assert not sent(spec(), lambda spec: spec.replicated.ClearField("replicas")).HasField(
        "template"
    )
