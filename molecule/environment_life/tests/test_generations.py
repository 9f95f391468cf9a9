# SPDX-License-Identifier: GPL-3.0-or-later
"""The generations of an environment: made, switched to, gone back to, kept and removed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from lab.errors import LabError
from lab.nodes.fleet import Fleet

ROOT = "/opt/evenkeel"
#: On another disk by a link, as ``/opt`` is at some sites.
LINK, REAL = "/srv/link", "/srv/real"
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

#: Writes down what happens to names in a directory until one called ``end`` comes.
WATCH = """
import ctypes, os, pathlib, struct, sys
KINDS = {0x40: "moved away", 0x80: "moved here", 0x100: "created", 0x200: "deleted"}
directory, log = sys.argv[1:]
library = ctypes.CDLL(None)
events = library.inotify_init()
library.inotify_add_watch(events, os.fsencode(directory), sum(KINDS))
lines = [""]
pathlib.Path(log).touch()
while lines[-1] != "created end":
    data = os.read(events, 4096)
    while data:
        _, kind, _, length = struct.unpack("iIII", data[:16])
        lines.append(KINDS[kind & sum(KINDS)] + " " + data[16 : 16 + length].decode().rstrip(chr(0)))
        data = data[16 + length :]
pathlib.Path(log).write_text(chr(10).join(lines))
"""


def in_use(fleet: Fleet, name: str, root: str = ROOT) -> str:
    """Return the name of the generation in use."""
    return fleet.run(f"basename $(readlink {root}/envs/{name})")


def generations(fleet: Fleet, name: str) -> set[str]:
    """Return the names of the generations that are there."""
    return set(fleet.run(f"ls {ROOT}/generations/{name} 2>/dev/null || true").split())


def switched(fleet: Fleet, *packages: str) -> list[str]:
    """Change the environment ``growing``, and return what happened to its name meanwhile."""
    log, end = "/run/watched", f"{ROOT}/envs/end"
    fleet.run(f"rm --force {log}; systemd-run --quiet --unit=watch python3 -c {shlex.quote(WATCH)} {ROOT}/envs {log}")
    fleet.run(f"timeout 60 sh -c 'until test -e {log}; do sleep 0.1; done'")
    fleet.environment("growing", *packages)
    fleet.run(f"touch {end} && timeout 60 sh -c 'until test -s {log}; do sleep 0.1; done' && rm {end}")
    return fleet.run(f"grep ' growing$' {log}").splitlines()


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


def test_a_change_is_built_beside_and_switched_to(fleet: Fleet) -> None:
    fleet.environment("growing", PYTHON, "idna")
    first = in_use(fleet, "growing")
    rehearsed = fleet.environment("growing", PYTHON, "idna", "six", check=True)
    assert in_use(fleet, "growing") == first

    assert switched(fleet, PYTHON, "idna", "six") == ["moved here growing"]
    second = in_use(fleet, "growing")
    assert rehearsed["plan"] == ["+ six 1.17.0 (main)", f"~ generation {first} -> {second}"]
    assert rehearsed["digest"].startswith(second)
    assert generations(fleet, "growing") == {first, second}
    assert not fleet.environment("growing", PYTHON, "idna", "six")["changed"]


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


@pytest.mark.parametrize(
    ("place", "begin"),
    [(LINK, "exec"), ("/mnt", f"mount --bind {REAL} /mnt && exec")],
    ids=["through a link", "mounted elsewhere in a namespace of its own"],
)
def test_a_process_keeps_its_generation_wherever_it_sees_it(fleet: Fleet, place: str, begin: str) -> None:
    fleet.run(f"mkdir --parents {REAL} && ln --symbolic --force --no-dereference {REAL} {LINK}")
    environment = {"root": f"{LINK}/evenkeel", "keep": 1}
    fleet.environment("seen", PYTHON, **environment)
    used = in_use(fleet, "seen", f"{LINK}/evenkeel")
    program = f"{begin} {place}/evenkeel/envs/seen/bin/python -c 'import time; time.sleep(3000)'"
    python = f"{place}/evenkeel/generations/seen/{used}/bin/python3.11"
    try:
        fleet.run(f"systemd-run --quiet --unit=seen unshare --mount sh -c {shlex.quote(program)}")
        fleet.run(
            "timeout 60 sh -c 'until readlink /proc/$(systemctl show --value --property=MainPID seen)/exe "
            "| grep --quiet generations/seen; do sleep 0.1; done'"
        )
        switched = fleet.environment("seen", PYTHON, "idna", **environment)
        assert not [line for line in switched["plan"] if line.startswith("-")]
        assert not fleet.environment("seen", PYTHON, "idna", **environment)["changed"]
        fleet.run(f"test -e {python.replace(place, LINK, 1)}")
    finally:
        fleet.run("systemctl stop seen")
    assert fleet.environment("seen", PYTHON, "idna", **environment)["plan"] == [f"- generation {used}"]


def test_an_environment_goes_back_by_steps_and_by_name(fleet: Fleet) -> None:
    made = []
    for packages in ([], ["idna"], ["idna", "six"]):
        fleet.environment("history", PYTHON, *packages)
        made.append(in_use(fleet, "history"))

    output = fleet.play("playbooks/rollback.yml", rollback_env="history", rollback_confirm=False)
    assert in_use(fleet, "history") == made[1]
    shown, _, done = output.partition("TASK [Go back]")
    assert "- six 1.17.0" in shown
    assert "changed" in done

    fleet.play("playbooks/rollback.yml", rollback_env="history", rollback_generation=made[2], rollback_confirm=False)
    assert in_use(fleet, "history") == made[2]
    fleet.play("playbooks/rollback.yml", rollback_env="history", rollback_steps=2, rollback_confirm=False)
    assert in_use(fleet, "history") == made[0]
    with pytest.raises(LabError, match="has no generation 1 steps back from the one in use"):
        fleet.play("playbooks/rollback.yml", rollback_env="history", rollback_confirm=False)
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
