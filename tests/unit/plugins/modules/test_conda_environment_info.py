# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment_info as logic
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import (
    environment,
    environment_apply,
    environment_plan,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package, digest
from ansible_collections.evenkeel.gpu.plugins.modules import conda_environment_info

MAIN = "https://repo.anaconda.com/pkgs/main/noarch"
SIX = Package("six", "1.17.0", "py_0", "ab" * 32, url=f"{MAIN}/six-1.17.0-py_0.conda", depends=("python",))
NEWER = Package("six", "1.18.0", "py_0", "cd" * 32, url=f"{MAIN}/six-1.18.0-py_0.conda")
HISTORY = "==> 2026-11-25 00:00:00 <==\n# update specs: ['six']\n"
NODE_HAS = ("linux-64", {"__unix": "0", "__glibc": "2.36"})

Result = dict[str, Any]


def install(prefix: Path, *packages: Package) -> None:
    """Make what conda leaves of an environment: a file and a record for each package."""
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta" / "history").write_text(HISTORY)
    for package in packages:
        (prefix / f"{package.name}.txt").write_text("four")
        paths = {"paths": [{"_path": f"{package.name}.txt", "path_type": "hardlink"}]}
        record = {**vars(package), "files": [f"{package.name}.txt"], "paths_data": paths}
        (prefix / "conda-meta" / f"{package.stem}.json").write_text(json.dumps(record))


class Node:
    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys

    def has(self, name: str, package: Package, **variables: str) -> str:
        """Build an environment as Evenkeel does, and return its generation's name."""

        def build(target: Generation) -> str:
            install(Path(target.path), *target.packages)
            return "rattler"

        desired = environment_plan.Desired((package,), variables)
        state = environment.read(str(self.root), name, desired.digest)
        plan = environment_plan.plan(state, str(self.root), name, desired, environment_plan.Policy())
        environment_apply.apply(plan, str(self.root), name, build)
        assert plan.target
        return plan.target.id

    def tell(self, **arguments: object) -> Result:
        with patch_module_args({"root": str(self.root), **arguments}), pytest.raises(SystemExit):
            conda_environment_info.main()
        result: Result = json.loads(self.capsys.readouterr().out)
        return result


@pytest.fixture
def node(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(logic, "this_node", lambda: NODE_HAS)
    return Node(tmp_path / "evenkeel", capsys)


def test_a_bare_node_has_none(node: Node) -> None:
    result = node.tell()
    assert (result["changed"], result["environments"]) == (False, [])
    assert (result["platform"], result["virtual_packages"]) == NODE_HAS


def test_all_or_one(node: Node) -> None:
    node.has("b", SIX)
    node.has("a", SIX)
    (node.root / "envs" / "theirs").mkdir()
    assert [found["name"] for found in node.tell()["environments"]] == ["a", "b"]
    assert [found["name"] for found in node.tell(name="b")["environments"]] == ["b"]


def test_what_others_may_change_is_drift_wherever_it_is(node: Node) -> None:
    path = node.root / "generations" / "a" / node.has("a", SIX)
    (path / "share" / "deep").mkdir(parents=True)
    (path / "share" / "deep").chmod(0o777)
    assert node.tell()["environments"][0]["drift"] == ["others may change share/deep"]
    (path / "share" / "deep").chmod(0o755)
    node.root.parent.chmod(0o777)
    assert node.tell()["environments"][0]["drift"] == [f"others may change {node.root.parent}"]


def test_what_is_told_of_one(node: Node) -> None:
    old = node.has("ai-dev", SIX)
    new = node.has("ai-dev", NEWER, A="1")
    (found,) = node.tell()["environments"]
    assert found["prefix"] == str(node.root / "envs" / "ai-dev")
    assert found["digest"] == digest([NEWER], {"A": "1"})
    assert [(package["name"], package["version"], package["url"]) for package in found["packages"]] == [
        ("six", "1.18.0", NEWER.url)
    ]
    assert (found["requested"], found["variables"], found["drift"]) == (["six"], {"A": "1"}, [])
    assert found["generation"] == new
    assert [(one["id"], one["in_use"], one["installer"]) for one in found["generations"]] == [
        (old, False, "rattler"),
        (new, True, "rattler"),
    ]


def test_drift_is_told(node: Node) -> None:
    node.has("ai-dev", SIX)
    prefix = node.root / "envs" / "ai-dev"
    (prefix / "conda-meta" / f"{SIX.stem}.json").unlink()
    (prefix / "mine.txt").touch()
    assert node.tell()["environments"][0]["drift"] == ["- six 1.17.0"]
    assert node.tell(verify="files")["environments"][0]["user_files"] == ["mine.txt", "six.txt"]


def test_size_counts_what_nothing_else_links_to(node: Node, tmp_path: Path) -> None:
    node.has("ai-dev", SIX)
    total = node.tell(size=True)["environments"][0]["size"]
    assert total["own"] == total["total"] > 4
    (tmp_path / "other").hardlink_to(node.root / "envs" / "ai-dev" / "six.txt")
    assert node.tell(size=True)["environments"][0]["size"] == {"total": total["total"], "own": total["own"] - 4}


def test_an_environment_that_somebody_made(node: Node, tmp_path: Path) -> None:
    install(tmp_path / "theirs", SIX)
    (tmp_path / "theirs" / "conda-meta" / "state").write_text('{"env_vars": {"A": "1"}, "version": 1}')
    (found,) = node.tell(prefix=str(tmp_path / "theirs"))["environments"]
    assert found["name"] == "theirs"
    assert found["digest"] == digest([SIX], {"A": "1"})
    assert found["packages"][0]["depends"] == ["python"]
    assert (found["requested"], found["variables"], found["generations"]) == (["six"], {"A": "1"}, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "nope"}, "The node has no environment nope in {root}/envs. Name one of ai-dev, or a prefix."),
        ({"name": "../etc"}, "name is '../etc', which is not a valid name of an environment"),
        ({"prefix": "{root}"}, "{root} is not a conda environment: it has no conda-meta/history"),
        ({"prefix": "/", "name": "a"}, "parameters are mutually exclusive: name|prefix"),
    ],
)
def test_bad_input(node: Node, arguments: dict[str, str], message: str) -> None:
    node.has("ai-dev", SIX)
    result = node.tell(**{key: value.format(root=node.root) for key, value in arguments.items()})
    assert result["failed"]
    assert message.format(root=node.root) in result["msg"]


def test_a_name_where_there_are_none(node: Node) -> None:
    message = f"The node has no environment nope in {node.root}/envs. It has none there; name a prefix."
    assert node.tell(name="nope")["msg"] == message


def test_an_environment_of_a_user_s_is_looked_at_as_that_user(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logic.accounts, "owner", lambda _: pwd.getpwuid(os.geteuid()))
    install(tmp_path / "theirs", SIX)
    assert node.tell(prefix=str(tmp_path / "theirs"))["environments"][0]["packages"][0]["name"] == "six"
    monkeypatch.setattr(logic, "SECONDS", 0.5)
    os.mkfifo(tmp_path / "theirs/conda-meta/odd-1-0.json")
    assert "there was no answer within 0.5 s" in node.tell(prefix=str(tmp_path / "theirs"))["msg"]
