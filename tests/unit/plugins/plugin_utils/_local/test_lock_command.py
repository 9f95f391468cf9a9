# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``evenkeel lock`` in a repository, without Ansible."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import command, lock_command
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import locking, standing
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import read
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors

from .conftest import MakeLock, MakePackage
from .without_ansible import evenkeel, imported, newer_than_3_9

Captured = pytest.CaptureFixture[str]
CHANNEL = "https://c.example/main"
LOCK = "environments/ai-dev/conda-lock.yml"


def run(*arguments: object) -> int:
    return lock_command.main(["lock", *map(str, arguments)])


def locked(environment: Path, version: str) -> None:
    """Have an environment ask for a version, with its lock."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    environment.write_text(f"channels: [{CHANNEL}]\ndependencies: [tool={version}]\n")
    asked = read(environment)
    package = Package("tool", version, "0", "ab" * 32, url=f"{CHANNEL}/noarch/tool-{version}-0.conda")
    (problem,) = locking.problems(asked, {"linux-64": {}}, Mirrors(), "", None, None)
    locking.apply(locking.plan(asked, {problem: (package,)}, None, accept_changed_hashes=True))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a lock, in which the user is."""
    monkeypatch.chdir(tmp_path)
    locked(tmp_path / "environments/ai-dev/environment.yml", "1.0")
    git("init", "--quiet")
    git("add", "--all")
    git("-c", "user.name=Ana", "-c", "user.email=ana@site.example", "commit", "--quiet", "--message=Lock")
    return tmp_path


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def test_the_digest_is_that_of_the_environment(
    make_lock: MakeLock, make_package: MakePackage, capsys: Captured
) -> None:
    lock = make_lock(make_package("tool", "1.0"), variables={"A": "1"})
    assert run("digest", lock) == 0
    digest = capsys.readouterr().out.strip()
    assert command.main(["env", "sync", "--lock", str(lock), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == digest
    assert run("digest", lock, "--platform", "linux-64") == 0
    assert capsys.readouterr().out.strip() == digest
    assert run("digest", lock, "--platform", "linux-aarch64") == 2
    assert "is for linux-64, not for linux-aarch64" in capsys.readouterr().err


def test_a_change_of_an_environment_without_its_lock(repository: Path, capsys: Captured) -> None:
    assert run("check") == 0
    assert capsys.readouterr().out == "fresh   environments/ai-dev/environment.yml\n"
    environment = repository / "environments/ai-dev/environment.yml"
    environment.write_text(environment.read_text().replace("1.0", "2.0"))
    assert run("check") == 1
    first, why = capsys.readouterr().out.splitlines()
    assert first == "stale   environments/ai-dev/environment.yml"
    assert why.startswith(f"{LOCK} is older than environments/ai-dev/environment.yml: it asks for something else now.")
    assert run("check", "--json", "environments/ai-dev") == 1
    (entry,) = json.loads(capsys.readouterr().out)["locks"]
    assert entry == {
        "environment": "environments/ai-dev/environment.yml",
        "lock": LOCK,
        "state": "stale",
        "why": [why],
    }
    (repository / "environments/other").mkdir()
    (repository / "environments/other/environment.yml").write_text("dependencies: six\n")
    assert run("check") == 2
    assert run("check", "nowhere", "--json") == 2
    assert "nowhere" in capsys.readouterr().out


def test_what_changes_since_a_revision(repository: Path, capsys: Captured) -> None:
    assert run("diff", "--since", "HEAD") == 0
    assert capsys.readouterr().out == "No lock changes.\n"
    assert run("diff", "--since", "HEAD", "--markdown") == 0
    assert capsys.readouterr().out == ""
    locked(repository / "environments/ai-dev/environment.yml", "2.0")
    assert run("diff", "--since", "HEAD") == 0
    assert capsys.readouterr().out.splitlines() == [LOCK, "  linux-64", "    ~ tool 1.0 -> 2.0"]
    assert run("diff", "--since", "HEAD", "--markdown", "environments/ai-dev") == 0
    assert "```diff\nlinux-64\n~ tool 1.0 -> 2.0\n```\n" in capsys.readouterr().out
    assert run("diff", "--since", "HEAD", "--until", "HEAD") == 0
    assert capsys.readouterr().out == "No lock changes.\n"
    assert run("diff", "--since", "gone") == 2
    assert "The locks of gone can't be read" in capsys.readouterr().err


def test_what_differs_between_two_files(repository: Path, capsys: Captured) -> None:
    old = repository / "old.yml"
    old.write_text((repository / LOCK).read_text())
    locked(repository / "environments/ai-dev/environment.yml", "2.0")
    assert run("diff", "--from", old, "--to", LOCK) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "    ~ tool 1.0 -> 2.0"


@pytest.mark.parametrize(
    "arguments", [(), ("--from", "a"), ("--since", "HEAD", "--to", "b"), ("--from", "a", "--to", "b", "environments")]
)
def test_what_is_compared_has_to_be_named(arguments: tuple[str, ...], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        run("diff", *arguments)
    assert ended.value.code == 64
    assert "name --since REVISION, or --from FILE and --to FILE" in capsys.readouterr().err


def test_nothing_of_ansible_is_imported_and_a_newer_python_by_check_alone(repository: Path) -> None:
    for arguments in (["digest", LOCK], ["diff", "--since", "HEAD"], ["check"]):
        done = evenkeel(*arguments, command="lock")
        assert done.returncode == 0, done.stderr
        ours = imported(done)
        assert len(ours) > 10
        assert arguments == ["check"] or newer_than_3_9(ours) == {}


def test_a_user_without_access_is_not_sent_to_ansible(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def refuse(*_unused: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/srv/environments")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(standing, "files", refuse)
    assert run("check", "/srv/environments") == 2
    assert capsys.readouterr().err == (
        "/srv/environments: Permission denied. Run this as a user with access to /srv/environments, then run again.\n"
    )


def test_requests_can_t_be_told_apart_without_the_solver(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    found = lock_command.tools.find_spec
    monkeypatch.setattr(lock_command.tools, "find_spec", lambda name: None if name == "rattler" else found(name))
    assert run("check") == 2
    assert f"{sys.executable}, has no py-rattler" in capsys.readouterr().err
