# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters that are raised and never lowered."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import sysctl_floor
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysctl_floor import State

NAME = "fs.inotify.max_user_watches"
PATH = "/etc/sysctl.d/60-evenkeel-inotify.conf"
OURS = f"{MARK}\n{NAME} = 500\n"


@pytest.mark.parametrize(
    ("text", "live", "after", "rise"),
    [
        pytest.param(None, 100, OURS, {NAME: 500}, id="lower"),
        pytest.param(None, 500, None, {}, id="as high without us"),
        pytest.param(None, 900, None, {}, id="higher without us"),
        pytest.param(OURS, 500, OURS, {}, id="as it is to be"),
        pytest.param(OURS, 900, OURS, {}, id="raised by somebody later"),
        pytest.param(OURS, 100, OURS, {NAME: 500}, id="lowered by somebody"),
        pytest.param(f"{MARK}\n{NAME} = 200\n", 200, OURS, {NAME: 500}, id="we want more than before"),
        pytest.param(f"{MARK}\n{NAME} = 900\n", 900, OURS, {}, id="we want less than before"),
        pytest.param(f"{MARK}\nvm.swappiness = 1\n", 900, None, {}, id="no longer wanted"),
        pytest.param("", 500, OURS, {}, id="truncated, and perhaps the reason"),
        pytest.param(f"{MARK}\n\udcff\0", 500, OURS, {}, id="damaged, and perhaps the reason"),
    ],
)
def test_plan(text: str | None, live: int, after: str | None, rise: dict[str, int]) -> None:
    file, wanted = (Kept(one) if one is not None else None for one in (text, after))
    plan = sysctl_floor.plan(PATH, file, {NAME: 500}, {NAME: State(live, True)}, {})
    assert (plan.file.after if plan.file else file) == wanted
    assert plan.rise == rise
    assert plan.changed == bool(text != after or rise)
    assert plan.left == ()
    settled = {NAME: State(max(live, rise.get(NAME, 0)), True)}
    assert not sysctl_floor.plan(PATH, wanted, {NAME: 500}, settled, {}).changed


def test_what_is_the_host_s_is_left_and_told() -> None:
    plan = sysctl_floor.plan(PATH, Kept(OURS), {NAME: 500}, {NAME: State(100, False)}, {})
    assert not plan.changed
    assert plan.left == (f"{NAME} is 100, below 500, and not for this node to change: raise it on the host",)


def test_a_parameter_that_the_kernel_does_not_have() -> None:
    plan = sysctl_floor.plan(PATH, None, {NAME: 500}, {NAME: State(None, False)}, {})
    assert (plan.changed, plan.left) == (False, (f"the kernel has no {NAME}",))


def test_a_file_that_comes_later_is_told() -> None:
    others = {"/etc/sysctl.d/99-x.conf": {NAME: 8192, "vm.swappiness": 1}, "/etc/sysctl.d/99-y.conf": {NAME: 9999999}}
    plan = sysctl_floor.plan(PATH, None, {NAME: 524288}, {NAME: State(524288, True)}, others)
    assert plan.left == (f"/etc/sysctl.d/99-x.conf sets {NAME} to 8192 at the next boot, below 524288",)


def test_files_that_come_later(tmp_path: Path) -> None:
    etc, lib = tmp_path / "etc", tmp_path / "lib"
    for file, value in ((etc / "10-a", 1), (etc / "70-b", 2), (lib / "70-b", 3), (lib / "80-c", 4), (etc / "60-me", 5)):
        file.parent.mkdir(exist_ok=True)
        file.with_suffix(".conf").write_text(f"# x = 1\n-{NAME.replace('.', '/')}={value}\nkernel.core_pattern = |x\n")
    found = sysctl_floor.later(str(etc / "60-me.conf"), (str(etc), str(lib)))
    assert found == {str(etc / "70-b.conf"): {NAME: 2}, str(lib / "80-c.conf"): {NAME: 4}}


def test_values_are_read_and_raised(tmp_path: Path) -> None:
    path = tmp_path.joinpath(*NAME.split("."))
    path.parent.mkdir(parents=True)
    path.write_text("100\n")
    root = str(tmp_path)
    assert sysctl_floor.read([NAME, "a.b"], root, in_container=False) == {
        NAME: State(100, True),
        "a.b": State(None, False),
    }
    assert sysctl_floor.read([NAME], root, in_container=True) == {NAME: State(100, False)}
    drop_in = str(tmp_path / "60.conf")
    states = sysctl_floor.read([NAME], root, in_container=False)
    sysctl_floor.apply(sysctl_floor.plan(drop_in, None, {NAME: 500}, states, {}), root)
    assert path.read_text() == "500"
    assert Path(drop_in).read_text() == OURS


@pytest.mark.parametrize("name", ["", "fs", "../x.y", "fs..x", "fs.x y", "FS.x\n.y"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(EvenkeelError, match="not a kernel parameter"):
        sysctl_floor.check("inotify", {name: 1})
