# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Step

from reality.parts.packages import inside


class Made:
    """A package manager with the versions that a test gives it, and what a simulation brings."""

    def __init__(self, name: str, versions: Mapping[str, Sequence[str]], brings: Sequence[str] = ()) -> None:
        self.name = name
        self._versions, self._brings = versions, brings

    def versions(self, name: str) -> list[str]:
        return list(self._versions.get(name, ()))

    def simulate(self, install: Sequence[str], _remove: Sequence[str]) -> list[Step]:
        return [Step(name, "", "1") for name in (*install, *self._brings)]


META = {"linux-image-generic": ["6.8.0-90.91"], "linux-headers-generic": ["6.8.0-90.91"]}
IMAGE, HEADERS = "linux-image-6.8.0-90-generic", "linux-headers-6.8.0-90-generic"


@pytest.mark.parametrize(
    ("manager", "bringer", "result"),
    [
        (Made("apt", META, [IMAGE, HEADERS]), "linux-image-generic", "6.8.0-90-generic"),
        (Made("apt", META, [IMAGE]), "linux-image-generic", "brings no headers of 6.8.0-90-generic"),
        (Made("apt", META, []), "linux-image-generic", "brings no headers of a kernel"),
        (Made("apt", {"linux-image-generic": ["1"]}), "linux-image-generic", "no repository has linux-headers-generic"),
        (Made("apt", {}), "linux-image-generic", "no repository has linux-image-generic"),
        (Made("dnf", {"kernel": ["0:2", "0:1"], "kernel-devel": ["0:2"]}), "kernel", "0:2"),
        (
            Made("dnf", {"kernel": ["0:2", "0:1"], "kernel-devel": ["0:1"]}),
            "kernel",
            "no repository has kernel-devel 0:2",
        ),
    ],
)
def test_headers_of_the_kernel_that_a_package_brings(manager: Made, bringer: str, result: str) -> None:
    try:
        found = inside.headers(manager, bringer)["detail"]  # type: ignore[arg-type]
    except EvenkeelError as error:
        found = error.what
    assert found.endswith(result)


@pytest.mark.parametrize(
    ("rows", "foreign"),
    [
        ("a-0:1-1 ours\nb-0:1-1 ours\n", ""),
        ("a-0:1-1 ours\n\nb-0:1-1 epel\n", "other repositories have b-0:1-1"),
        ("a-0:1-1 epel\na-0:1-1 ours\nb-0:1-1 ours\n", ""),
    ],
)
def test_packages_of_another_repository(rows: str, foreign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside.command, "require", lambda _argv, _remedy: rows)
    try:
        inside.require_origin(["a-0:1-1", "b-0:1-1"], "ours")
        found = ""
    except EvenkeelError as error:
        found = error.what
    assert found == foreign


def test_a_run_goes_on_after_a_line_that_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, path = tmp_path / "asked", tmp_path / "answers"
    assert inside.read(path) == {}
    lines = [json.dumps({"key": key, "problem": ""}) for key in ("a", "repository")]
    path.write_text("\n".join([*lines, '{"key": "b", "pro']))
    asked.write_text("{}")
    monkeypatch.setattr(inside, "answered", lambda _request, done: [{"key": f"after {sorted(done)}", "problem": ""}])
    inside.main(str(asked), str(path))
    assert list(inside.read(path)) == ["a", "after ['a']"]


def test_a_repository_that_can_not_be_used_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Made("dnf", {"kernel": ["0:2"], "kernel-devel": ["0:2"]})
    monkeypatch.setattr(inside.converge, "manager_of_node", lambda: manager)

    def bring(*_unused: object) -> None:
        raise EvenkeelError("it answers nothing", "")

    monkeypatch.setattr(inside, "bring", bring)
    repository = {"name": "n", "kind": "rpm", "url": "u", "key_url": "k", "components": []}
    request = {"files": {}, "epel": None, "repository": repository, "kernels": ["kernel"], "sets": [{"key": "a"}]}
    answers = list(inside.answered(request, set()))
    assert [(one["key"], one["problem"]) for one in answers] == [
        ("headers/kernel", ""),
        ("repository", "it answers nothing"),
    ]
    assert [one["key"] for one in inside.answered(request, {"headers/kernel"})] == ["repository"]
