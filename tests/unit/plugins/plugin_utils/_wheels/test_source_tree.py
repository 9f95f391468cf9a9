# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import SourceRelease
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import source_tree
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.source_tree import (
    fetch_archive,
    fetch_commit,
    parts_of,
)

Repository = tuple[Path, str]


def git(directory: Path, *arguments: str) -> str:
    argv = ["git", "-c", "user.name=me", "-c", "user.email=me@host.example", "-c", "protocol.file.allow=always"]
    done = subprocess.run([*argv, *arguments], cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(directory: Path, files: dict[str, str]) -> Repository:
    """Make a repository of files; return it and its commit."""
    directory.mkdir(parents=True)
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    git(directory, "init", "--quiet")
    git(directory, "add", ".")
    git(directory, "commit", "--quiet", "--message", "first")
    return directory, git(directory, "rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def _host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have git find https://git.example and ssh://git@git.example below ``tmp_path/git``."""
    settings = {
        f"url.{tmp_path}/git/.insteadOf": "https://git.example/",
        f"url.{tmp_path}/git/./.insteadOf": "ssh://git@git.example/",
        "protocol.file.allow": "always",
        "uploadpack.allowFilter": "true",
    }
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (key, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)


@pytest.fixture
def tool(tmp_path: Path) -> Repository:
    return repository(tmp_path / "git" / "tool", {"setup.py": "first", "python/setup.py": "in python"})


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.mark.parametrize("base", ["https://git.example", "ssh://git@git.example"])
def test_one_commit_is_checked_out_with_its_history_and_tags(tool: Repository, target: Path, base: str) -> None:
    directory, first = tool
    git(directory, "tag", "v1.0")
    (directory / "setup.py").write_text("second")
    git(directory, "commit", "--quiet", "--all", "--message", "second")
    second = git(directory, "rev-parse", "HEAD")
    (directory / "setup.py").write_text("third")
    git(directory, "commit", "--quiet", "--all", "--message", "third")
    project = fetch_commit(SourceRelease("tool", "", f"git+{base}/tool@{second}"), target)
    assert (project / "setup.py").read_text() == "second"
    assert git(project, "describe", "--tags") == f"v1.0-1-g{second[:7]}"
    assert first != second


def test_a_commit_of_no_branch_is_found(tool: Repository, target: Path) -> None:
    directory, first = tool
    git(directory, "checkout", "--quiet", "--detach")
    (directory / "setup.py").write_text("of a pull request")
    git(directory, "commit", "--quiet", "--all", "--message", "second")
    commit = git(directory, "rev-parse", "HEAD")
    git(directory, "update-ref", "refs/pull/1/head", commit)
    git(directory, "checkout", "--quiet", "--force", "-B", "main", first)
    project = fetch_commit(SourceRelease("tool", "", f"git+https://git.example/tool@{commit}"), target)
    assert (project / "setup.py").read_text() == "of a pull request"


def test_a_project_in_a_subdirectory(tool: Repository, target: Path) -> None:
    url = f"git+https://git.example/tool@{tool[1]}"
    assert (fetch_commit(SourceRelease("tool", "", f"{url}#subdirectory=python"), target) / "setup.py").read_text() == (
        "in python"
    )


@pytest.mark.parametrize("subdirectory", ["nowhere", "../..", "setup.py"])
def test_a_subdirectory_that_is_none_is_named(tool: Repository, target: Path, subdirectory: str) -> None:
    release = SourceRelease("tool", "", f"git+https://git.example/tool@{tool[1]}#subdirectory={subdirectory}")
    with pytest.raises(EvenkeelError, match=f"has no directory {subdirectory}"):
        fetch_commit(release, target)


def test_submodules_come_too(tmp_path: Path, target: Path) -> None:
    part, _commit = repository(tmp_path / "git" / "part", {"part.c": "of the submodule"})
    whole, _commit = repository(tmp_path / "git" / "whole", {"setup.py": ""})
    git(whole, "submodule", "--quiet", "add", str(part), "vendor/part")
    git(whole, "commit", "--quiet", "--message", "with a part")
    commit = git(whole, "rev-parse", "HEAD")
    project = fetch_commit(SourceRelease("whole", "", f"git+https://git.example/whole@{commit}"), target)
    assert (project / "vendor" / "part" / "part.c").read_text() == "of the submodule"


def test_what_git_cannot_fetch_is_an_error_that_asks_nobody(target: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"^`git clone .*git\.example/none .*` failed on the control node: "):
        fetch_commit(SourceRelease("none", "", f"git+https://git.example/none@{'ab' * 20}"), target)


def test_a_commit_that_is_not_there_is_an_error(tool: Repository, target: Path) -> None:
    with pytest.raises(EvenkeelError, match=f"^`git .* fetch .*{'ab' * 20}` failed"):
        fetch_commit(SourceRelease("tool", "", f"git+https://git.example/tool@{'ab' * 20}"), target)


def test_a_lock_made_within_a_hook_of_git_fetches_all_the_same(
    tool: Repository, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    release = SourceRelease("tool", "", f"git+https://git.example/tool@{tool[1]}")
    project = fetch_commit(release, target)
    monkeypatch.delenv("GIT_DIR")
    assert (project / "setup.py").exists()


def test_a_control_node_without_git_says_so(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EvenkeelError, match="The control node has no git"):
        fetch_commit(SourceRelease("tool", "", f"git+https://git.example/tool@{'ab' * 20}"), target)


@pytest.mark.parametrize(
    ("fragment", "subdirectory"),
    [("", ""), ("#subdirectory=python", "python"), ("#egg=tool&subdirectory=a%20b", "a b"), ("#egg=tool", "")],
)
def test_parts_of_a_requirements_url(fragment: str, subdirectory: str) -> None:
    url = f"git+ssh://git@git.example/team/tool.git@{'ab' * 20}{fragment}"
    assert parts_of(url) == ("ssh://git@git.example/team/tool.git", "ab" * 20, subdirectory)


def test_an_archive_is_what_its_hash_says(archive: Callable[..., SourceRelease], target: Path) -> None:
    release = archive()
    assert fetch_archive(release, release.url, target) == target / "source.tar.gz"
    with pytest.raises(EvenkeelError, match=rf"has the SHA-256 {release.sha256}, not {'cd' * 32}\. Nothing was built"):
        fetch_archive(replace(release, sha256="cd" * 32), release.url, target)
    assert list(target.iterdir()) == []
    with pytest.raises(EvenkeelError, match=r"The index has no SHA-256 of .*tool-1\.0\.tar\.gz"):
        fetch_archive(replace(release, sha256=""), release.url, target)


@pytest.mark.parametrize("path", ["{}/elsewhere.tar.gz", "../elsewhere.tar.gz"])
def test_an_index_does_not_choose_where_its_archive_is_written(
    archive: Callable[..., SourceRelease], target: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, elsewhere = archive(), target.with_name("elsewhere.tar.gz")
    name = path.format(target.parent).replace("/", "%2f")
    monkeypatch.setattr(source_tree, "download", lambda _url, to, *_, **__: Path(to).write_text("") or release.sha256)
    assert fetch_archive(release, f"https://files.example/f/{name}", target) == target / "source.tar.gz"
    assert not elsewhere.exists()


def test_an_archive_of_an_unknown_kind_is_refused(target: Path) -> None:
    release = SourceRelease("tool", "1.0", "https://files.example/tool-1.0.egg", "ab" * 32)
    with pytest.raises(EvenkeelError, match=r"is tool-1\.0\.egg, which is not an archive of a known kind"):
        fetch_archive(release, release.url, target)
    assert list(target.iterdir()) == []
