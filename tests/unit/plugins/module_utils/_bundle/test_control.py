# SPDX-License-Identifier: GPL-3.0-or-later
"""A control node has a version of each bundle, switched to when all of it is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import control
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.control import Control
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import offline_venv
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from tests.unit.plugins.module_utils._bundle.conftest import PYTHON, Workshop, archive, of_control, uv

LATER = "2026-12-01T08:00:00Z"


@pytest.fixture
def here(tmp_path: Path) -> Control:
    return Control(str(tmp_path / "control"), "/usr/bin/python3", *PYTHON)


def install(here: Control, workshop: Workshop, bundle: Path, *, allow_older: bool = False) -> bool:
    return control.install(here, workshop.checked(bundle), allow_older=allow_older, how="add --allow-older")


def project(here: Control) -> str:
    return Path(here.current, "project", "site.yml").read_text()


def test_it_is_set_up_once(here: Control, workshop: Workshop, tmp_path: Path) -> None:
    bundle = workshop.bundle(workshop.copy(of_control(tmp_path)), as_tar=True)
    assert install(here, workshop, bundle)
    assert project(here) == "one"
    assert Path(here.current, "venv", "bin").is_dir()
    linked = Path(here.current, "wheels", "humanize-1-py3-none-any.whl")
    assert (linked.is_symlink(), linked.read_bytes()) == (True, b"wheel")
    assert not install(here, workshop, bundle)
    kept = {one.path.split("/")[0] for one in (here.installed() or pytest.fail("nothing")).files}
    assert kept == {"evenkeel"}


def test_an_incremental_one_brings_what_changed(here: Control, workshop: Workshop, tmp_path: Path) -> None:
    first = workshop.copy(of_control(tmp_path))
    second = workshop.copy(of_control(tmp_path, "two"), LATER)
    later = workshop.bundle(second, first)
    with pytest.raises(EvenkeelError, match=f"Install the bundle {first.id} first"):
        install(here, workshop, later)
    assert not Path(here.current).exists()
    assert install(here, workshop, workshop.bundle(first))
    assert len(list((later / "store").glob("*/*/*"))) == 1
    assert install(here, workshop, later)
    assert project(here) == "two"
    assert len(list(Path(here.root, "venvs").iterdir())) == 1


def test_an_older_one_is_refused_unless_it_is_asked_for(here: Control, workshop: Workshop, tmp_path: Path) -> None:
    older = workshop.bundle(workshop.copy(of_control(tmp_path)))
    install(here, workshop, workshop.bundle(workshop.copy(of_control(tmp_path, "two"), LATER)))
    with pytest.raises(EvenkeelError, match=r"older than what is installed, which is of 2026-12-01.*--allow-older"):
        install(here, workshop, older)
    assert project(here) == "two"
    assert install(here, workshop, older, allow_older=True)
    assert project(here) == "one"


def test_two_versions_stay(here: Control, workshop: Workshop, tmp_path: Path) -> None:
    for number in range(4):
        copy = workshop.copy(of_control(tmp_path, str(number)), f"2026-12-0{number + 1}T08:00:00Z")
        install(here, workshop, workshop.bundle(copy))
    assert len(list(Path(here.root, "versions").iterdir())) == 2
    assert len(list(Path(here.root, "bundles", "copies").iterdir())) == 2


def test_a_failure_leaves_the_version_in_use_and_the_next_run_heals(
    here: Control, workshop: Workshop, tmp_path: Path
) -> None:
    install(here, workshop, workshop.bundle(workshop.copy(of_control(tmp_path))))
    wheel = control.wheels_folder(*PYTHON) + "uv-0.13.9-py3-none-any.whl"
    broken = {**of_control(tmp_path, "two"), wheel: uv(tmp_path, "echo 'no room' >&2; exit 1")}
    with pytest.raises(EvenkeelError, match="no room"):
        install(here, workshop, workshop.bundle(workshop.copy(broken, LATER)))
    assert project(here) == "one"
    assert install(here, workshop, workshop.bundle(workshop.copy(of_control(tmp_path, "three"), LATER)))
    assert project(here) == "three"


def test_what_a_killed_run_left_is_made_anew(here: Control, workshop: Workshop, tmp_path: Path) -> None:
    copy = workshop.copy(of_control(tmp_path))
    bundle = workshop.bundle(copy)
    install(here, workshop, bundle)
    version = Path(here.current).resolve()
    Path(here.current).unlink()
    (version.parent / f"{offline_venv.PARTIAL}{version.name}").mkdir()
    Path(version, "venv").resolve().joinpath("manifest.json").unlink()
    assert install(here, workshop, bundle)
    assert Path(version, "venv").resolve().joinpath("manifest.json").exists()
    assert [path.name for path in version.parent.iterdir()] == [version.name]


def test_wheels_for_another_python_are_of_no_use(here: Control, workshop: Workshop, tmp_path: Path) -> None:
    other = Control(here.root, here.python, "3.13", "aarch64")
    with pytest.raises(EvenkeelError, match=r"no wheels for Python 3.13 on aarch64, but for 3.11-x86_64"):
        install(other, workshop, workshop.bundle(workshop.copy(of_control(tmp_path))))


def test_a_collection_beside_the_project_has_its_place(here: Control, workshop: Workshop, tmp_path: Path) -> None:
    contents = {**of_control(tmp_path), control.COLLECTION: archive(**{"galaxy.yml": "name: gpu"})}
    install(here, workshop, workshop.bundle(workshop.copy(contents)))
    assert Path(here.current, control.COLLECTIONS, "galaxy.yml").read_text() == "name: gpu"
