# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``evenkeel env`` with small packages of a channel on the disk, the real py-rattler and no Ansible."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import from_os
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import command
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock

from .conftest import MakeLock, MakePackage
from .without_ansible import evenkeel, imported, newer_than_3_9, texts

Captured = pytest.CaptureFixture[str]
#: What commands import and users don't see: of locking, of Ansible, and of a node's runtime.
OF_FLEETS = {"_solve", "requirements", "runtime"}


def run(*arguments: object) -> int:
    return command.main(["env", *map(str, arguments)])


def answer(captured: Captured) -> Any:
    return json.loads(captured.readouterr().out.splitlines()[-1])


def test_from_a_lock_to_a_shell(make_lock: MakeLock, make_package: MakePackage, home: Path, capsys: Captured) -> None:
    one, two = make_package("tool", "1.0"), make_package("tool", "2.0")
    lock = make_lock(one, variables={"OMP_NUM_THREADS": "8"})
    prefix = home / ".local/share/evenkeel/envs/ai-dev"

    assert run("sync", "--lock", lock) == 0
    shown = capsys.readouterr().out.splitlines()
    digest = shown[-1].removeprefix("digest ")
    assert shown[:-1] == ["+ tool 1.0 (channel)", "+ variable OMP_NUM_THREADS", f"{prefix} changed"]
    assert (prefix / "share" / "tool").read_text() == "1.0"

    assert run("sync", "--lock", lock, "--json") == 0
    same = answer(capsys)
    assert (same["changed"], same["digest"], same["plan"], same["warnings"]) == (False, digest, [], [])

    make_lock(two)
    assert run("diff", "--lock", lock) == 1
    assert capsys.readouterr().out.splitlines() == [
        "~ tool 2.0 -> 1.0",
        "~ variable OMP_NUM_THREADS is set",
        f"{prefix} differs from {lock}",
    ]
    assert run("sync", "--lock", lock) == 0
    assert (prefix / "share" / "tool").read_text() == "2.0"
    assert run("diff", "--lock", lock, "--files") == 0
    capsys.readouterr()

    assert run("sync", "--lock", lock, "--rollback") == 0
    assert (prefix / "share" / "tool").read_text() == "1.0"
    assert run("sync", "--lock", lock, "--json") == 0
    assert (prefix / "share" / "tool").read_text() == "2.0"
    assert answer(capsys)["changed"]


@pytest.mark.parametrize("variables", [{}, {"A": "1"}])
def test_the_digest_is_the_one_that_nodes_report(
    variables: dict[str, str], make_lock: MakeLock, make_package: MakePackage, tmp_path: Path, capsys: Captured
) -> None:
    lock = make_lock(make_package("tool", "1.0"), variables=variables)
    run("sync", "--lock", lock, "--json")
    here = answer(capsys)["digest"]
    packages = [asdict(package) for package in conda_lock.read(lock).packages["linux-64"]]
    specification = {**conda_environment.ARGUMENT_SPEC, **conda_environment.FROM_ACTION}
    node = {name: about.get("default") for name, about in specification.items()}
    node.update(root=str(tmp_path / "node"), name="of-node", resolved=packages, variables=variables)
    assert here == conda_environment.converge(node, True)["digest"]
    written = yaml.safe_load(lock.read_text())["metadata"]["custom_metadata"]["evenkeel-digest"]
    assert (here == json.loads(written)["linux-64"]) is not bool(variables)


@pytest.mark.parametrize(
    "below", ["Ünï cödé & $HOME `id`/my envs", "/".join(["long" * 12] * 4)], ids=["spaces", "long"]
)
def test_a_prefix_does_not_change_the_digest(
    below: str, make_lock: MakeLock, make_package: MakePackage, home: Path, capsys: Captured
) -> None:
    lock = make_lock(make_package("tool", "1.0", activate="export TOOL=$CONDA_PREFIX/tool\n"))
    assert run("sync", "--lock", lock, "--json") == 0
    digest = answer(capsys)["digest"]
    prefix = home / below / "ai"
    assert "long" not in below or len(str(prefix)) > 200
    assert run("sync", "--lock", lock, "--prefix", prefix, "--json") == 0
    assert answer(capsys)["digest"] == digest
    assert run("diff", "--lock", lock, "--prefix", prefix, "--files") == 0
    done = evenkeel("shell", "--prefix", prefix, "--", "sh", "-c", 'cat "$CONDA_PREFIX/share/tool"; echo " $TOOL"')
    assert done.stdout == f"1.0 {prefix.resolve()}/tool\n"


