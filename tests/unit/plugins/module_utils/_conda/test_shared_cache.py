# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import grp
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import shared_cache
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.shared_cache import Desired, Plan, State
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

DESIRED = Desired("/opt/evenkeel/pkgs/shared", "ml")
GID = 12345
INTACT = State((0, GID, 0o2775), (1000, GID, 0o664), True)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


# plan


@pytest.mark.parametrize(
    ("change", "repair"),
    [
        ({}, False),
        ({"inherits": None}, False),
        ({"register": (0, GID, 0o664)}, False),
        ({"directory": None, "register": None, "inherits": False}, True),
        ({"directory": (1000, GID, 0o2775)}, True),
        ({"directory": (0, 0, 0o2775)}, True),
        ({"directory": (0, GID, 0o775)}, True),
        ({"directory": (0, GID, 0o2777)}, True),
        ({"register": None}, True),
        ({"register": (1000, 0, 0o664)}, True),
        ({"register": (1000, GID, 0o644)}, True),
        ({"inherits": False}, True),
    ],
)
def test_plan(change: dict[str, Any], repair: bool) -> None:
    plan = shared_cache.plan(replace(INTACT, **change), DESIRED, GID)
    assert plan == Plan(DESIRED.path, GID, repair)
    assert plan.changed is repair
    assert plan.lines == ((f"~ {DESIRED.path}, for the group {GID} to write",) if repair else ())


def test_no_plan_changes_nothing() -> None:
    assert not Plan().changed
    shared_cache.apply(Plan())


# group_id


def test_the_group_is_asked_of_the_node() -> None:
    group = grp.getgrgid(os.getgid())
    assert shared_cache.group_id(Desired("/x", group.gr_name)) == group.gr_gid


def test_a_group_that_is_not_there_is_named() -> None:
    with pytest.raises(EvenkeelError, match=r"^The node has no group no-such-group that .*shared_cache_group\.$"):
        shared_cache.group_id(Desired("/x", "no-such-group"))


# read and apply


@pytest.fixture
def desired(tmp_path: Path) -> Desired:
    return Desired(str(tmp_path / "pkgs" / "shared"), "ml")


def converge(desired: Desired) -> Plan:
    plan = shared_cache.plan(shared_cache.read(desired), desired, GID)
    shared_cache.apply(plan)
    return plan


def test_nothing_is_there(desired: Desired) -> None:
    assert shared_cache.read(desired) == State(None, None, False)


@needs_root
def test_a_cache_that_was_not_there(desired: Desired) -> None:
    assert converge(desired).changed
    state = shared_cache.read(desired)
    assert state.directory == (0, GID, 0o2775)
    assert state.register == (0, GID, 0o664)
    assert state.inherits is not False
    assert not converge(desired).changed


@needs_root
def test_what_is_in_it_stays(desired: Desired) -> None:
    cache = Path(desired.path)
    cache.mkdir(parents=True)
    (cache / "urls.txt").write_text("https://x.example/main/noarch/six-1.17.0-0.conda\n")
    (cache / "six").mkdir(mode=0o700)
    os.chown(cache / "urls.txt", 1000, 1000)
    assert converge(desired).changed
    assert (cache / "urls.txt").read_text() == "https://x.example/main/noarch/six-1.17.0-0.conda\n"
    assert shared_cache.read(desired).register == (1000, GID, 0o664)
    assert (cache / "six").stat().st_mode & 0o777 == 0o700


@needs_root
def test_new_files_are_the_groups_whatever_the_umask(desired: Desired) -> None:
    converge(desired)
    if shared_cache.read(desired).inherits is None:
        pytest.skip("the file system of the tests has no access control lists")
    subprocess.run(["sh", "-c", "umask 077; mkdir six; touch six/record"], cwd=desired.path, check=True)
    for path, mode in (("six", 0o2775), ("six/record", 0o664)):
        found = Path(desired.path, path).stat()
        assert (found.st_gid, found.st_mode & 0o7777) == (GID, mode)


@needs_root
def test_a_file_system_without_access_control_lists(desired: Desired, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(os, "setxattr", refuse)
    monkeypatch.setattr(os, "getxattr", refuse)
    assert converge(desired).changed
    assert shared_cache.read(desired).inherits is None
    assert not converge(desired).changed


@needs_root
@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_what_a_member_put_in_the_place_of_the_register_is_not_followed(
    desired: Desired, tmp_path: Path, kind: str
) -> None:
    converge(desired)
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    register = Path(desired.path, "urls.txt")
    register.unlink()
    if kind == "link":
        register.symlink_to(secret)
    elif kind == "fifo":
        os.mkfifo(register, 0o600)
    else:
        register.mkdir()
    with pytest.raises(EvenkeelError, match=f"^The shared package cache {desired.path} can't be set up \\({register}:"):
        converge(desired)
    assert (secret.stat().st_gid, secret.stat().st_mode & 0o777) == (os.getgid(), 0o600)


def test_a_file_in_the_place_of_the_cache_is_named(desired: Desired) -> None:
    Path(desired.path).parent.mkdir()
    Path(desired.path).touch()
    with pytest.raises(EvenkeelError, match=f"^The shared package cache {desired.path} can't be set up"):
        converge(desired)
    assert Path(desired.path).is_file()


def test_a_cache_of_ours_goes_with_what_is_in_it_and_one_elsewhere_stays(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "evenkeel" / "pkgs" / "shared", tmp_path / "scratch" / "pkgs"
    for cache in (ours, theirs):
        (cache / "numpy").mkdir(parents=True)
    plan = shared_cache.plan_absence(str(ours))
    assert (plan.changed, plan.lines) == (True, (f"- {ours}",))
    shared_cache.apply(plan)
    assert not (tmp_path / "evenkeel").exists()
    assert not shared_cache.plan_absence(str(ours)).changed
    assert not shared_cache.plan_absence(str(theirs)).changed
