# SPDX-License-Identifier: GPL-3.0-or-later
"""Conda of others in homes and in the system's folders: found, and measured within limits."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt import conda_places
from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt.conda_places import Search
from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt.mounts import Mounts
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import user_files

LOCAL = Mounts({"/": "ext4"})


def environment(path: Path, *packages: str, base: bool = False) -> Path:
    """Make what conda would."""
    (path / "conda-meta").mkdir(parents=True)
    (path / "conda-meta" / "history").write_text("")
    for name in packages:
        (path / "conda-meta" / f"{name}.json").write_text("{}")
    if base:
        (path / "condabin").mkdir()
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with what people make of conda."""
    base = environment(tmp_path / "Anaconda3", "python", "conda", base=True)
    environment(base / "envs" / "nlp", "python", "torch", "numpy")
    (base / "envs" / "empty").mkdir()
    environment(tmp_path / ".conda" / "envs" / "vision", "python")
    environment(tmp_path / "projects" / "deep" / "env", "python")
    listed = [tmp_path / "projects/deep/env", tmp_path, "/opt/elsewhere", tmp_path / "gone", "\x1b[31m"]
    (tmp_path / ".conda" / "environments.txt").write_text("".join(f"{path}\n" for path in listed))
    (tmp_path / "notes").mkdir()
    return tmp_path


def look(home: Path, mounted: Mounts = LOCAL, patience: float = 60.0) -> dict[str, dict[str, Any]]:
    found = conda_places.look_at_home(str(home), Search(mounted, patience=patience))
    assert found["refused"] == []
    return {os.path.relpath(one["path"], home): one for one in found["places"]}


def test_what_is_in_a_home(home: Path) -> None:
    found = look(home)
    assert {path: (one["kind"], one["packages"]) for path, one in found.items()} == {
        "Anaconda3": ("distribution", 2),
        "Anaconda3/envs/nlp": ("environment", 3),
        ".conda/envs/vision": ("environment", 1),
        "projects/deep/env": ("environment", 1),
    }
    assert all(one["measured"] and one["bytes"] > 0 for one in found.values())