def test_nothing_of_ansible_is_imported_and_no_newer_python_is_needed(
    make_lock: MakeLock, make_package: MakePackage
) -> None:
    lock = make_lock(make_package("tool", "1.0"))
    for arguments in (["sync", "--lock", lock], ["sync", "--lock", lock], ["diff", "--lock", lock, "--files"]):
        done = evenkeel(*arguments)
        assert done.returncode == 0, done.stderr
        ours = imported(done)
        assert len(ours) > 20
        assert newer_than_3_9(ours) == {}
        users = [file for file in ours if not {file.parent.name, file.stem} & OF_FLEETS]
        assert [text for text in texts(users) if "control node" in text] == []


@pytest.mark.parametrize("wrapped", [True, False])
def test_without_access_another_place_is_chosen(
    wrapped: bool, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    refused = PermissionError(errno.EACCES, "Permission denied", "/etc/.evenkeel")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def refuse(place: object) -> None:
        raise from_os(refused) if wrapped else refused

    monkeypatch.setattr(command.places, "require_ours", refuse)
    assert run("sync", "--rollback", "--prefix", "/etc/ai") == 1
    assert capsys.readouterr().err == (
        "/etc/.evenkeel: Permission denied. Choose another place with --prefix, or run this as a user with access to "
        "/etc/.evenkeel, then run again.\n"
    )


def test_a_command_runs_in_the_environment(make_lock: MakeLock, make_package: MakePackage) -> None:
    lock = make_lock(make_package("tool", "1.0", activate="export TOOL=yes\n"))
    assert evenkeel("sync", "--lock", lock).returncode == 0
    done = evenkeel("shell", "--lock", lock, "sh", "-c", "echo $TOOL $CONDA_DEFAULT_ENV; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "yes ai-dev\n", "")
    done = evenkeel("shell", "--lock", lock, "--", "sh", "-c", "echo $EVENKEEL_PYTHON")
    assert done.stdout == f"{sys.executable}\n"
    make_lock(make_package("tool", "2.0"))
    done = evenkeel("shell", "--lock", lock, "--", "true")
    assert done.returncode == 0
    assert "ai-dev differs from" in done.stderr
    done = evenkeel("shell", "--lock", lock, "--", "nowhere-to-be-found")
    assert (done.returncode, done.stdout) == (125, "")


def copied(project: Path) -> Path:
    return Path(shutil.copytree(project, project.with_name("copy"), symlinks=True))


def renamed(project: Path) -> Path:
    return project.rename(project.with_name("renamed"))


@pytest.mark.parametrize("carry", [copied, renamed])
def test_what_is_not_where_it_was_made_is_built_anew(
    carry: Callable[[Path], Path], make_lock: MakeLock, make_package: MakePackage, home: Path, capsys: Captured
) -> None:
    lock = make_lock(make_package("tool", "1.0"))
    assert run("sync", "--lock", lock, "--prefix", home / "project" / "env") == 0
    prefix = carry(home / "project") / "env"
    line = f"moved or copied from {home}/project/.evenkeel, where it was made"
    capsys.readouterr()
    assert run("diff", "--lock", lock, "--prefix", prefix) == 1
    assert capsys.readouterr().out.splitlines() == [f"~ {line}", f"{prefix} differs from {lock}"]
    for arguments in ([], ["--lock", lock]):
        done = evenkeel("shell", "--prefix", prefix, *arguments, "--", "true")
        assert done.stderr.count(f"was {line}, and its programs") == done.stderr.count("Warning") == 1
    assert run("sync", "--lock", lock, "--prefix", prefix) == 0
    assert f"! {line}" in capsys.readouterr().out.splitlines()
    assert run("diff", "--lock", lock, "--prefix", prefix) == 0
    assert evenkeel("shell", "--prefix", prefix, "--", "true").stderr == ""
    assert run("sync", "--lock", lock, "--prefix", prefix, "--json") == 0
    assert not answer(capsys)["changed"]


def test_a_project_that_a_link_leads_to_is_where_it_was_made(
    make_lock: MakeLock, make_package: MakePackage, home: Path, capsys: Captured
) -> None:
    lock = make_lock(make_package("tool", "1.0"))
    assert run("sync", "--lock", lock, "--prefix", home / "project" / "env") == 0
    (home / "link").symlink_to("project")
    assert run("diff", "--lock", lock, "--prefix", home / "link" / "env") == 0
    (home / "project").rename(home / "moved")
    (home / "project").symlink_to("moved")
    assert run("diff", "--lock", lock, "--prefix", home / "moved" / "env") == 0


def test_a_file_edited_in_place_is_found_with_all_that_share_it(
    make_lock: MakeLock, make_package: MakePackage, home: Path, capsys: Captured
) -> None:
    lock = make_lock(make_package("tool", "1.0"))
    files = []
    for name in ("one", "two"):
        assert run("sync", "--lock", lock, "--prefix", home / name) == 0
        files.append(home / name / "share" / "tool")
    with files[0].open("w") as stream:
        stream.write("edited")
    assert files[1].read_text() == "edited"
    assert run("sync", "--lock", lock, "--prefix", home / "one") == 0
    assert files[0].read_text() == "edited"
    capsys.readouterr()
    assert run("sync", "--files", "--lock", lock, "--prefix", home / "one") == 0
    shown = capsys.readouterr()
    assert "! edited share/tool" in shown.out.splitlines()
    assert "on a user's machine, run evenkeel env sync --files" in shown.err
    assert [file.read_text() for file in files] == ["1.0", "edited"]
    assert run("sync", "--files", "--lock", lock, "--prefix", home / "two") == 0
    assert [file.read_text() for file in files] == ["1.0", "1.0"]
    assert run("sync", "--files", "--lock", lock, "--prefix", home / "two", "--json") == 0
    assert not answer(capsys)["changed"]


@pytest.mark.parametrize(("name", "status"), [("sync", 1), ("diff", 2), ("shell", 125)])
@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ({"platform": "linux-s390x"}, "conda-lock.yml is for linux-s390x, not for linux-64. Lock again with linux-64"),
        ({"version": 9}, "version is 9, and only 1 of conda-lock's format is known"),
        ({"missing": True}, "could not be read: No such file or directory"),
    ],
    ids=["platform", "version", "missing"],
)
def test_locks_that_are_of_no_use_here(
    lock: dict[str, Any], said: str, name: str, status: int, make_lock: MakeLock, home: Path, capsys: Captured
) -> None:
    package = Package("tool", "1.0", "0", "ab" * 32, url="https://c.example/main/noarch/tool-1.0-0.conda")
    path = make_lock(package, platform=lock.get("platform", "linux-64"))
    path.write_text(path.read_text().replace("version: 1\n", f"version: {lock.get('version', 1)}\n", 1))
    if "missing" in lock:
        path.unlink()
    (home / "env" / "conda-meta").mkdir(parents=True)
    prefix = home / "env" if name != "sync" else home / "new"
    assert run(name, "--lock", path, "--prefix", prefix) == status
    assert said in capsys.readouterr().err
    assert not (home / ".evenkeel").exists()


