# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import at_revision, conda_lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock

LOCK = "environments/ai-dev/conda-lock.yml"
SPECIAL = 'environments/*ü "q"\n/gpu.conda-lock.yml'


def text(version: str) -> str:
    url = f"https://c.example/main/noarch/six-{version}-0.conda"
    package = Package("six", version, "0", "ab" * 32, url=url)
    lock = Lock(
        ("https://c.example/main",), ("environment.yml",), {"linux-64": (package,)}, {"linux-64": "aa" * 32}, {}
    )
    return conda_lock.render(lock, "ai-dev")


def versions(found: dict[str, Lock | EvenkeelError]) -> dict[str, str]:
    return {
        name: str(one) if isinstance(one, EvenkeelError) else one.packages["linux-64"][0].version
        for name, one in found.items()
    }


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A commit with two locks; one of them is changed since, and one more is there that git does not know."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for name, version in ((LOCK, "1.0"), (SPECIAL, "1.0"), ("environments/ai-dev/not-conda-lock.yml", "1.0")):
        write(tmp_path / name, text(version))
    commit(tmp_path)
    write(tmp_path / LOCK, text("2.0"))
    write(tmp_path / "environments/new/conda-lock.yml", text("3.0"))
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@site.example")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Change")


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_locks_of_a_commit_and_of_now(repository: Path) -> None:
    assert versions(at_revision.locks(repository, "HEAD", ["environments"])) == {LOCK: "1.0", SPECIAL: "1.0"}
    now = versions(at_revision.locks(repository, at_revision.NOW, ["environments"]))
    assert now == {LOCK: "2.0", SPECIAL: "1.0", "environments/new/conda-lock.yml": "3.0"}
    (repository / LOCK).unlink()
    assert LOCK not in at_revision.locks(repository, at_revision.NOW, ["."])


@pytest.mark.parametrize("revision", ["HEAD", at_revision.NOW])
def test_paths_are_from_the_folder_on(revision: str, repository: Path) -> None:
    below = repository / "environments" / "ai-dev"
    assert list(at_revision.locks(below, revision, ["."])) == ["conda-lock.yml"]
    for path in (below, "environments/ai-dev", LOCK):
        assert list(at_revision.locks(repository, revision, [str(path)])) == [LOCK]
    assert at_revision.locks(repository, revision, ["environments/*"]) == {}


def test_a_lock_that_can_t_be_read_is_named_as_git_does(repository: Path) -> None:
    write(repository / LOCK, "version: 9\n")
    commit(repository)
    found = versions(at_revision.locks(repository, "HEAD", ["environments"]))
    assert found[LOCK].startswith(f"HEAD:{LOCK}: version is 9")
    assert found[SPECIAL] == "1.0"


@pytest.mark.parametrize("revision", ["gone", "--output=owned", "HEAD:environments"])
def test_a_revision_that_the_clone_lacks(revision: str, repository: Path) -> None:
    with pytest.raises(EvenkeelError, match=f"The locks of {revision} can't be read: .*git fetch --depth=1"):
        at_revision.locks(repository, revision, ["environments"])
    assert not (repository / "owned").exists()


def test_there_has_to_be_a_repository(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"locks of the work tree can't be read: .*not a git repository.*--from"):
        at_revision.locks(tmp_path, at_revision.NOW, ["environments"])


def test_a_repository_of_another_user(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(EvenkeelError, match=r"dubious ownership .*: git config --global --add safe\.directory FOLDER"):
        at_revision.locks(repository, "HEAD", ["environments"])
