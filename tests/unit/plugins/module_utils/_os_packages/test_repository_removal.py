# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories of ours go with their keys; entries of others come back with the last repository that they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import (
    foreign_sources,
    repository,
    repository_removal,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository

CUDA = Repository("evenkeel-nvidia-cuda", "apt", "https://m/cuda/", "https://m/cuda/k.asc")
CONTAINER = Repository("evenkeel-container", "apt", "https://m/container/", "https://m/container/k.asc")


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's /etc/apt with two repositories of ours, of whose records one took over an entry of the other's."""
    monkeypatch.setattr(repository, "_APT", str(tmp_path))
    monkeypatch.setattr(repository, "_RPM", str(tmp_path / "yum.repos.d"))
    monkeypatch.setattr(repository, "_RPM_KEYS", str(tmp_path / "rpm-gpg"))
    monkeypatch.setattr(made, "FOLDER", str(tmp_path / "made"))
    for one in (CUDA, CONTAINER):
        path = Path(one.path)
        path.parent.mkdir(exist_ok=True)
        path.write_text(repository.text(one, one.key_path, "0", "0"))
        Path(one.key_path).parent.mkdir(exist_ok=True)
        Path(one.key_path).write_text("key")
    (tmp_path / "sources.list.d" / "theirs.list.replaced-by-evenkeel.save").write_text("deb https://m/cuda/ /\n")
    backup = Thing("backup", str(tmp_path / "sources.list.d" / "theirs.list.replaced-by-evenkeel.save"))
    made.note("container", [backup, Thing("package", "toolkit")])
    return tmp_path


def there(etc: Path) -> set[str]:
    return {path.name for path in etc.glob("*.d/*")} | {path.name for path in etc.glob("keyrings/*")}


def test_an_entry_of_others_comes_back_with_the_last_repository_that_it_names(etc: Path) -> None:
    first = repository_removal.plan(CONTAINER.name)
    assert [change.path for change in first.files] == [CONTAINER.path, CONTAINER.key_path]
    assert not first.back.files
    first.apply()
    rest = {"evenkeel-nvidia-cuda.sources", "evenkeel-nvidia-cuda.asc"}
    assert there(etc) == {*rest, "theirs.list.replaced-by-evenkeel.save"}
    assert len(made.read("container")) == 2

    last = repository_removal.plan(CUDA.name)
    assert [diff["after_header"] for diff in last.diffs()][-1] == str(etc / "sources.list.d" / "theirs.list")
    last.apply()
    assert there(etc) == {"theirs.list"}
    assert made.read("container") == [Thing("package", "toolkit")]
    assert repository_removal.plan(CUDA.name, CONTAINER.name).diffs() == []


def test_a_run_that_was_killed_before_the_entry_came_back_is_finished_by_the_next(etc: Path) -> None:
    kept_files.apply_all(repository_removal.plan(CUDA.name).files)
    found = repository_removal.plan(CUDA.name)
    assert (list(found.files), len(found.diffs())) == ([], 1)
    found.apply()
    assert foreign_sources.kept_path("theirs.list") not in there(etc)
