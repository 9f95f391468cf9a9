# SPDX-License-Identifier: GPL-3.0-or-later
"""The generations of an environment: made, switched to, gone back to, kept and removed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from lab.errors import LabError
from lab.fleet import Fleet

ROOT = "/opt/evenkeel"
PYTHON = "python=3.11"
CELLS = """
import sys
from jupyter_client import BlockingKernelClient
client = BlockingKernelClient(connection_file="/run/kernel/connection.json")
client.load_connection_file()
client.start_channels()
client.wait_for_ready(timeout=60)
for cell in sys.argv[1:]:
    assert client.execute_interactive(cell, timeout=60)["content"]["status"] == "ok"
"""


def in_use(fleet: Fleet, name: str) -> str:
    """Return the name of the generation in use."""
    return fleet.run(f"basename $(readlink {ROOT}/envs/{name})")


def generations(fleet: Fleet, name: str) -> set[str]:
    """Return the names of the generations that are there."""
    return set(fleet.run(f"ls {ROOT}/generations/{name} 2>/dev/null || true").split())


@pytest.fixture
def always_there(fleet: Fleet) -> Iterator[str]:
    """The name of an environment that a process on each node watches: there must be no moment without it."""
    fleet.environment("growing", PYTHON, "idna")
    watch = f"until test -e /run/seen; do test -x {ROOT}/envs/growing/bin/python || touch /run/gap; done"
    fleet.run("rm --force /run/seen /run/gap")
    fleet.run(f"systemd-run --quiet --unit=watch sh -c {shlex.quote(watch)}")
    yield "growing"
    fleet.run("touch /run/seen; ! test -e /run/gap")


@pytest.fixture
def kernel(fleet: Fleet) -> Iterator[str]:
    """The generation that a live kernel of an unprivileged user runs in."""
    fleet.environment("notebooks", PYTHON, "ipykernel")
    generation = in_use(fleet, "notebooks")
    start = (
        "systemd-run --quiet --unit=kernel --uid=nobody --property=RuntimeDirectory=kernel --setenv=HOME=/run/kernel"
    )
    python = f"{ROOT}/generations/notebooks/{generation}/bin/python"
    fleet.run(f"{start} {python} -m ipykernel_launcher -f /run/kernel/connection.json")
    fleet.run("timeout 60 sh -c 'until test -s /run/kernel/connection.json; do sleep 0.1; done'")
    yield generation
    fleet.run("! systemctl is-active --quiet kernel || systemctl stop kernel")


def cells(fleet: Fleet, *code: str) -> list[str]:
    """Run cells in the live kernel, from whatever generation is in use, and return the lines that they print."""
    arguments = " ".join(map(shlex.quote, code))
    return fleet.run(f"{ROOT}/envs/notebooks/bin/python -c {shlex.quote(CELLS)} {arguments}", "nobody").splitlines()


def test_a_change_is_built_beside_and_switched_to(fleet: Fleet, always_there: str) -> None:
    first = in_use(fleet, always_there)
    rehearsed = fleet.environment(always_there, PYTHON, "idna", "six", check=True)
    assert rehearsed["changed"]
    assert in_use(fleet, always_there) == first

    done = fleet.environment(always_there, PYTHON, "idna", "six")
    second = in_use(fleet, always_there)
    assert done["plan"] == rehearsed["plan"] == ["+ six 1.17.0 (main)", f"~ generation {first} -> {second}"]
    assert done["digest"].startswith(second)
    assert generations(fleet, always_there) == {first, second}
    assert not fleet.environment(always_there, PYTHON, "idna", "six")["changed"]


def test_a_live_kernel_keeps_its_generation(fleet: Fleet, kernel: str) -> None:
    prefix = f"{ROOT}/generations/notebooks/{kernel}"
    assert cells(fleet, "x = 41", "import sys; print(sys.prefix)") == [prefix]

    switched = fleet.environment("notebooks", PYTHON, "ipykernel", "idna", keep=1)
    second = in_use(fleet, "notebooks")
    assert switched["plan"] == ["+ idna 3.20 (main)", f"~ generation {kernel} -> {second}"]
    assert not fleet.environment("notebooks", PYTHON, "ipykernel", "idna", keep=1)["changed"]
    assert cells(fleet, "import xmlrpc.client as late; print(x + 1, late.__file__)") == [
        f"42 {prefix}/lib/python3.11/xmlrpc/client.py"
    ]

    fleet.run("systemctl stop kernel")
    pruned = fleet.environment("notebooks", PYTHON, "ipykernel", "idna", keep=1)
    assert pruned["plan"] == [f"- generation {kernel}"]
    assert generations(fleet, "notebooks") == {second}


def test_an_environment_goes_back_by_steps_and_by_name(fleet: Fleet) -> None:
    made = []
    for packages in ([], ["idna"], ["idna", "six"]):
        fleet.environment("history", PYTHON, *packages)
        made.append(in_use(fleet, "history"))

    output = fleet.play("playbooks/rollback.yml", env="history", confirm=False)
    assert in_use(fleet, "history") == made[1]
    shown, _, done = output.partition("TASK [Go back]")
    assert "- six 1.17.0" in shown
    assert "changed" in done

    fleet.play("playbooks/rollback.yml", env="history", generation=made[2], confirm=False)
    assert in_use(fleet, "history") == made[2]
    fleet.play("playbooks/rollback.yml", env="history", steps=2, confirm=False)
    assert in_use(fleet, "history") == made[0]
    with pytest.raises(LabError, match="has no generation 1 steps back from the one in use"):
        fleet.play("playbooks/rollback.yml", env="history", confirm=False)
    assert in_use(fleet, "history") == made[0]
    assert generations(fleet, "history") == set(made)


def test_a_pinned_generation_stays_until_it_is_unpinned(fleet: Fleet) -> None:
    assert fleet.environment("pinned", PYTHON, "idna", pin=True)["changed"]
    pinned = in_use(fleet, "pinned")
    fleet.environment("pinned", PYTHON, "six", keep=1)
    second = in_use(fleet, "pinned")
    assert generations(fleet, "pinned") == {pinned, second}

    assert f"- generation {second}" in fleet.environment("pinned", state="absent")["plan"]
    assert generations(fleet, "pinned") == {pinned}
    assert not fleet.environment("pinned", state="absent")["changed"]

    unpinned = fleet.environment("pinned", PYTHON, "idna", pin=False)
    assert f"~ unpinned generation {pinned}" in unpinned["plan"]
    assert in_use(fleet, "pinned") == pinned
    fleet.environment("pinned", state="absent")
    assert generations(fleet, "pinned") == set()
    fleet.run(f"! test -L {ROOT}/envs/pinned && ! test -e {ROOT}/generations/pinned")
