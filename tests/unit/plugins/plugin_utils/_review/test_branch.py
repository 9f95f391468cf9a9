# SPDX-License-Identifier: GPL-3.0-or-later
"""Updated locks on a branch, with a real git."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.branch import Branch, Update

NAME = "review"
DAY = "2026-11-29"


@pytest.fixture(autouse=True)
def me(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of git without other settings."""
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n  name = Ana\n  email = ana@site.example\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A repository with a commit, a change that is staged, one that is not, and a hook that fails."""
    folder = tmp_path / "site"
    (folder / "environments" / "ai dev").mkdir(parents=True)
    run(folder, "init", "--quiet", "--initial-branch=main")
    for name in ("lock", "gone", "staged", "changed"):
        (folder / "environments" / "ai dev" / name).write_text("first\n")
    run(folder, "add", "--all")
    run(folder, "commit", "--quiet", "--message=First")
    (folder / "environments" / "ai dev" / "staged").write_text("second\n")
    run(folder, "add", "--all")
    (folder / "environments" / "ai dev" / "changed").write_text("second\n")
    hook = folder / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    return folder


def run(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "core.hooksPath=/dev/null", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def branch(site: Path, name: str = NAME) -> Branch:
    return Branch(site / "environments" / "ai dev", name)


def update(site: Path, name: str = "ai dev", text: str = "second\n") -> Update:
    folder = site / "environments" / "ai dev"
    return Update(name, {folder / "lock": text, folder / "gone": None, folder / 'new"ä\\': "new\n"}, "~ numpy 1 -> 2\n")


def state(site: Path) -> tuple[str, ...]:
    folder = site / "environments" / "ai dev"
    files = sorted((path.name, path.read_text()) for path in folder.iterdir())
    return (run(site, "status", "--porcelain"), run(site, "rev-parse", "HEAD"), str(files))


def test_each_update_is_a_commit_and_nothing_else_changes(site: Path) -> None:
    before = state(site)
    branch(site).require()
    end = branch(site).write([update(site), update(site, "other", "third\n")], DAY)
    assert state(site) == before
    assert run(site, "rev-parse", NAME) == end
    assert run(site, "rev-parse", f"{NAME}~2") == run(site, "rev-parse", "main")
    text, _space, digest = run(site, "log", "-1", "--format=%B", f"{NAME}~1").rpartition(" ")
    assert text == f"Review: lock ai dev anew\n\n~ numpy 1 -> 2\n\nEvenkeel-Review: {DAY}"
    assert re.fullmatch("[0-9a-f]{40}", digest)
    assert run(site, "show", f"{NAME}:environments/ai dev/lock") == "third"
    assert run(site, "-c", "core.quotePath=false", "ls-tree", "-r", "-z", "--name-only", NAME).split("\0") == [
        *("environments/ai dev/changed", "environments/ai dev/lock", 'environments/ai dev/new"ä\\'),
        *("environments/ai dev/staged", ""),
    ]
    assert run(site, "for-each-ref", "--format=%(refname)") == f"refs/heads/main\nrefs/heads/{NAME}"
    run(site, "fsck", "--strict")


def test_the_branch_of_an_earlier_review_is_made_anew(site: Path) -> None:
    branch(site).write([update(site)], "2026-08-29")
    branch(site).require()
    branch(site).write([update(site, text="third\n")], DAY)
    assert run(site, "log", "--format=%s", f"main..{NAME}") == "Review: lock ai dev anew"
    assert run(site, "show", f"{NAME}:environments/ai dev/lock") == "third"


def test_a_branch_that_was_merged_is_a_reviews(site: Path) -> None:
    branch(site).write([update(site)], DAY)
    run(site, "stash", "--quiet")
    run(site, "merge", "--quiet", "--no-ff", "--message=Merge", NAME)
    branch(site).require()


def checked_out(site: Path) -> None:
    branch(site).write([update(site)], DAY)
    run(site, "worktree", "add", "--quiet", str(site.parent / "other"), NAME)


def of_somebody(site: Path) -> None:
    run(site, "branch", NAME, run(site, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Mine"))


def with_a_commit_more(site: Path) -> None:
    branch(site).write([update(site)], DAY)
    run(site, "update-ref", f"refs/heads/{NAME}", run(site, "commit-tree", NAME + "^{tree}", "-p", NAME, "-m", "Mine"))


def with_an_amended_file(site: Path) -> None:
    branch(site).write([update(site)], DAY)
    theirs = run(site, "commit-tree", "main^{tree}", "-p", "main", "-m", run(site, "log", "-1", "--format=%B", NAME))
    run(site, "update-ref", f"refs/heads/{NAME}", theirs)


def with_an_amended_message(site: Path) -> None:
    branch(site).write([update(site)], DAY)
    text = run(site, "log", "-1", "--format=%B", NAME).replace("~ numpy", "Not before May!\n\n~ numpy")
    run(
        site, "update-ref", f"refs/heads/{NAME}", run(site, "commit-tree", f"{NAME}^{{tree}}", "-p", "main", "-m", text)
    )


def signed_off(site: Path) -> None:
    branch(site).write([update(site)], DAY)
    text = run(site, "log", "-1", "--format=%B", NAME) + "\nSigned-off-by: Bea"
    run(
        site, "update-ref", f"refs/heads/{NAME}", run(site, "commit-tree", f"{NAME}^{{tree}}", "-p", "main", "-m", text)
    )


def that_stands_for_another(site: Path) -> None:
    run(site, "symbolic-ref", f"refs/heads/{NAME}", "refs/heads/main")


def that_stands_for_none(site: Path) -> None:
    run(site, "symbolic-ref", f"refs/heads/{NAME}", "refs/heads/nowhere")


def beside_a_longer_one(site: Path) -> None:
    run(site, "branch", f"{NAME}/x")


def with_a_lock(site: Path) -> None:
    (site / ".git" / "refs" / "heads" / f"{NAME}.lock").write_text("")


def without_commits(site: Path) -> None:
    run(site, "update-ref", "-d", "HEAD")


def without_repository(site: Path) -> None:
    (site / ".git").rename(site / "git")


def without_a_name(site: Path) -> None:
    (site.parent / "gitconfig").write_text("[user]\n  useConfigOnly = true\n")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (checked_out, "/other, and"),
        (of_somebody, "which a person has made or changed"),
        (with_a_commit_more, "which a person has made or changed"),
        (with_an_amended_file, "which a person has made or changed"),
        (with_an_amended_message, "which a person has made or changed"),
        (signed_off, "which a person has made or changed"),
        (that_stands_for_another, "stands for refs/heads/main"),
        (that_stands_for_none, "stands for refs/heads/nowhere"),
        (beside_a_longer_one, "'refs/heads/review/x' exists"),
        (with_a_lock, "review.lock"),
        (without_commits, "fatal: "),
        (without_repository, "not a git repository"),
        (without_a_name, "user.name and user.email"),
    ],
)
def test_what_is_not_safe_is_refused_by_name(site: Path, make: object, words: str) -> None:
    make(site)  # type: ignore[operator]
    with pytest.raises(EvenkeelError) as refused:
        branch(site).require()
    assert words in str(refused.value)
    assert NAME in str(refused.value)


@pytest.mark.parametrize("name", ["", "a b", "../main", "a..b", "-x"])
def test_a_name_that_is_none_is_refused(site: Path, name: str) -> None:
    with pytest.raises(EvenkeelError, match="which is no name of a branch"):
        branch(site, name).require()


def test_a_name_below_another_branch_is_refused(site: Path) -> None:
    with pytest.raises(EvenkeelError, match="'refs/heads/main' exists"):
        branch(site, "main/x").require()


def test_what_is_looked_at_first_stays_as_it_is(site: Path) -> None:
    before = run(site, "for-each-ref")
    branch(site, "reviews/first").require()
    assert run(site, "for-each-ref") == before
    run(site, "branch", "reviews")


def test_a_commit_that_somebody_signs_stays_a_reviews(site: Path) -> None:
    branch(site).write([update(site)], DAY)
    text = run(site, "log", "-1", "--format=%B", NAME)
    run(
        site, "update-ref", f"refs/heads/{NAME}", run(site, "commit-tree", f"{NAME}^{{tree}}", "-p", "main", "-m", text)
    )
    branch(site).require()


def test_a_repository_that_is_asked_runs_no_monitor(site: Path) -> None:
    monitor = site.parent / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {site.parent}/ran\n")
    monitor.chmod(0o755)
    run(site, "config", "core.fsmonitor", str(monitor))
    run(site, "status")
    (site.parent / "ran").unlink()
    branch(site).require()
    branch(site).differing([site / "environments" / "ai dev" / "lock"])
    branch(site).write([update(site)], DAY)
    assert not (site.parent / "ran").exists()


def test_a_detached_head_is_fine(site: Path) -> None:
    run(site, "checkout", "--quiet", "--detach")
    branch(site).require()
    branch(site).write([update(site)], DAY)
    assert run(site, "rev-parse", f"{NAME}~1") == run(site, "rev-parse", "HEAD")


def test_a_branch_that_moves_meanwhile_is_not_overwritten(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    branch(site).write([update(site)], DAY)
    theirs = run(site, "rev-parse", NAME)
    monkeypatch.setattr(Branch, "tip", lambda self: run(site, "rev-parse", "main"))
    with pytest.raises(EvenkeelError, match="can't be written"):
        branch(site).write([update(site, text="third\n")], DAY)
    assert run(site, "rev-parse", NAME) == theirs
    assert run(site, "for-each-ref", "refs/evenkeel") == ""


def test_a_commit_that_a_person_adds_meanwhile_is_not_overwritten(site: Path) -> None:
    with_a_commit_more(site)
    theirs = run(site, "rev-parse", NAME)
    with pytest.raises(EvenkeelError, match="which a person has made or changed"):
        branch(site).write([update(site, text="third\n")], DAY)
    assert run(site, "rev-parse", NAME) == theirs


def test_files_that_differ_from_the_last_commit(site: Path) -> None:
    folder = site / "environments" / "ai dev"
    (folder / "untracked").write_text("")
    (site / ".gitignore").write_text("ignored\n")
    (folder / "ignored").write_text("")
    outside = site.parent / "gitconfig"
    names = ("lock", "staged", "changed", "untracked", "ignored")
    found = branch(site).differing([*(folder / name for name in names), outside])
    assert [path.name for path in found] == ["staged", "changed", "untracked", "ignored", "gitconfig"]
