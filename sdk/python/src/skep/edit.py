# SPDX-License-Identifier: Apache-2.0
"""Editing: read, change, and send only what the change touched, for the spec that was read.

Only what the change touched is named in the mask and sent, so an old client cannot erase what a
newer one wrote elsewhere; and two editors of one object never undo each other's work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from skep import v1

ROUNDS_MAX = 10
"""How often an edit is tried, because someone else changes the object meanwhile."""

PAUSE_MAX_SECONDS = 0.2
"""The longest wait between two rounds: whoever is busy with the object gets out of the way."""

Object = TypeVar("Object", bound="v1.Service | v1.Node | v1.Swarm")


@dataclass(frozen=True)
class Edited(Generic[Object]):
    """What came of an edit."""

    object: Object
    """The object as it now is."""
    revision: int
    """The revision of the change; of the read if there was nothing to change."""
    changed: bool
    """Whether anything was changed."""


def update_request(
    found: Any, reference: dict[str, str], change: Callable[[Any], object]
) -> Message | None:
    """The request that does to an object, as it was found, what `change` does to its spec; None if
    that is nothing. `reference` is the field that names it, as in GetServiceRequest; the swarm has
    none."""
    spec = type(found.spec)()
    spec.CopyFrom(found.spec)
    change(spec)
    mask = FieldMask(paths=changed_paths(found.spec, spec))
    if not mask.paths:
        return None
    sparse = type(spec)()
    mask.MergeMessage(spec, sparse)
    request: Message = getattr(v1, f"Update{found.DESCRIPTOR.name}Request")(
        spec=sparse,
        update_mask=mask,
        if_spec_revision=found.meta.spec_revision,
        # By its id, whatever bears the name by now.
        **dict.fromkeys(reference, found.meta.id),
    )
    return request


def changed_paths(before: Message, after: Message, prefix: str = "") -> Iterator[str]:
    """The paths of all fields that differ, outermost first. A field is entered if it is a single
    message that both sides have; lists, maps, and well-known types are taken whole."""
    for field in before.DESCRIPTOR.fields:
        path = prefix + field.name
        had, has = _has(before, field), _has(after, field)
        old, new = getattr(before, field.name), getattr(after, field.name)
        if had and has and _is_entered(field):
            yield from changed_paths(old, new, f"{path}.")
        elif had != has or (had and old != new):
            yield path


def _has(message: Message, field: Any) -> bool:
    """Whether a field is set; of one that cannot tell, whether it is not empty."""
    if field.has_presence:
        return message.HasField(field.name)
    return bool(getattr(message, field.name))


def _is_entered(field: Any) -> bool:
    if field.is_repeated or field.message_type is None:
        return False
    package: str = field.message_type.file.package
    return package != "google.protobuf"
