# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytecode that is compiled once for a lock: nodes link it, and compile only what is missing or damaged."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.faults.conftest import Answer, Node

NAME = "compiled"
ENVIRONMENT = f"/opt/evenkeel/envs/{NAME}"
#: Lines for sha256sum.
SUMS = """
import json
for path, sha256 in json.load(open("conda-meta/evenkeel-bytecode")).items():
    print(sha256, path, sep="  ")
"""


def bytecode_of(answer: Answer) -> tuple[int, int]:
    """Return what a run has reported: how many files it compiled, and of how many packages it got the bytecode."""
    (found,) = re.findall(r'"bytecode": \{\s*"compiled": (\d+),\s*"received": (\d+)\s*\}', answer.output)
    return int(found[0]), int(found[1])


def manifest(node: Node) -> dict[str, str]:
    """Return all bytecode of the environment, path to SHA-256, once it is known that the files have it."""
    found: dict[str, str] = json.loads(node.host.check_output(f"cat {ENVIRONMENT}/conda-meta/evenkeel-bytecode"))
    node.host.check_output("cd %s && python3 -c %s | sha256sum --check --quiet", ENVIRONMENT, SUMS)
    return found


@pytest.mark.long
def test_a_fleet_compiles_once(prepared: Node, tmp_path: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "environment.yml").write_text(
        json.dumps({"channels": ["defaults"], "dependencies": ["python=3.11", "six", {"pip": ["humanize"]}]})
    )
    given = {"conda_environments_directory": str(tmp_path), "conda_environments_list": [{"name": NAME}]}
    assert prepared.play("playbooks/lock.yml", **given, lock_env=NAME, lock_targets=["debian-12"]).succeeded()
    rehearsed = prepared.play("playbooks/compile.yml", "--check", "--diff", **given)
    assert rehearsed.succeeded()
    assert "+ six-" in rehearsed.output
    assert not (folder / "conda-bytecode.json").exists()
    assert prepared.play("playbooks/compile.yml", **given).succeeded()
    compiled = (folder / "conda-bytecode.json").read_text()
    again = prepared.play("playbooks/compile.yml", **given)
    assert again.succeeded()
    assert "changed=0" in again.output
    archives = {path.name: path for path in (folder / "bytecode").iterdir()}

    first = prepared.play("site.yml", "-v", tags="conda_environments", **given)
    assert first.succeeded()
    files, received = bytecode_of(first)
    assert received == len(archives)
    digest = prepared.host.check_output(f"readlink {ENVIRONMENT}")
    linked = manifest(prepared)
    of_packages = prepared.host.check_output("cat /opt/evenkeel/pkgs/bytecode/cpython-311/*/index.json")
    shared = sum(len(json.loads(index)["bytecode"]) for index in re.findall(r"\{\"format.*?\]\}", of_packages))
    assert files == len(linked) - shared, "only files that hold the prefix are compiled on the node"

    prepared.clear()
    (folder / "conda-bytecode.json").unlink()
    without = prepared.play("site.yml", "-v", tags="conda_environments", **given)
    assert without.succeeded()
    assert bytecode_of(without)[1] == 0
    assert bytecode_of(without)[0] > 1000
    assert prepared.host.check_output(f"readlink {ENVIRONMENT}") == digest
    assert manifest(prepared) == linked

    prepared.clear()
    (folder / "conda-bytecode.json").write_text(compiled)
    damaged, missing = (
        archives[f"{entry['archive']}.zip"]
        for entry in json.loads(compiled)["platforms"]["linux-64"]["packages"]
        if entry["package"].startswith(("humanize-", "six-"))
    )
    damaged.write_bytes(damaged.read_bytes().replace(b"six", b"xis").replace(b"humanize", b"ezinamuh"))
    missing.unlink()
    fallen = prepared.play("site.yml", "-v", tags="conda_environments", **given)
    assert fallen.succeeded()
    assert "this machine compiled that of 2 packages itself: " in fallen.output
    assert f"not {damaged.stem}" in fallen.output
    assert "it was not brought" in fallen.output
    assert bytecode_of(fallen)[1] == len(archives) - 2
    assert prepared.host.check_output(f"readlink {ENVIRONMENT}") == digest
    assert manifest(prepared) == linked
