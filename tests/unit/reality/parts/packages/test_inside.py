# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Offer, Step
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository

from reality.parts.packages import inside

URL = "https://a.example/repos/"
OTHER = "https://b.example/"


class Made:
    """A package manager with the versions that a test gives it, and what a simulation brings."""

    exact = "%s=%s"

    def __init__(
        self,
        name: str,
        versions: Mapping[str, Sequence[str]],
        brings: Sequence[str] = (),
        elsewhere: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._versions, self._brings, self._elsewhere = versions, brings, elsewhere

    def installed(self) -> dict[str, str]:
        return {}

    known = sources = installed

    def held(self) -> set[str]:
        return set()

    def forbidden(self, _names: Sequence[str]) -> dict[str, str]:
        return {}

    def alike(self, _name: str) -> list[str]:
        return []

    def offers(self, names: Sequence[str]) -> dict[str, list[Offer]]:
        return {
            name: [Offer(version, name, (OTHER if name in self._elsewhere else URL,)) for version in versions]
            for name in names
            if (versions := self.versions(name))
        }

    def versions(self, name: str) -> list[str]:
        return list(self._versions.get(name, ()))

    def simulate(self, install: Sequence[str], _remove: Sequence[str]) -> list[Step]:
        names = [word.partition("=")[0] for word in (*install, *self._brings)]
        return [Step(name, "", (self.versions(name) or ["1"])[0]) for name in names]


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


ABSENT = {"problem": "", "absent": "no repository has it"}
REPOSITORY = {"name": "ours", "kind": "apt", "url": URL, "suite": "/", "components": [], "key_url": f"{URL}key"}
PARTS = r"^cuda-[a-z]+-(\d+)-(\d+)$"
CUDA = {
    "key": "cuda/12.8",
    "role": "cuda_toolkit",
    "repository": REPOSITORY,
    "needs": [REPOSITORY],
    "packages": [{"name": "cuda-toolkit-12-8", "version": ""}],
    "toolkits": ["12.8"],
    "parts": PARTS,
    "refuse": ["libcuda1"],
    "nccl": ["libnccl2"],
}
CONTAINER = {
    "key": "container/1.20.1",
    "role": "nvidia_container_toolkit",
    "repository": REPOSITORY,
    "needs": [REPOSITORY],
    "packages": [{"name": "nvidia-container-toolkit", "version": "1.20.1"}, {"name": "base", "version": "1.20.1"}],
    "version": "1.20.1",
}
VERSIONS = {
    "cuda-toolkit-12-8": ["12.8.1-1"],
    "libnccl2": ["2.28.9-1+cuda13.0", "2.27.7-1+cuda12.9", "2.26.2-1+cuda12.8"],
    "cuda-nvcc-12-8": ["12.8.93-1"],
    "nvidia-container-toolkit": ["1.21.0-1", "1.20.1-1"],
    "base": ["1.20.1-1"],
}


@pytest.mark.parametrize(
    ("one", "manager", "result"),
    [
        (
            CUDA,
            Made("apt", VERSIONS, ["cuda-nvcc-12-8", "libc6"]),
            "3 of the set, at 12.8.1, 2.28.9",
        ),
        (CUDA, Made("apt", VERSIONS, ["cuda-nvcc-13-0"]), "parts of other toolkits come with it: cuda-nvcc-13-0"),
        (CUDA, Made("apt", VERSIONS, ["libcuda1"]), "would change what it must not: libcuda1 1"),
        (CUDA, Made("apt", VERSIONS, [], ["cuda-toolkit-12-8"]), "other repositories have cuda-toolkit-12-8"),
        (CUDA, Made("apt", {**VERSIONS, "libnccl2": ["2.28.9-1+cuda13.0"]}), "no repository has libnccl2 for CUDA 12"),
        (CUDA, Made("apt", {}), "no repository has cuda-toolkit-12-8"),
        (CONTAINER, Made("apt", {**VERSIONS, "nvidia-container-toolkit": ["1.20.1-1"]}), "2 of the set, at 1.20.1"),
        (CONTAINER, Made("apt", VERSIONS), "would bring other versions than 1.20.1: nvidia-container-toolkit 1.21.0-1"),
        (CONTAINER, Made("apt", {"base": ["1.20.1-1"]}), "has the package nvidia-container-toolkit"),
    ],
)
def test_sets_of_toolkits(one: dict[str, Any], manager: Made, result: str) -> None:
    try:
        found = inside.resolves(manager, one)  # type: ignore[arg-type]
        said = found.get("detail") or found["absent"]
    except EvenkeelError as error:
        said = error.what
    assert said.endswith(result)


@pytest.mark.parametrize(
    ("versions", "found"),
    [(["2.28.9-1+cuda13.0", "2.27.7-1+cuda12.9"], "2.27.7-1+cuda12.9"), (["0:2.26.2-1+cuda12.8"], "2.26.2-1+cuda12.8")],
)
def test_the_newest_nccl_for_a_cuda(versions: list[str], found: str) -> None:
    assert inside.nccl(Made("dnf", {"libnccl": versions}), "libnccl", "12.8") == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "foreign"),
    [
        ("a ours\nb ours\n", ""),
        ("a ours\n\nb epel\n", "other repositories have b"),
        ("a epel\na ours\nb ours\n", ""),
    ],
)
def test_packages_of_another_repository(rows: str, foreign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside.command, "require", lambda _argv, _remedy: rows)
    try:
        ours = Repository(name="ours", kind="rpm", url=URL, key_url="")
        inside.require_origin(Made("dnf", {}), {"a": "0:1-1", "b": "0:1-1"}, ours)  # type: ignore[arg-type]
        found = ""
    except EvenkeelError as error:
        found = error.what
    assert found == foreign


