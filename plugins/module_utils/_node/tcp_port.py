# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module tcp_port, and who listens on a TCP port, read from /proc."""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Union

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

ARGUMENT_SPEC: dict[str, Any] = {
    "port": {"type": "int", "required": True},
    "address": {"type": "str", "default": "127.0.0.1"},
    "unit": {"type": "str", "required": True},
    "variable": {"type": "str", "default": "port"},
}

_LISTENING = "0A"


@dataclass(frozen=True)
class Socket:
    """One listening socket of the network namespace."""

    address: Address
    port: int
    inode: int


@dataclass(frozen=True)
class Holder:
    """A socket and the process that has it open; no process when /proc does not show one."""

    address: str
    pid: int | None = None
    command: str = ""
    unit: str = ""


def parse_address(text: str) -> Address:
    """Read an IP address.

    Raises
    ------
    EvenkeelError
        The text is not an IP address.
    """
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise EvenkeelError("%r is not an IP address" % text, "Give one, such as 127.0.0.1") from error


def parse_sockets(table: str) -> list[Socket]:
    """Read the listening sockets out of the text of /proc/net/tcp or /proc/net/tcp6."""
    rows = (line.split() for line in table.splitlines()[1:])
    return [Socket(*_endpoint(row[1]), inode=int(row[9])) for row in rows if row[3] == _LISTENING]


def _endpoint(text: str) -> tuple[Address, int]:
    """Read an address and a port; the kernel prints an address as 32-bit words in the byte order of the machine."""
    digits, port = text.split(":")
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    packed = struct.pack("=%dI" % len(words), *words)
    return ipaddress.ip_address(packed), int(port, 16)


def overlaps(one: Address, other: Address) -> bool:
    """Return whether two sockets with these addresses can't have the same port."""
    one, other = _plain(one), _plain(other)
    if one.version == other.version:
        return one == other or one.is_unspecified or other.is_unspecified
    # Unless it asks not to, a socket on :: takes the IPv4 side too.
    return any(address.version == 6 and address.is_unspecified for address in (one, other))


def _plain(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address


def parse_unit(cgroup: str) -> str:
    """Return the innermost systemd unit in the text of /proc/<pid>/cgroup, or an empty string."""
    for line in cgroup.splitlines():
        _hierarchy, controllers, path = line.split(":", 2)
        if controllers in ("", "name=systemd"):
            units = [part for part in path.split("/") if part.endswith((".service", ".scope", ".socket"))]
            if units:
                return units[-1]
    return ""


def others(holders: Iterable[Holder], unit: str) -> list[Holder]:
    """Return the holders that are not the systemd unit ``unit``."""
    return [holder for holder in holders if holder.unit != unit]


def describe(holder: Holder) -> str:
    """Describe the holder of a port."""
    if holder.pid is None:
        return "a process that /proc does not show (listening on %s)" % holder.address
    return "%s, pid %d%s" % (holder.command, holder.pid, " (%s)" % holder.unit if holder.unit else "")


def read(address: Address, port: int, proc: str = "/proc") -> list[Holder]:
    """Return who listens where a socket on ``address`` and ``port`` would."""
    tables = [text for name in ("tcp", "tcp6") for text in _texts(os.path.join(proc, "net", name))]
    sockets = [socket for table in tables for socket in parse_sockets(table)]
    taken = {socket.inode: socket for socket in sockets if socket.port == port and overlaps(socket.address, address)}
    if not taken:
        return []
    found: dict[int, Holder] = {}
    for pid in filter(str.isdigit, os.listdir(proc)):
        if len(found) == len(taken):
            break
        home = os.path.join(proc, pid)
        for inode in _socket_inodes(home) & taken.keys() - found.keys():
            command = "".join(_texts(os.path.join(home, "comm"))).strip()
            unit = parse_unit("".join(_texts(os.path.join(home, "cgroup"))))
            found[inode] = Holder(str(taken[inode].address), int(pid), command, unit)
    return [found.get(inode, Holder(str(socket.address))) for inode, socket in taken.items()]


def of_processes(pids: Iterable[int], proc: str = "/proc") -> dict[int, list[str]]:
    """Return the addresses, with ports, on which processes listen; one that does not listen is left out."""
    tables = [text for name in ("tcp", "tcp6") for text in _texts(os.path.join(proc, "net", name))]
    sockets = {socket.inode: socket for table in tables for socket in parse_sockets(table)}
    found = {}
    for pid in pids:
        held = sorted(_socket_inodes(os.path.join(proc, str(pid))) & sockets.keys())
        shown = [_shown(sockets[inode]) for inode in held]
        if shown:
            found[pid] = sorted(set(shown))
    return found


def _shown(socket: Socket) -> str:
    address = _plain(socket.address)
    return "%s:%d" % ("[%s]" % address if address.version == 6 else address, socket.port)


def _texts(path: str) -> list[str]:
    """Return the text of a file of /proc, or nothing: a process may end, IPv6 may be off."""
    try:
        with open(path) as stream:
            return [stream.read()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _socket_inodes(home: str) -> set[int]:
    inodes = set()
    try:
        for descriptor in os.scandir(os.path.join(home, "fd")):
            target = os.readlink(descriptor.path)
            if target.startswith("socket:["):
                inodes.add(int(target[len("socket:[") : -1]))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass  # it ended meanwhile, or belongs to another user
    return inodes


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Require that nothing but the unit listens on the port, and return whether the unit does."""
    port, variable = params["port"], params["variable"]
    if not 1 <= port <= 65535:
        raise EvenkeelError("%d is not a TCP port" % port, "Set %s to a number from 1 to 65535" % variable)
    holders = read(parse_address(params["address"]), port)
    strangers = others(holders, params["unit"])
    if strangers:
        raise EvenkeelError(
            "Port %d on %s is in use by %s" % (port, params["address"], "; ".join(map(describe, strangers))),
            "Stop it, or set %s to another port" % variable,
        )
    return {"held": bool(holders)}
