# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier reports on a branch; with a real git."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import history, history_branch
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.history_branch import Branch
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import branch as own_branch
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import git

from tests.unit.plugins.plugin_utils._drift.test_history import REPORT, day


@pytest.fixture(autouse=True)
def me(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of git without other settings."""
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n  name = Ana\n  email = ana@site.example\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A repository with a commit, a change that is staged, and one that is not."""
    folder = tmp_path / "site"
    (folder / "inventory").mkdir(parents=True)
    run(folder, "init", "--quiet", "--initial-branch=main")
    for name in ("hosts.yml", "staged", "changed"):
        (folder / "inventory" / name).write_text("first\n")
    run(folder, "add", "--all")
    run(folder, "commit", "--quiet", "--message=First")
    (folder / "inventory" / "staged").write_text("second\n")
    run(folder, "add", "--all")
    (folder / "inventory" / "changed").write_text("second\n")
    return folder


def run(folder: Path, *arguments: str, given: str = "") -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True, input=given)
    return done.stdout.strip()


def branch(folder: Path, name: str = "drift") -> Branch:
    return Branch(folder, name)


def add(to: Branch, days_ago: int, *, without: tuple[str, ...] = (), **other: Any) -> str:
    """Commit a report; return the name of its file."""
    name = history.name_of(day(days_ago), "")
    text = json.dumps({**REPORT, "created": day(days_ago).isoformat(), **other})
    to.add(name, text, without=without, message=f"{days_ago} days ago")
    return name


def commit(folder: Path, files: Mapping[str, tuple[str, str]]) -> None:
    """Commit files to the branch, each with its mode and its object."""
    listed = "".join(f"{mode} {thing}\t{name}\n" for name, (mode, thing) in files.items())
    made = run(folder, "commit-tree", run(folder, "mktree", given=listed), "-m", "By hand")
    run(folder, "update-ref", "refs/heads/drift", made)


def blob(folder: Path, text: str) -> str:
    return f"blob {run(folder, 'hash-object', '-w', '--stdin', given=text)}"


def state(folder: Path) -> dict[str, str]:
    """Return all that a person sees of a repository, but for the branch of reports."""
    refs = [line for line in run(folder, "for-each-ref").splitlines() if not line.endswith("refs/heads/drift")]
    index = folder / ".git" / "index"
    return {
        "refs": "\n".join(refs),
        "head": (folder / ".git" / "HEAD").read_text(),
        "index": index.read_bytes().hex() if index.exists() else "",
        "status": run(folder, "status", "--porcelain"),
    }


def listed(folder: Path, commit: str = "drift") -> list[str]:
    return run(folder, "ls-tree", "--full-tree", "--name-only", commit).splitlines()


def test_reports_are_commits_and_nothing_else_changes(site: Path) -> None:
    before = state(site)
    reports = branch(site / "inventory")
    reports.require()
    assert reports.earlier() == ({}, [])
    new, old = add(reports, 1), add(reports, 2)
    found, skipped = reports.earlier()
    assert (list(found), skipped) == ([old, new], [])
    assert found[new]["hosts"]["gpu1"] == {key: REPORT["hosts"]["gpu1"][key] for key in ("state", "digest")}
    assert state(site) == before
    log = run(site, "log", "--format=%s by %an", "drift").splitlines()
    assert log == ["2 days ago by Ana", "1 days ago by Ana"], "no commit of another branch"


def test_what_is_not_kept_is_no_longer_listed(site: Path) -> None:
    reports = branch(site)
    old = add(reports, 3)
    new = add(reports, 1, without=(old,))
    assert listed(site) == [new]
    assert listed(site, "drift~1") == [old]
    assert list(reports.earlier()[0]) == [new]


@pytest.mark.parametrize(
    "make",
    [
        lambda site: {"README.md": ("100644", blob(site, "Notes"))},
        lambda site: {history.name_of(day(1), ""): ("120000", blob(site, "/etc/shadow"))},
        lambda site: {"inventory": ("040000", f"tree {run(site, 'rev-parse', 'HEAD:inventory')}")},
    ],
    ids=["a file", "a link", "a folder"],
)
def test_a_branch_of_somebody_else_is_refused(make: Callable[[Path], dict[str, tuple[str, str]]], site: Path) -> None:
    files = make(site)
    commit(site, files)
    tip = run(site, "rev-parse", "drift")
    for refused in (branch(site).require, partial(add, branch(site), 0)):
        with pytest.raises(EvenkeelError, match=f"of {site} has {next(iter(files))}, so it is no branch of drift"):
            refused()
    assert run(site, "rev-parse", "drift") == tip


def test_a_report_that_can_t_be_read_is_named_and_stays(site: Path) -> None:
    damaged = history.name_of(day(9), "")
    commit(site, {damaged: ("100644", blob(site, "{"))})
    reports = branch(site)
    reports.require()
    found, (line,) = reports.earlier()
    assert found == {}
    assert line.startswith(f"Left out of the history: {damaged} of the branch drift is no JSON")
    assert line.endswith("Delete the file from the branch.")
    assert listed(site) == [damaged]
    new = add(reports, 0)
    assert listed(site) == [damaged, new]


def test_a_branch_that_is_checked_out_is_refused(site: Path, tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"The branch main is checked out in .*/site"):
        branch(site, "main").require()
    add(branch(site), 1)
    run(site, "worktree", "add", "--quiet", str(tmp_path / "second"), "drift")
    with pytest.raises(EvenkeelError, match="The branch drift is checked out"):
        branch(site).require()


