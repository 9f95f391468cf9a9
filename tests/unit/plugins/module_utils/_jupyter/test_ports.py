# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of notebook servers: stable, free, each once."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import ports
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

SQUATTER = {8890: "python3, pid 7"}


@pytest.mark.parametrize(
    ("asked", "had", "given"),
    [
        pytest.param({}, {}, {}, id="nobody"),
        pytest.param({"ana": None, "ben": None}, {}, {"ana": 8889, "ben": 8891}, id="the next free ones"),
        pytest.param({"ben": None}, {"ana": 8889, "ben": 8891}, {"ben": 8891}, id="another one leaves"),
        pytest.param({"ana": None, "ben": None}, {"ben": 8889}, {"ana": 8891, "ben": 8889}, id="another one comes"),
        pytest.param(
            {"ana": 9000, "ben": None}, {"ana": 8889}, {"ana": 9000, "ben": 8891}, id="moves; its place rests"
        ),
        pytest.param({"ana": None, "ben": 8889}, {"ana": 8889}, {"ana": 8891, "ben": 8889}, id="has to make room"),
        pytest.param({"ana": 8890}, {"ana": 8890}, {"ana": 8890}, id="listens there itself"),
    ],
)
def test_assign(asked: dict[str, int | None], had: dict[str, int], given: dict[str, int]) -> None:
    assert ports.assign(asked, had, 8889, lambda port: SQUATTER.get(port, "")) == given
    assert ports.assign(asked, {**had, **given}, 8889, lambda port: "us" if port in given.values() else "") == given


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"ana": 0}, "0, the port of ana, is not a TCP port"),
        ({"ana": 65536}, "65536"),
        ({"ana": 9000, "ben": 9000}, "ana and ben have the same port, 9000"),
        ({"ana": 8890}, "Port 8890, for the notebook server of ana, is in use by python3, pid 7"),
    ],
)
def test_refusals(asked: dict[str, int | None], words: str) -> None:
    with pytest.raises(EvenkeelError, match=words):
        ports.assign(asked, {}, 8889, lambda port: SQUATTER.get(port, ""))


def test_no_port_is_left() -> None:
    with pytest.raises(EvenkeelError, match="no free port from 65535 on"):
        ports.assign({"ana": None, "ben": None}, {}, 65535, lambda _port: "")
