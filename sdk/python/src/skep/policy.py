# SPDX-License-Identifier: Apache-2.0
"""The retry policy that all SDKs share, and the settings of the channel. gRPC repeats calls by the
policy itself; a watch and a wait take their pauses from it."""

from __future__ import annotations

import json
import random
from functools import cache
from importlib.resources import files
from typing import Any

from skep.context import Address

DIAL_SECONDS = 5.0
"""How long one address may take to answer."""

_KEEPALIVE_MS = 20_000
"""How often an open connection is tested while nothing happens on it, and how long the answer may
take: a peer whose machine is gone is noticed."""

_RECONNECT_MAX_MS = 500
"""The longest pause between two attempts to connect. Less than the repeats of a call take
together, so that a daemon that is back is found by one of them."""

_REQUEST_MAX_BYTES = 4 * 1024 * 1024
"""The largest request that a server takes."""


def channel_options(address: Address) -> list[tuple[str, Any]]:
    """The settings of a channel to an address."""
    policy = _retry_policy()
    reconnect = {
        "grpc.initial_reconnect_backoff_ms": _seconds(policy["initialBackoff"]) * 1000,
        "grpc.max_reconnect_backoff_ms": _RECONNECT_MAX_MS,
        # Longer than dialing waits. In spite of its name: how long an attempt to connect may take.
        "grpc.min_reconnect_backoff_ms": (DIAL_SECONDS + 1) * 1000,
    }
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", service_config()),
        # gRPC gives up repeating requests larger than this.
        ("grpc.per_rpc_retry_buffer_size", _REQUEST_MAX_BYTES),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # A daemon is reached directly, whatever a proxy for the web is set to.
        ("grpc.enable_http_proxy", 0),
        # Otherwise clients of one address share its connection, and closing one does not close it.
        ("grpc.use_local_subchannel_pool", 1),
        *((name, int(value)) for name, value in reconnect.items()),
    ]
    if address.socket:
        # gRPC would send the path, which is no host name and refused by servers.
        options.append(("grpc.default_authority", "localhost"))
    return options


@cache
def service_config() -> str:
    """The policy of all SDKs, as gRPC takes it."""
    return files("skep").joinpath("service_config.json").read_text(encoding="utf-8")


def backoff_seconds(failures: int) -> float:
    """The wait after so many failures in a row: between half of the longest and all of it, at
    random, so that clients which failed together do not come back together."""
    policy = _retry_policy()
    # No wait grows any more long before this exponent.
    factor = float(policy["backoffMultiplier"]) ** min(failures - 1, 64)
    longest = min(_seconds(policy["initialBackoff"]) * factor, _seconds(policy["maxBackoff"]))
    return longest * random.uniform(0.5, 1.0)


@cache
def _retry_policy() -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(service_config())["methodConfig"][0]["retryPolicy"]
    return policy


def _seconds(duration: str) -> float:
    """A proto JSON duration: `0.1s`."""
    return float(duration.removesuffix("s"))
