# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of nodes: 120 columns, a stable order, each text once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import table
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.verdict import judge


def node(**other: Any) -> dict[str, Any]:
    return {
        "state": "ready",
        "ok": True,
        "release": "Ubuntu 24.04",
        "python": {"path": "/usr/bin/python3", "version": "3.12.3"},
        "clock": {"skew_seconds": 0, "synchronised": True},
        "disks": [
            {"path": "/", "mount": "/", "free_mib": 64197, "free_inodes": 1, "read_only": False},
            {"path": "/boot", "mount": "/boot", "free_mib": 310, "free_inodes": 1, "read_only": False},
            {"path": "/usr", "mount": "/usr", "free_mib": 0, "free_inodes": 1, "read_only": True},
        ],
        "gpus": [{"name": "NVIDIA H100 80GB", "count": 8}],
        "driver": {"branch": "580", "version": "580.178.04", "flavour": "open", "loaded": ""},
        "roles": ["nvidia_driver", "miniconda"],
        "to_do": ["miniconda"],
        "reboot": [],
        "past": [],
        "problems": [],
        "notes": [],
        **other,
    }


UNREACHABLE = judge({"probe": {"reachable": False, "msg": "No route to host"}})


def test_rows() -> None:
    nodes = {"gpu10": node(), "gpu9": node(reboot=["new module"], clock={"skew_seconds": -90000}), "a": UNREACHABLE}
    assert table.table(table.in_order(nodes)) == [
        "NODE   STATE        RELEASE       PYTHON  CLOCK  FREE        GPUS          DRIVER           TO DO   REBOOT",
        "a      unreachable  -             -       -      -           -             -                -       -",
        "gpu9   ready        Ubuntu 24.04  3.12    -1d    310M /boot  8x H100 80GB  580.178.04 open  1 of 2  yes",
        "gpu10  ready        Ubuntu 24.04  3.12    ok     310M /boot  8x H100 80GB  580.178.04 open  1 of 2  no",
    ]


def test_the_order_does_not_depend_on_the_answers_order() -> None:
    names = ["rack2-10", "rack10-1", "rack2-9", "b", "10.0.0.2", "10.0.0.10"]
    expected = ["10.0.0.2", "10.0.0.10", "b", "rack2-9", "rack2-10", "rack10-1"]
    for given in (names, names[::-1]):
        assert list(table.in_order({name: {} for name in given})) == expected


def test_no_line_is_longer_than_the_screen() -> None:
    long = "A problem with https://example.org/" + "x" * 100 + " and more of it. " * 20
    wide = node(
        release="Red Hat Enterprise Linux 9.4",
        gpus=[{"name": "NVIDIA RTX PRO 6000 Blackwell Server Edition", "count": 4}, {"name": "0x2e12", "count": 1}],
        driver={"branch": "580", "version": "580.178.04", "flavour": "proprietary"},
        problems=[long],
    )
    shown = table.lines({f"gpu{number}.rack-with-a-long-name.datacentre.example.org": wide for number in range(200)})
    assert max(map(len, shown)) <= table.COLUMNS
    assert not [line for line in shown if line != line.rstrip() or not line.isprintable()]


def test_a_problem_is_shown_once_with_its_nodes() -> None:
    shown = table.lines({f"n{number}": node(ok=False, problems=["The mirror is down."]) for number in range(10)})
    assert [line for line in shown if "mirror" in line] == [
        "  n0, n1, n2, n3, n4, n5, n6, n7 and 2 more: The mirror is down."
    ]
    assert shown[-1] == "0 of 10 nodes can be brought to the declared state now."


def test_sections_are_there_where_they_have_something() -> None:
    shown = table.lines({"n": node(reboot=["new module"], past=["conda: /opt/c"], notes=["note"])})
    assert shown[2:] == [
        *("", "Reboots:", "  n: new module"),
        *("", "From before:", "  n: conda: /opt/c"),
        *("", "Notes:", "  n: note"),
        *("", "To do:", "  n: miniconda"),
        *("", "1 of 1 nodes can be brought to the declared state now."),
    ]


def test_a_text_that_a_terminal_would_obey_is_written_out() -> None:
    shown = table.lines({"n": node(release="\x1b[31mUbuntu", problems=["one\ntwo\x1b[0m"])})
    assert not [line for line in shown if "\x1b" in line]
    assert "  n: one two\\x1b[0m" in shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (1, "ok"), (-1, "ok"), (2, "+2s"), (-61, "-1m"), (7300, "+2h"), (90000, "+1d")]
)
def test_clocks(seconds: int | None, text: str) -> None:
    assert table.table({"n": node(clock={"skew_seconds": seconds})})[1].split()[5] == text


def test_the_age_of_the_data() -> None:
    assert table.age([{"name": "gpus", "read": "2026-09", "days": 88}]) == [
        "The oldest of Evenkeel's data on drivers and GPUs, gpus, is of 2026-09."
    ]
    assert table.age([]) == []