@pytest.mark.parametrize(
    "arguments", [("sync",), ("sync", "--prefix", "ai"), ("sync", "--rollback"), ("diff",), ("shell",)]
)
def test_without_a_lock_nothing_is_meant(arguments: tuple[str, ...], home: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit, match="64"):
        run(*arguments)
    assert f"evenkeel env {arguments[0]}: --lock is missing" in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_a_wrong_option_shows_the_usage_of_its_command(capsys: Captured) -> None:
    with pytest.raises(SystemExit, match="64"):
        run("sync", "--lok", "x")
    shown = capsys.readouterr().err
    assert shown.startswith("usage: evenkeel env sync [-h] [--lock FILE]")
    assert shown.endswith("evenkeel env sync: unrecognized arguments: --lok x\n")


def test_no_shell_is_started_where_path_would_find_another_python(home: Path, capsys: Captured) -> None:
    (home / "a:b" / "conda-meta").mkdir(parents=True)
    assert run("shell", "--prefix", home / "a:b", "true") == 125
    assert "has the character ':'" in capsys.readouterr().err


def test_what_the_machine_lacks_is_reported_before_anything(
    make_lock: MakeLock, make_package: MakePackage, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.12")
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "")
    lock = make_lock(make_package("tool", "1.0", depends=("__glibc >=2.36",)))
    assert run("sync", "--lock", lock, "--json") == 1
    shown = capsys.readouterr()
    assert "tool 1.0 needs __glibc >=2.36, and glibc here is 2.12" in shown.err
    assert "glibc here is 2.12" in json.loads(shown.out)["error"]
    assert list(home.iterdir()) == []
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.36")
    lock = make_lock(make_package("gpu", "1.0", depends=("__cuda >=12",)))
    assert run("sync", "--lock", lock, "--json") == 0
    shown = capsys.readouterr()
    assert "Warning: " in shown.err
    assert "gpu 1.0 needs __cuda >=12, and CUDA of the NVIDIA driver here is none" in shown.err
    assert len(json.loads(shown.out)["warnings"]) == 1


