# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import command, places
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.shared_cache import shared

from .conftest import MakeLock, MakePackage

CACHE = ".local/share/evenkeel/pkgs"


def sync(lock: Path, prefix: Path) -> None:
    assert command.main(["env", "sync", "--lock", str(lock), "--prefix", str(prefix)]) == 0


def test_environments_of_one_file_system_share_their_files(
    make_lock: MakeLock, make_package: MakePackage, home: Path
) -> None:
    lock = make_lock(make_package("tool", "1.0"))
    for project in ("one", "two"):
        sync(lock, home / project / "env")
        assert (home / project / ".evenkeel" / "pkgs").resolve() == home / CACHE
    assert (home / "one/env/share/tool").samefile(home / "two/env/share/tool")


def test_git_passes_over_the_builds(make_lock: MakeLock, make_package: MakePackage, home: Path) -> None:
    project = home / "project"
    subprocess.run(["git", "init", "--quiet", project], check=True)
    sync(make_lock(make_package("tool", "1.0")), project / "env")
    subprocess.run(["git", "-C", project, "add", "--all"], check=True)
    done = subprocess.run(["git", "-C", project, "ls-files"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["env"]
    (project / ".evenkeel" / ".gitignore").write_text("mine\n")
    sync(make_lock(make_package("tool", "2.0")), project / "env")
    assert (project / ".evenkeel" / ".gitignore").read_text() == "mine\n"


def test_another_file_system_has_a_cache_of_its_own(
    make_lock: MakeLock, make_package: MakePackage, home: Path, tmp_path: Path
) -> None:
    if tmp_path.stat().st_dev == home.stat().st_dev:
        pytest.skip("there is no other file system to write to")
    sync(make_lock(make_package("tool", "1.0")), tmp_path / "project" / "env")
    assert not (tmp_path / "project" / ".evenkeel" / "pkgs").is_symlink()
    assert (tmp_path / "project/env/share/tool").stat().st_nlink > 1


def test_a_build_that_uses_it_waits_for_another(home: Path) -> None:
    held = home / ".local/share/evenkeel/locks/pkgs"
    held.parent.mkdir(parents=True, mode=0o700)
    place = places.at(str(home / "project" / "env"))
    with held.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(EvenkeelError, match="is still locked by"), shared(place, 0):
            pass
    with shared(place, 0), held.open() as stream, pytest.raises(BlockingIOError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_folder_of_the_users_stays(home: Path) -> None:
    (home / "project" / ".evenkeel" / "pkgs").mkdir(parents=True)
    with shared(places.at(str(home / "project" / "env")), 0):
        assert not (home / "project" / ".evenkeel" / "pkgs").is_symlink()
        assert not (home / ".local/share/evenkeel/locks").exists()


def test_builds_in_the_home_lock_it_themselves(home: Path) -> None:
    with shared(places.of_lock(Path("environments/ai-dev/conda-lock.yml")), 0):
        assert list(home.iterdir()) == []
