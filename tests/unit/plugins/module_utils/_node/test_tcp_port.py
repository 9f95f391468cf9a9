# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a port: the kernel's tables, and sockets that are really open."""

from __future__ import annotations

import os
import socket
import sys
from ipaddress import ip_address

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import tcp_port
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ANY = "0.0.0.0"  # noqa: S104
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(local: str, state: str = "0A", inode: int = 63) -> str:
    rest = f"00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0000 100"
    return f"   0: {local} 00000000:0000 {state} {rest}\n"


@pytest.mark.skipif(sys.byteorder != "little", reason="the tables below are those of a little-endian machine")
@pytest.mark.parametrize(
    ("local", "address", "port"),
    [
        ("0100007F:22B8", "127.0.0.1", 8888),
        ("00000000:0016", ANY, 22),
        ("00000000000000000000000001000000:22B8", "::1", 8888),
        ("00000000000000000000000000000000:22B8", "::", 8888),
        ("0000000000000000FFFF00000100007F:22B8", "::ffff:127.0.0.1", 8888),
        ("B80D0120000000000000000001000000:01BB", "2001:db8::1", 443),
    ],
)
def test_listening_socket_is_read(local: str, address: str, port: int) -> None:
    assert tcp_port.parse_sockets(HEADER + row(local)) == [tcp_port.Socket(ip_address(address), port, 63)]


@pytest.mark.parametrize("state", ["01", "06", "02"])
def test_connections_are_not_listeners(state: str) -> None:
    assert tcp_port.parse_sockets(HEADER + row("0100007F:22B8", state)) == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", ANY, True),
        (ANY, "10.0.0.5", True),
        ("127.0.0.1", "::", True),
        ("127.0.0.1", "::1", False),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("::1", "::", True),
        ("::1", ANY, False),
        ("::", "10.0.0.5", True),
    ],
)
def test_overlap_of_addresses(one: str, other: str, expected: bool) -> None:
    assert tcp_port.overlaps(ip_address(one), ip_address(other)) is expected
    assert tcp_port.overlaps(ip_address(other), ip_address(one)) is expected


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/jupyter.service\n", "jupyter.service"),
        ("9:name=systemd:/system.slice/nginx.service\n4:memory:/other.service\n0::/\n", "nginx.service"),
        ("0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope"),
        ("0::/system.slice/machine.service/payload/system.slice/jupyter.service/kernel\n", "jupyter.service"),
        ("4:memory:/system.slice/jupyter.service\n0::/\n", ""),
        ("", ""),
    ],
)
def test_unit_of_a_process(cgroup: str, unit: str) -> None:
    assert tcp_port.parse_unit(cgroup) == unit


def test_unit_of_ours_is_no_other() -> None:
    ours = tcp_port.Holder("127.0.0.1", 1, "jupyter-lab", "jupyter.service")
    theirs = tcp_port.Holder("::", 2, "nginx", "nginx.service")
    assert tcp_port.others([ours, theirs], "jupyter.service") == [theirs]


@pytest.mark.parametrize(
    ("holder", "words"),
    [
        (tcp_port.Holder(ANY, 7, "nginx", "nginx.service"), "nginx, pid 7 (nginx.service)"),
        (tcp_port.Holder(ANY, 7, "nc"), "nc, pid 7"),
        (tcp_port.Holder(ANY), "a process that /proc does not show (listening on 0.0.0.0)"),
    ],
)
def test_description(holder: tcp_port.Holder, words: str) -> None:
    assert tcp_port.describe(holder) == words


def test_open_socket_is_found_with_its_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (holder,) = tcp_port.read(ip_address("127.0.0.1"), port)
        assert (holder.address, holder.pid) == ("127.0.0.1", os.getpid())
        assert holder.command
        assert tcp_port.read(ip_address("127.0.0.2"), port) == []
    assert tcp_port.read(ip_address("127.0.0.1"), port) == []


def test_name_is_not_an_address() -> None:
    with pytest.raises(EvenkeelError, match="'localhost' is not an IP address"):
        tcp_port.parse_address("localhost")