def test_what_is_on_a_file_server_is_found_and_not_measured(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_unused: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(conda_places, "size_below", refuse)
    assert {(one["bytes"], one["measured"]) for one in look(home, Mounts({"/": "nfs4"})).values()} == {(0, False)}


def test_time_runs_out_for_measuring_alone(home: Path) -> None:
    found = look(home, patience=0)
    assert len(found) == 4
    assert not any(one["measured"] for one in found.values())


def test_what_is_no_file_or_holds_too_much_hides_nothing_else(home: Path) -> None:
    (home / ".conda" / "environments.txt").unlink()
    os.mkfifo(home / ".conda" / "environments.txt")
    environment(home / "miniforge3", base=True)
    crowded = home / "miniforge3" / "envs"
    crowded.mkdir()
    for number in range(user_files.MOST_NAMES + 1):
        (crowded / str(number)).touch()
    found = conda_places.look_at_home(str(home), Search(LOCAL))
    assert {os.path.relpath(one["path"], home) for one in found["places"]} == {
        "Anaconda3",
        "Anaconda3/envs/nlp",
        "miniforge3",
        ".conda/envs/vision",
    }
    assert [reason.partition(": ")[2].partition(".")[0] for reason in found["refused"]] == [
        "is a pipe, not a regular file",
        "holds more than 1000 files",
    ]


def test_what_several_links_lead_to_is_there_once(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = environment(tmp_path_factory.mktemp("data") / "anaconda", base=True)
    environment(data / "envs" / "speech")
    (home / "miniconda3").symlink_to(home / "Anaconda3")
    (home / "anaconda-data").symlink_to(data)
    (home / "Anaconda3" / "envs" / "again").symlink_to(data / "envs" / "speech")
    found = conda_places.look_at_home(str(home), Search(LOCAL))["places"]
    assert sorted(os.path.relpath(one["path"], data) for one in found if one["path"].startswith(str(data))) == [
        ".",
        "envs/speech",
    ]
    assert len(found) == 4 + 2


def test_a_fingerprint_is_of_packages_of_conda_and_of_pip(home: Path) -> None:
    def fingerprint() -> str:
        return str(look(home)["Anaconda3/envs/nlp"]["fingerprint"])

    first = fingerprint()
    prefix = home / "Anaconda3" / "envs" / "nlp"
    (prefix / "conda-meta" / "history").write_text("==> 2026-01-01 <==\n")
    assert fingerprint() == first
    (prefix / "conda-meta" / "python-3.11.9-h1_0.json").write_text("{}")
    of_conda = fingerprint()
    (prefix / "lib" / "python3.11" / "site-packages" / "humanize-4.17.0.dist-info").mkdir(parents=True)
    assert len({first, of_conda, fingerprint()}) == 3


def pipe_for_records(prefix: Path) -> None:
    shutil.rmtree(prefix / "conda-meta")
    os.mkfifo(prefix / "conda-meta")


def pipe_for_history(prefix: Path) -> None:
    (prefix / "conda-meta" / "history").unlink()
    os.mkfifo(prefix / "conda-meta" / "history")


def link_for_records(prefix: Path) -> None:
    (prefix / "conda-meta").rename(prefix / "elsewhere")
    (prefix / "conda-meta").symlink_to("elsewhere")


def loop_of_links(prefix: Path) -> None:
    shutil.rmtree(prefix)
    prefix.symlink_to(prefix.with_name("other"))
    prefix.with_name("other").symlink_to(prefix)


@pytest.mark.parametrize("break_it", [pipe_for_records, pipe_for_history, link_for_records, loop_of_links])
def test_what_conda_would_not_make_is_no_environment(home: Path, break_it: Callable[[Path], None]) -> None:
    break_it(home / "Anaconda3" / "envs" / "nlp")
    assert "Anaconda3/envs/nlp" not in look(home)
    assert len(look(home)) == 3


def test_a_list_leads_to_no_place_out_of_the_home(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    theirs = environment(tmp_path_factory.mktemp("theirs") / "env")
    through = f"{home}/../{os.path.relpath(theirs, home.parent)}"
    (home / ".conda" / "environments.txt").write_text(f"{theirs}\n{through}\nAnaconda3\n")
    assert set(look(home)) == {"Anaconda3", "Anaconda3/envs/nlp", ".conda/envs/vision"}


def test_odd_names_and_a_great_depth_do_no_harm(home: Path) -> None:
    odd = environment(home / "Anaconda3" / "envs" / "two\nlines \x1b[31m{{ 1 }}")
    deep = "d" * 200
    with contextlib.chdir(odd):
        for _unused in range(30):
            Path(deep).mkdir()
            os.chdir(deep)
    found = look(home)[os.path.relpath(odd, home)]
    assert (found["packages"], found["measured"]) == (0, False)


def test_a_sparse_file_counts_as_what_it_uses(home: Path) -> None:
    with (home / "Anaconda3" / "envs" / "nlp" / "huge").open("wb") as stream:
        stream.truncate(1 << 40)
    assert look(home)["Anaconda3/envs/nlp"]["bytes"] < 1 << 20


def test_what_is_mounted_in_a_place_is_not_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = home / "Anaconda3" / "data"
    dead.mkdir()
    (dead / "file").write_bytes(os.urandom(1 << 20))
    with_it = look(home)["Anaconda3"]["bytes"]
    without = look(home, Mounts({"/": "ext4", str(dead): "fuse"}))["Anaconda3"]["bytes"]
    assert with_it - without >= 1 << 20


def test_a_size_counts_a_file_once_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(1 << 20))
    once, complete = conda_places.size_below(str(tmp_path), LOCAL, time.monotonic() + 60)
    os.link(tmp_path / "big", tmp_path / "again")
    (tmp_path / "link").symlink_to("/usr")
    twice, _complete = conda_places.size_below(str(tmp_path), LOCAL, time.monotonic() + 60)
    assert complete
    assert 1 << 20 <= once <= twice < once + (1 << 16)


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a look at the system's folders, without processes of users."""
    monkeypatch.setattr(conda_places.accounts, "local_users", list)
    monkeypatch.setattr(conda_places.os, "geteuid", lambda: 0)
    monkeypatch.setattr(conda_places.as_user, "call_each", lambda jobs, **_limits: [job() for _user, job in jobs])
    monkeypatch.setattr(conda_places.conda_settings, "read", lambda _home: ([], []))


@pytest.mark.usefixtures("as_root")
def test_our_own_is_passed_over_and_not_measured(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []
    size_below = conda_places.size_below
    monkeypatch.setattr(
        conda_places, "size_below", lambda path, *given: measured.append(path) or size_below(path, *given)
    )
    monkeypatch.setattr(conda_places, "SYSTEM", (str(home),))
    monkeypatch.setattr(conda_places, "_LISTED", "none")
    found = conda_places.find([str(home / "Anaconda3")], 60, 60)
    assert ([os.path.relpath(one["path"], home) for one in found["places"]], found["unread"]) == (
        [".conda/envs/vision"],
        [],
    )
    assert measured == [str(home / ".conda/envs/vision")]
    found = conda_places.find([], 60, 60)
    assert [os.path.relpath(one["path"], home) for one in found["places"]] == [
        ".conda/envs/vision",
        "Anaconda3",
        "Anaconda3/envs/nlp",
    ]


@pytest.mark.usefixtures("as_root")
def test_what_root_has_made_is_found_by_its_list(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conda_places, "SYSTEM", (str(home),))
    found = conda_places.find([], 60, 60)
    assert str(home / "projects" / "deep" / "env") in [one["path"] for one in found["places"]]


def test_candidates_of_a_folder_of_the_system_s(tmp_path: Path) -> None:
    for name in ("conda", "mounted", "ana", "splunk"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/elsewhere")
    mine = os.geteuid()
    if mine == 0:
        (tmp_path / "of-a-user").symlink_to("/elsewhere")
        os.lchown(tmp_path / "of-a-user", 4711, 4711)
    homes = [str(tmp_path / "ana"), str(tmp_path), "/"]
    mounted = Mounts({"/": "ext4", str(tmp_path / "mounted"): "nfs4"})
    found = conda_places.system_candidates(str(tmp_path), homes, mounted)["candidates"]
    assert {Path(path).name: (uid, alone) for path, uid, _gid, alone in found} == {
        "conda": (mine, False),
        "splunk": (mine, False),
        "mounted": (0, True),
        **({"link": (0, True)} if mine == 0 else {}),
    }


def test_what_may_hang_is_looked_at_alone_and_a_users_with_the_users_rights() -> None:
    groups = conda_places.together(
        [
            ("/opt/conda", 0, 0, False),
            ("/opt/link", 0, 0, True),
            ("/opt/forge", 0, 0, False),
            ("/opt/theirs", 4711, 4711, False),
        ]
    )
    assert [(user.pw_uid, shown, paths) for user, shown, paths in groups] == [
        (0, "/opt", ["/opt/conda", "/opt/forge"]),
        (0, "/opt/link", ["/opt/link"]),
        (4711, "/opt", ["/opt/theirs"]),
    ]
