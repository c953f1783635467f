# SPDX-License-Identifier: Apache-2.0
"""What connecting says and tries, for the blocking and the asyncio client."""

from __future__ import annotations

import errno
import socket
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from skep.context import Address
from skep.errors import Code, Error

C = TypeVar("C")


@dataclass(frozen=True)
class Dial(Generic[C]):
    """Connect to an address; the answer is a client, or the `OSError` why there is none."""

    address: Address


class NotSpokenError(OSError):
    """Something listens, but no daemon."""

    def __init__(self) -> None:
        super().__init__(errno.EPROTO, "what listens there does not speak gRPC")


def first_that_answers(addresses: list[Address]) -> Generator[Dial[C], Any, C]:
    """Connects to the first address that answers. A socket without permission ends the search:
    there is a daemon, and another is not what was meant.

    Raises Error with what was tried.
    """
    tried = []
    for address in addresses:
        client: C | OSError = yield Dial(address)
        if not isinstance(client, OSError):
            return client
        if isinstance(client, PermissionError):
            raise Error(Code.PERMISSION_DENIED, f"no permission to use {address.host}")
        tried.append(f"{address.host} ({_why(client)})")
    raise Error(Code.UNAVAILABLE, f"no skep daemon answers at {' or '.join(tried)}")


def _why(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "no such socket"
        case ConnectionRefusedError():
            return "nothing listens there"
        case TimeoutError():
            return "no answer in time"
        case socket.gaierror():
            return f"there is no such host: {error.strerror}"
    return error.strerror or str(error)