def test_names_of_files_don_t_reach_the_terminal(
    make_lock: MakeLock, make_package: MakePackage, home: Path, capsys: Captured
) -> None:
    lock = make_lock(make_package("tool", "1.0"))
    site = home / "env/lib/python3.11/site-packages"
    (home / "env" / "conda-meta").mkdir(parents=True)
    (site / "\x1b[2Kmine\udc80-1.0.dist-info").mkdir(parents=True)
    assert run("diff", "--lock", lock, "--prefix", home / "env") == 1
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert r"+ \x1b[2kmine\x80 1.0 (pip)" in shown.splitlines()


def test_a_build_records_where_it_comes_from(
    make_lock: MakeLock, make_package: MakePackage, home: Path, tmp_path: Path, capsys: Captured
) -> None:
    lock = make_lock(make_package("tool", "1.0"))
    git = ["git", "-C", str(lock.parent), "-c", "user.name=Ana", "-c", "user.email=ana@site.example"]
    for arguments in (["init", "--quiet"], ["add", lock.name], ["commit", "--quiet", "--message=Lock"]):
        subprocess.run([*git, *arguments], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert run("sync", "--lock", lock) == 0
    capsys.readouterr()
    assert run("diff", "--lock", lock, "--json") == 0
    origin = answer(capsys)["origin"]
    assert origin.pop("built").endswith("+00:00")
    assert origin == {
        "file": "conda-lock.yml",
        "sha256": hashlib.sha256(lock.read_bytes()).hexdigest(),
        "commit": done.stdout.strip(),
        "dirty": False,
        "signer": "",
        "sources": [(tmp_path / "channel").as_uri()],
        "evenkeel": own_version(),
    }
    (home / "plain" / "conda-meta").mkdir(parents=True)
    run("diff", "--lock", lock, "--prefix", home / "plain", "--json")
    assert answer(capsys)["origin"] == {}


def test_what_a_killed_run_left_among_temporary_files_goes_with_the_next(
    make_lock: MakeLock, make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "tmp"
    for name in ("evenkeel-tools-killed/bin", "evenkeel-files-used", "evenkeel-of-others"):
        (place / name).mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(place))
    lock = make_lock(make_package("tool", "1.0"))
    used = os.open(place / "evenkeel-files-used", os.O_RDONLY)
    fcntl.flock(used, fcntl.LOCK_SH)
    try:
        assert evenkeel("sync", "--lock", lock).returncode == 0
    finally:
        os.close(used)
    assert sorted(path.name for path in place.iterdir()) == ["evenkeel-files-used", "evenkeel-of-others"]
