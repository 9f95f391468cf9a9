# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import distribution_base as base

SIX = {"name": "six", "version": "1.17.0", "build": "0", "sha256": "6" * 64, "url": "https://x.example/main/noarch/six"}
PYTHON = {"name": "python", "version": "3.13.2", "build": "1"}


def write_record(home: Path, record: dict[str, str]) -> None:
    file = home / "conda-meta" / f"{record['name']}-{record['version']}-{record['build']}.json"
    file.write_text(json.dumps(record))


def add_distribution(home: Path, name: str) -> None:
    (home / "lib" / "python3.13" / "site-packages" / name).mkdir(parents=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A base with one package of conda, as the installer leaves it and Evenkeel protects it."""
    home = tmp_path / "mini[conda]"
    (home / "conda-meta").mkdir(parents=True)
    add_distribution(home, "pip-26.0.dist-info")
    (home / "lib" / "python3.13" / "os.py").touch()
    (home / "lib" / "python3.1").mkdir()  # conda's link python3.1, without a library in this one
    write_record(home, PYTHON)
    base.protect(str(home))
    return home


# protection


def test_conda_and_pip_are_told_to_leave_base_alone(home: Path) -> None:
    frozen = home / "conda-meta" / "frozen"
    managed = home / "lib" / "python3.13" / "EXTERNALLY-MANAGED"
    assert set(base.protection(str(home))) == {str(frozen), str(managed)}
    assert json.loads(frozen.read_text()) == {"message": base.ADVICE}
    assert managed.read_text().splitlines() == ["[externally-managed]", f"Error={base.ADVICE}"]
    assert base.is_protected(str(home))


@pytest.mark.parametrize("file", ["conda-meta/frozen", "lib/python3.13/EXTERNALLY-MANAGED"])
@pytest.mark.parametrize("content", [None, b"", b"\xff", b"mine\n"], ids=["missing", "empty", "no text", "edited"])
def test_half_a_protection_is_none_and_is_mended(home: Path, file: str, content: bytes | None) -> None:
    whole = (home / file).read_text()
    (home / file).unlink()
    if content is not None:
        (home / file).write_bytes(content)
    assert not base.is_protected(str(home))
    base.protect(str(home))
    assert base.is_protected(str(home))
    assert (home / file).read_text() == whole


def test_what_protects_already_is_not_written_again(home: Path) -> None:
    before = {path: path.stat().st_ino for path in map(Path, base.protection(str(home)))}
    base.protect(str(home))
    assert {path: path.stat().st_ino for path in before} == before


def test_a_distribution_without_python_is_protected_from_conda(tmp_path: Path) -> None:
    assert list(base.protection(str(tmp_path))) == [str(tmp_path / "conda-meta" / "frozen")]


# drift


def add_six(home: Path) -> None:
    write_record(home, SIX)


def remove_python(home: Path) -> None:
    (home / "conda-meta" / "python-3.13.2-1.json").unlink()


def upgrade_python(home: Path) -> None:
    remove_python(home)
    write_record(home, {**PYTHON, "version": "3.13.9"})


def pip_install(home: Path) -> None:
    add_distribution(home, "left_pad-1.0.dist-info")


def pip_uninstall(home: Path) -> None:
    (home / "lib" / "python3.13" / "site-packages" / "pip-26.0.dist-info").rmdir()


def set_variables(home: Path) -> None:
    (home / "conda-meta" / "state").write_text('{"env_vars": {"A": "1"}}')


def unfreeze(home: Path) -> None:
    (home / "conda-meta" / "frozen").unlink()


def refreeze(home: Path) -> None:
    (home / "conda-meta" / "frozen").write_text("{}")


def unfreeze_and_add_six(home: Path) -> None:
    unfreeze(home)
    add_six(home)


def allow_pip(home: Path) -> None:
    (home / "lib" / "python3.13" / "EXTERNALLY-MANAGED").unlink()


def nothing(home: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "drift"),
    [
        (nothing, ()),
        (add_six, ("+ six 1.17.0 (main)",)),
        (remove_python, ("- python 3.13.2",)),
        (upgrade_python, ("~ python 3.13.2 -> 3.13.9",)),
        (pip_install, ("+ left-pad 1.0 (pip)",)),
        (pip_uninstall, ("! missing pip-26.0.dist-info",)),
        (set_variables, ("! added conda-meta/state",)),
        (unfreeze, ()),
        (refreeze, ()),
        (unfreeze_and_add_six, ("+ six 1.17.0 (main)",)),
        (allow_pip, ()),
    ],
)
def test_drift(home: Path, change: Callable[[Path], None], drift: tuple[str, ...]) -> None:
    marker = json.loads(json.dumps(base.inventory(str(home))))
    change(home)
    assert base.drift(str(home), marker) == drift


def test_an_installation_of_an_older_evenkeel_has_no_drift(home: Path) -> None:
    add_six(home)
    assert base.drift(str(home), {"installer": "Miniconda3-py313_26.5.3-1-Linux-x86_64.sh", "sha256": "0" * 64}) == ()


# environments of people


def test_environments_are_told_by_their_history(home: Path) -> None:
    for file in ("thesis/conda-meta/history", "a/conda-meta/history", "begun/conda-meta/six.json", "notes/today.txt"):
        path = home / "envs" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert base.environments(str(home)) == (f"{home}/envs/a", f"{home}/envs/thesis")


def test_a_distribution_without_environments(home: Path) -> None:
    assert base.environments(str(home)) == ()
