# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, with wheels that are small archives."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_runtime as logic
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import PLATFORMS
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.modules import conda_runtime

PLATFORM = PLATFORMS[os.uname().machine]
RATTLER = "py_rattler-0.28.0-cp310-abi3-any.whl"
UV = "uv-0.13.9-py3-none-any.whl"
FILES = {
    RATTLER: ["rattler/__init__.py", "py_rattler-0.28.0.dist-info/METADATA"],
    UV: ["uv/__init__.py", "uv-0.13.9.dist-info/METADATA", "uv-0.13.9.data/scripts/uv"],
}

Result = dict[str, Any]


class Node:
    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = directory / "evenkeel", capsys
        self.prefix, self.brought = directory / "miniconda3", directory / "brought"
        self.brought.mkdir()
        self.wheels = []
        for name, files in FILES.items():
            with zipfile.ZipFile(self.brought / name, "w") as archive:
                record = "{}-{}.dist-info/RECORD".format(*name.split("-"))
                for file in files:
                    archive.writestr(file, "")
                archive.writestr(record, "".join(f"{file},,\n" for file in (*files, record)))
            self.wheels.append({"name": name, "sha256": hashlib.sha256((self.brought / name).read_bytes()).hexdigest()})
        for place in ("bin", "conda-meta"):
            (self.prefix / place).mkdir(parents=True)
        self.python = self.prefix / "bin" / "python"
        self.python.touch(0o755)
        self.has_python("3.11.7")

    def has_python(self, version: str) -> None:
        record = self.prefix / "conda-meta" / "python-3-0.json"
        record.write_text(json.dumps({"name": "python", "version": version}))

    def run(self, **more: object) -> Result:
        arguments = {
            "root": str(self.root),
            "python": str(self.python),
            "available": {PLATFORM: self.wheels},
            "lock_timeout": 0,
            "_ansible_diff": True,
            **more,
        }
        handed = {name: arguments.pop(name) for name in logic.FROM_ACTION if name in arguments}
        with patch_module_args({**arguments, HANDED: handed}), pytest.raises(SystemExit):
            conda_runtime.main()
        result: Result = json.loads(self.capsys.readouterr().out)
        return result

    def bring(self, **more: object) -> Result:
        return self.run(brought=str(self.brought), **more)


@pytest.fixture
def node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Node:
    return Node(tmp_path, capsys)


def test_it_says_what_it_lacks_until_that_is_brought_and_then_nothing(node: Node) -> None:
    lacking = node.run()
    assert lacking["wanted"] == {"platform": PLATFORM, "wheels": [RATTLER, UV]}
    assert not lacking["changed"]
    assert not node.root.exists()
    done = node.bring()
    assert (done["changed"], done["rattler"], done["reason"], done["python"]) == (True, True, "", str(node.python))
    assert Path(done["path"]).parent == node.root / "runtime"
    assert done["diff"]["before"] == ""
    assert done["diff"]["after"] == f"{Path(done['path']).name}: py_rattler 0.28.0, uv 0.13.9\n"
    again = node.run()
    assert (again["changed"], again["path"]) == (False, done["path"])
    assert "wanted" not in again


def test_without_wheels_for_its_platform_it_names_the_platform(node: Node) -> None:
    for check_mode in (True, False):
        result = node.run(available={"linux-other": node.wheels}, _ansible_check_mode=check_mode)
        assert result["wanted"] == {"platform": PLATFORM, "wheels": []}
        assert not result["changed"]
    assert not node.root.exists()


def test_check_mode_tells_the_same_needs_no_wheels_and_touches_nothing(node: Node) -> None:
    checked = node.run(_ansible_check_mode=True)
    assert not node.root.exists()
    done = node.bring()
    assert (checked["changed"], checked["diff"], checked["path"]) == (True, done["diff"], done["path"])
    assert not node.run(_ansible_check_mode=True)["changed"]


def test_a_python_that_is_too_old_gets_uv_alone_and_a_newer_one_both(node: Node) -> None:
    node.has_python("3.9.18")
    assert node.run()["wanted"]["wheels"] == [UV]
    (node.brought / RATTLER).rename(node.brought / "elsewhere")
    old = node.bring()
    assert not old["rattler"]
    assert old["reason"] == f"{node.python} is Python 3.9.18, and py-rattler needs 3.10 or newer"
    contents = sorted(entry.name for entry in Path(old["path"], "site-packages").iterdir())
    assert contents == ["uv", "uv-0.13.9.dist-info"]
    (node.brought / "elsewhere").rename(node.brought / RATTLER)
    node.has_python("3.13.0")
    new = node.bring()
    assert new["rattler"]
    assert new["path"] != old["path"]


def test_a_bare_host(node: Node) -> None:
    node.python.unlink()
    for mode in ({"_ansible_check_mode": True}, {}):
        result = node.bring(**mode)
        assert (result["changed"], result["rattler"]) == (True, False)
        assert result["reason"] == f"{node.python} is not a program"


def test_what_a_killed_run_left_is_removed_without_bringing_wheels_again(node: Node) -> None:
    node.bring()
    leftover = node.root / "runtime" / f".partial-{'0' * 16}"
    leftover.mkdir()
    assert node.run(_ansible_check_mode=True)["changed"]
    assert leftover.exists()
    assert node.run()["changed"]
    assert not leftover.exists()
    assert not node.run()["changed"]


def test_everybody_may_read_it_whatever_the_umask(node: Node) -> None:
    before = os.umask(0o077)
    try:
        node.bring()
    finally:
        os.umask(before)
    for path in (node.root, *node.root.rglob("*")):
        mode = 0o755 if path.is_dir() or path.name == "uv" else 0o644
        if "locks" in path.parts:
            mode &= 0o700
        assert path.stat().st_mode & 0o777 == mode


def test_another_run_on_the_same_root_is_named(node: Node) -> None:
    with held(str(node.root / "locks" / "pkgs"), 0):
        result = node.bring()
    assert f"{node.root}/locks/pkgs is still locked by process {os.getpid()}" in result["msg"]
    assert not (node.root / "runtime").exists()


def test_what_another_run_did_meanwhile_is_not_done_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait_for_the_other_run(path: str, timeout: float) -> object:
        monkeypatch.setattr(logic, "held", held)
        assert node.bring()["changed"]
        return held(path, timeout)

    monkeypatch.setattr(logic, "held", wait_for_the_other_run)
    assert not node.bring()["changed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"root": "/opt//evenkeel"}, "root is '/opt//evenkeel', which is not a normalised absolute path"),
        (
            {"available": {PLATFORM: [{"name": UV, "sha256": "0" * 64}]}},
            f"The wheel {UV} arrived with the SHA-256",
        ),
    ],
)
def test_bad_input_fails_and_leaves_nothing(node: Node, arguments: Result, message: str) -> None:
    result = node.bring(**arguments)
    assert result["failed"]
    assert message in result["msg"]
    assert not list((node.root / "runtime").glob("*"))