@pytest.mark.parametrize("name", ["a b", "..", "drift/", "@{-1}", "a\nb", "x.lock", "dr*ft"])
def test_what_is_no_name_of_a_branch_is_refused(name: str, site: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"drift_history_branch is .*, which is no name of a branch"):
        branch(site, name).require()


def test_a_branch_below_another_one_is_named(site: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"The branch main/drift of .*'refs/heads/main' exists"):
        add(branch(site, "main/drift"), 0)


def no_repository(site: Path, _monkeypatch: pytest.MonkeyPatch) -> str:
    (site / ".git").rename(site / "git")
    return "not a git repository"


def no_folder(site: Path, _monkeypatch: pytest.MonkeyPatch) -> str:
    site.rename(site.with_name("moved"))
    return "No such file or directory"


def no_git(site: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PATH", str(site))
    return "There is no command git"


def no_identity(site: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    run(site, "config", "user.useConfigOnly", "true")
    return "no email was given and auto-detection is disabled"


def other_owner(_site: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    return "detected dubious ownership"


@pytest.mark.parametrize("spoil", [no_repository, no_folder, no_git, no_identity, other_owner])
def test_a_repository_in_which_git_does_not_work_is_named(
    spoil: Callable[[Path, pytest.MonkeyPatch], str], site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = spoil(site, monkeypatch)
    with pytest.raises(EvenkeelError) as caught:
        branch(site).require()
    assert f"The branch drift of {site} can't have drift reports: " in str(caught.value)
    assert said in str(caught.value)
    assert "safe.directory, writable, with user.name and user.email" in str(caught.value)


@pytest.mark.parametrize("kind", ["--bare", "--depth=1"])
def test_bare_and_shallow_repositories(kind: str, site: Path, tmp_path: Path) -> None:
    first = add(branch(site), 2)
    middle = add(branch(site), 1)
    copy = tmp_path / "copy"
    run(tmp_path, "clone", "--quiet", kind, "--no-single-branch", site.as_uri(), str(copy))
    if kind != "--bare":
        run(copy, "fetch", "--quiet", "--depth=1", "origin", "drift:drift")
    reports = branch(copy)
    reports.require()
    last = add(reports, 0)
    assert list(reports.earlier()[0]) == listed(copy) == [first, middle, last]
    run(copy, "push", "--quiet", "origin", "drift")
    assert listed(site) == [first, middle, last]


def test_runs_at_once_lose_no_report(site: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda number: add(branch(site), number), range(8)))
    assert listed(site) == sorted(names)


def test_a_commit_that_comes_between_is_kept(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = git.ask
    between: list[str] = []

    def slow(folder: Path, *arguments: str, **options: Any) -> bytes:
        if arguments[0] == "update-ref" and not between:
            between.append("")
            between[0] = add(branch(site), 5)
        return asked(folder, *arguments, **options)

    monkeypatch.setattr(git, "ask", slow)
    own = add(branch(site), 0)
    assert listed(site) == [*between, own]


def test_a_branch_that_always_changes_ends_the_run(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = git.ask

    def busy(folder: Path, *arguments: str, **options: Any) -> bytes:
        if arguments[0] == "update-ref":
            made = run(site, "commit-tree", run(site, "mktree"), "-m", "Another", *_parents(site))
            run(site, "update-ref", "refs/heads/drift", made)
        return asked(folder, *arguments, **options)

    monkeypatch.setattr(git, "ask", busy)
    monkeypatch.setattr(history_branch, "_TIMES", 3)
    with pytest.raises(EvenkeelError, match="had another commit each time, 3 times"):
        add(branch(site), 0)


def _parents(site: Path) -> list[str]:
    tip = run(site, "for-each-ref", "--format=%(objectname)", "refs/heads/drift")
    return ["-p", tip] if tip else []


def test_a_lock_that_a_killed_git_has_left_is_named(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_branch, "_CONFIGURATION", {})
    (site / ".git" / "refs" / "heads" / "drift.lock").touch()
    with pytest.raises(EvenkeelError, match=r"drift\.lock': File exists"):
        add(branch(site), 0)
    assert branch(site).earlier() == ({}, [])


def test_hooks_do_not_run(site: Path) -> None:
    hook = site / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError):
        run(site, "branch", "another")
    name = add(branch(site), 0)
    assert listed(site) == [name]


def test_the_repository_of_a_hook_that_runs_ansible_is_not_taken(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, "init", "--quiet", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    add(branch(site), 0)
    monkeypatch.delenv("GIT_DIR")
    assert len(listed(site)) == 1


@pytest.mark.parametrize(
    ("there", "name", "allowed"),
    [
        ("drift-history/site", "drift-history", False),
        ("drift", "drift/site/gpu", False),
        ("drift-history", "drift", True),
        ("drift/other", "drift/site", True),
        ("drift/site", "drift/site", True),
    ],
    ids=["above another", "below another", "a longer name", "beside another", "the same"],
)
def test_a_name_that_git_has_no_room_for_is_refused(there: str, name: str, allowed: bool, site: Path) -> None:
    add(branch(site, there), 1)
    if allowed:
        branch(site, name).require()
        return
    with pytest.raises(
        EvenkeelError, match=f"The branch {name} of {site} can't be written to: .*'refs/heads/{there}' exists"
    ) as caught:
        branch(site, name).require()
    assert "drift_history_branch" in caught.value.remedy
