# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import places
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.places import Place


@pytest.mark.parametrize(
    ("lock", "name"),
    [
        ("environments/ai-dev/conda-lock.yml", "ai-dev"),
        ("environments/ai-dev/gpu.conda-lock.yml", "gpu"),
        ("environments/ai-dev/locked.yml", "ai-dev"),
    ],
)
def test_a_lock_names_its_environment(lock: str, name: str, home: Path) -> None:
    root = f"{home}/.local/share/evenkeel"
    assert places.of_lock(Path(lock)) == Place(root, name, f"{root}/envs/{name}")


@pytest.mark.parametrize(("named", "used"), [("/data", "/data"), ("below", "{home}/.local/share"), ("", None)])
def test_the_data_folder_is_the_users(
    named: str, used: str | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", named)
    assert places.home() == (used or "{home}/.local/share").format(home=home) + "/evenkeel"


def test_a_prefix_has_its_generations_beside_it(home: Path) -> None:
    assert places.at("/scratch/ada/ai") == Place("/scratch/ada/.evenkeel", "ai", "/scratch/ada/ai")
    assert places.at("~/ai").prefix == f"{home}/ai"


@pytest.mark.parametrize("prefix", ["/data/my env", "/data/base", "/data/.hidden"])
def test_what_no_environment_can_be_called_is_refused(prefix: str) -> None:
    with pytest.raises(EvenkeelError, match=r"which no environment can have\. Name another place with --prefix"):
        places.at(prefix)


@pytest.mark.parametrize("folder", ["a:b", "two\nlines", "bell\a", "it's", 'a"b', "a\\b"])
def test_a_path_that_no_environment_works_at_is_refused(
    folder: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / folder).mkdir()
    (home / "link").symlink_to(home / folder)
    for prefix in (home / folder / "ai", home / "link" / "ai"):
        with pytest.raises(EvenkeelError, match=r"has the character .*, with which no environment works"):
            places.at(str(prefix))
    monkeypatch.setenv("HOME", str(home / folder))
    with pytest.raises(EvenkeelError, match="has the character"):
        places.of_lock(Path("environments/ai-dev/conda-lock.yml"))


def test_an_environment_of_others_may_be_where_none_is_built(tmp_path: Path) -> None:
    places.require_usable(str(tmp_path / "it's" / "ai"))


@pytest.mark.parametrize("named", ["", "rel"])
def test_a_home_that_is_nowhere_is_refused(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", named)
    with pytest.raises(EvenkeelError, match=f"HOME is '{named}', which is not an absolute path"):
        places.home()


def made(folder: Path, kind: str, target: str = "") -> None:
    path = folder / "ai"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("theirs")
    elif kind == "link":
        path.symlink_to(target)


@pytest.mark.parametrize(
    ("kind", "target", "refused"),
    [
        ("nothing", "", ""),
        ("folder", "", "a folder"),
        ("file", "", "a file"),
        ("link", "elsewhere", "a link"),
        ("link", "envs/ai", "a link"),
        ("link", ".evenkeel/envs/ai", ""),
    ],
)
def test_what_is_somebody_elses_is_left_alone(kind: str, target: str, refused: str, tmp_path: Path) -> None:
    made(tmp_path, kind, target)
    place = places.at(str(tmp_path / "ai"))
    if not refused:
        places.require_ours(place)
        return
    with pytest.raises(EvenkeelError, match=f"{refused} that Evenkeel did not make; it was left as it is"):
        places.require_ours(place)


def test_a_link_that_leads_to_no_generation_is_somebody_elses(tmp_path: Path) -> None:
    place = places.at(str(tmp_path / "ai"))
    Path(place.link).parent.mkdir(parents=True)
    Path(place.link).symlink_to("/opt/envs/ai")
    with pytest.raises(EvenkeelError, match="ai is a link that Evenkeel did not make"):
        places.require_ours(place)
    Path(place.link).unlink()
    Path(place.link).symlink_to("../generations/ai/0123456789abcdef")
    places.require_ours(place)


def test_the_folder_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".evenkeel").mkdir()
    monkeypatch.setattr(places.os, "geteuid", lambda: 12345)
    with pytest.raises(EvenkeelError, match="belongs to another user"):
        places.require_ours(places.at(str(tmp_path / "ai")))
