# SPDX-License-Identifier: Apache-2.0
"""Where the daemon is: a host given by the caller, a named context from the configuration file,
or the sockets a daemon on this machine uses by default."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from skep.errors import Code, Error

_SOCKET_PATH_MAX_BYTES = 107
"""The longest path that fits into a Unix socket address on Linux."""

_ROOT_SOCKET = "unix:///run/skep/skep.sock"
"""The socket of a daemon that runs as root."""

_DEFAULT = "default"
"""The context that is always there: this machine's sockets."""


@dataclass(frozen=True)
class Address:
    """An address that is well formed."""

    host: str
    """As it was given: `unix:///path` or `http://host:port`."""
    socket: str
    """The path of the socket; empty: it is no Unix socket."""
    name: str
    """The host name or IP address; empty: it is a Unix socket."""
    port: int
    """The port; 0: it is a Unix socket."""

    @property
    def target(self) -> str:
        """The address in the words of gRPC."""
        if self.socket:
            return f"unix://{self.socket}"
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"dns:///{name}:{self.port}"


def choose(host: str | None, context: str | None) -> list[Address]:
    """The addresses to try in turn: a host before all else; then `SKEP_HOST` unless a context is
    given; then the context given, `SKEP_CONTEXT`, or the current one of
    `~/.config/skep/config.json`; else this machine's sockets.

    Raises Error for a bad host, an unknown context, a configuration file that cannot be read.
    """
    return choose_in(host, context, os.geteuid() == 0, os.environ)


def choose_in(
    host: str | None, context: str | None, is_root: bool, env: Mapping[str, str]
) -> list[Address]:
    """As `choose`, in a given environment."""
    host = host or (None if context else env.get("SKEP_HOST"))
    if host:
        return [parse(host)]
    current, contexts = _read_config(env)
    name = context or env.get("SKEP_CONTEXT") or current or _DEFAULT
    if name == _DEFAULT:
        return [parse(socket) for socket in _sockets(is_root, env)]
    if name not in contexts:
        known = ", ".join(sorted(contexts))
        raise misuse(f"there is no context {quoted(name)} in the configuration; there is: {known}")
    if not contexts[name]:
        raise misuse(f"the context {quoted(name)} of the configuration has no hosts")
    return [parse(host) for host in contexts[name]]


def misuse(message: str) -> Error:
    """What the caller gave makes no sense."""
    return Error(Code.INVALID_ARGUMENT, message)


def quoted(text: str) -> str:
    """A text in double quotes, as all messages of skep have it."""
    return json.dumps(text, ensure_ascii=False)


def _read_config(env: Mapping[str, str]) -> tuple[str | None, dict[str, list[str]]]:
    """The current context and the hosts of each; without a file there is nothing."""
    home = env.get("HOME")
    folder = env.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else None)
    if not folder:
        return None, {}
    path = f"{folder}/skep/config.json"
    try:
        return _parse_config(json.loads(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None, {}
    except OSError as error:
        raise misuse(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise misuse(f"cannot read {path}: {error}") from None


def _parse_config(config: Any) -> tuple[str | None, dict[str, list[str]]]:
    """`{"current": "prod", "contexts": {"prod": {"hosts": ["..."]}}}`; all of it is optional."""
    if not isinstance(config, dict):
        raise ValueError("expected an object at its top")
    current = config.get("current")
    contexts = config.get("contexts") or {}
    if not isinstance(current, (str, type(None))) or not isinstance(contexts, dict):
        raise ValueError('"current" must be a text and "contexts" an object')
    found = {}
    for name, context in contexts.items():
        hosts = context.get("hosts", []) if isinstance(context, dict) else None
        if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
            raise ValueError(f"the hosts of context {quoted(name)} must be a list of texts")
        found[name] = hosts
    return current, found


def _sockets(is_root: bool, env: Mapping[str, str]) -> list[str]:
    """The user's own socket, then root's."""
    run, home = env.get("XDG_RUNTIME_DIR"), env.get("HOME")
    own = f"{run}/skep" if run else f"{home}/.local/share/skep" if home else None
    return ([f"unix://{own}/skep.sock"] if own and not is_root else []) + [_ROOT_SOCKET]


def parse(host: str) -> Address:
    """The address that a host is.

    Raises Error with the cure for other schemes and for socket paths over 107 bytes.
    """
    scheme, found, rest = host.partition("://")
    if found and scheme == "unix" and rest.startswith("/"):
        size = len(os.fsencode(rest))
        if size <= _SOCKET_PATH_MAX_BYTES:
            return Address(host, rest, "", 0)
        why = (
            f"the path is {size} bytes long, over the {_SOCKET_PATH_MAX_BYTES} that the system "
            "allows; start the daemon with a shorter --socket, below /run or /tmp"
        )
    elif found and scheme == "http" and rest.strip("/"):
        address = _parse_http(host)
        if address:
            return address
        why = "expected http://host:port"
    else:
        why = _cure(host, scheme if found else "", rest)
    raise misuse(f"bad host {quoted(host)}: {why}")


def _parse_http(host: str) -> Address | None:
    try:
        parts = urlsplit(host)
        name, port = parts.hostname, 80 if parts.port is None else parts.port
    except ValueError:
        return None
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
    return Address(host, "", name, port) if name and port and not extra else None


def _cure(host: str, scheme: str, rest: str) -> str:
    match scheme:
        case "unix":
            return "the path of a socket must be absolute: unix:///run/skep/skep.sock"
        case "http":
            return "the address is missing: http://127.0.0.1:2378"
        case "https":
            return "TLS is not there yet; use unix:///path or, for a dev address, http://"
        case "tcp":
            return f"write http://{rest} for a dev address"
    if host.startswith("/"):
        return f"write unix://{host}"
    return "expected unix:///path/to/skep.sock or http://host:port"


class NotSpokenError(OSError):
    """Something listens, but no daemon."""

    def __init__(self) -> None:
        super().__init__(errno.EPROTO, "what listens there does not speak gRPC")


def why_not(error: OSError) -> str:
    """Why no daemon answers at an address."""
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