def test_a_run_goes_on_after_a_line_that_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, path = tmp_path / "asked", tmp_path / "answers"
    assert inside.read(path) == {}
    lines = ['{"key": "a", "problem": "", "detail": ""}', '{"key": "c", "problem": "no answer"}']
    path.write_text("\n".join([*lines, '{"key": "b", "pro']))
    asked.write_text("{}")
    monkeypatch.setattr(inside, "answered", lambda _request, done: [{"key": f"after {sorted(done)}", "problem": "b"}])
    inside.main(str(asked), str(path))
    assert list(inside.read(path)) == ["a", "after ['a']"]


@pytest.mark.parametrize(
    "line",
    [
        b"\0\0\0",
        b"\xff\xfe",
        b"5",
        b"[]",
        b"[" * 100_000,
        b'{"a": 1}',
        b'{"key": "b", "problem": ""}',
        b'{"key": "b", "problem": "", "detail": 5}',
        b'{"key": ["b"], "problem": "", "detail": ""}',
        b'{"key": "b", "problem": null, "detail": ""}',
        b'{"key": "b", "problem": "", "absent": ""}',
    ],
)
def test_a_line_that_is_no_answer_is_left_out(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "answers"
    answers = [{"key": "a", "problem": "", "detail": "x"}, {"key": "c", "problem": "no c"}, {**ABSENT, "key": "d"}]
    first, *others = (json.dumps(one).encode() for one in answers)
    path.write_bytes(b"\n".join([first, line, *others, b""]))
    assert list(inside.read(path).values()) == answers


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    elsewhere.write_text('{"key": "a", "problem": "", "detail": "x"}\n')
    path.symlink_to(elsewhere)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("put", [fifo, link, endless])
def test_what_is_no_regular_file_has_no_answers_and_makes_way(
    put: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked = tmp_path / "answers", tmp_path / "asked"
    put(path)
    assert inside.read(path) == {}
    asked.write_text("{}")
    monkeypatch.setattr(inside, "answered", lambda _request, done: [{"key": f"after {sorted(done)}", "problem": "b"}])
    inside.main(str(asked), str(path))
    assert list(inside.read(path)) == ["after []"]
    assert stat.S_ISREG(path.lstat().st_mode)


def test_a_folder_has_no_answers(tmp_path: Path) -> None:
    assert inside.read(tmp_path) == {}


def test_a_repository_that_can_not_be_used_is_the_problem_of_its_own_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Made("apt", {**VERSIONS, "nvidia-container-toolkit": ["1.20.1-1"]})
    monkeypatch.setattr(inside.converge, "manager_of_node", lambda: manager)
    brought = []

    def bring(repository: Repository, _manager: Made) -> None:
        brought.append(repository.name)
        if repository.name == "down":
            raise EvenkeelError("it answers nothing", "")

    monkeypatch.setattr(inside, "bring", bring)
    monkeypatch.setattr(inside, "_put", lambda _files: None)
    down = [{**REPOSITORY, "name": "down"}]
    sets = [{**CUDA, "key": "a", "needs": down}, {**CUDA, "key": "b", "needs": down}, CONTAINER]
    request = {"files": {}, "kernels": [], "sets": sets}
    assert [(one["key"], one["problem"]) for one in inside.answered(request, set())] == [
        ("resolves/a", "it answers nothing"),
        ("resolves/b", "it answers nothing"),
        ("resolves/container/1.20.1", ""),
    ]
    assert brought == ["down", "ours"]
    assert [one["key"] for one in inside.answered(request, {"resolves/a", "resolves/b"})] == [
        "resolves/container/1.20.1"
    ]
