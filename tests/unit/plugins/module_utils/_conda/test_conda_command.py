# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_command
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.conda_command import Plan
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

LINK, OTHER = "/usr/local/bin/conda", "/opt/bin/conda"
TARGET, FORMER = "/opt/miniconda3/bin/conda", "/srv/conda/bin/conda"

Found = dict[str, str | None]


@pytest.mark.parametrize(
    ("found", "ours", "path", "wanted", "plan"),
    [
        ({LINK: ""}, (), LINK, True, Plan(LINK, TARGET)),
        ({LINK: TARGET}, (LINK,), LINK, True, Plan()),
        ({LINK: TARGET}, (), LINK, True, Plan()),
        ({LINK: FORMER}, (LINK,), LINK, True, Plan(LINK, TARGET)),
        ({LINK: FORMER}, (), LINK, True, Plan(in_the_way=LINK)),
        ({LINK: None}, (), LINK, True, Plan(in_the_way=LINK)),
        ({LINK: None}, (LINK,), LINK, True, Plan(in_the_way=LINK)),
        ({LINK: "/usr/bin/mamba"}, (LINK,), LINK, True, Plan(in_the_way=LINK)),
        ({OTHER: "", LINK: TARGET}, (LINK,), OTHER, True, Plan(OTHER, TARGET, (LINK,))),
        ({OTHER: "", LINK: None}, (LINK,), OTHER, True, Plan(OTHER, TARGET)),
        ({LINK: TARGET}, (LINK,), "", True, Plan(remove=(LINK,))),
        ({}, (), "", True, Plan()),
        ({LINK: TARGET}, (LINK,), LINK, False, Plan(remove=(LINK,))),
        ({LINK: TARGET}, (), LINK, False, Plan(remove=(LINK,))),
        ({LINK: FORMER}, (), LINK, False, Plan()),
        ({LINK: None}, (LINK,), LINK, False, Plan()),
        ({LINK: ""}, (LINK,), LINK, False, Plan()),
    ],
    ids=[
        *(
            "none yet",
            "there",
            "record lost",
            "prefix moved",
            "somebody's link",
            "somebody's file",
            "replaced by a file",
        ),
        *("turned by somebody", "directory moved", "directory moved, theirs stays", "no directory", "never any"),
        *("absent", "absent, record lost", "absent, theirs stays", "absent, their file stays", "absent and gone"),
    ],
)
def test_plan(found: Found, ours: tuple[str, ...], path: str, wanted: bool, plan: Plan) -> None:
    assert conda_command.plan(found, ours, path, TARGET, wanted=wanted) == plan


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(made, "FOLDER", str(tmp_path / "made"))
    return tmp_path / "usr" / "local" / "bin"


def converge(path: Path, *, wanted: bool = True) -> Plan:
    ours = conda_command.recorded()
    plan = conda_command.plan(conda_command.read([str(path), *ours]), ours, str(path), TARGET, wanted=wanted)
    conda_command.apply(plan)
    return plan


def test_a_link_comes_follows_the_option_and_goes(directory: Path, tmp_path: Path) -> None:
    first, second = directory / "conda", tmp_path / "opt" / "bin" / "conda"
    assert converge(first).lines == (f"~ {first}",)
    assert str(first.readlink()) == TARGET
    assert not converge(first).changed
    assert converge(second).lines == (f"- {first}", f"~ {second}")
    assert (first.is_symlink(), second.is_symlink()) == (False, True)
    assert converge(second, wanted=False).changed
    assert not second.is_symlink()
    assert conda_command.recorded() == ()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_somebody_put_there_is_left(directory: Path, kind: str) -> None:
    theirs = directory / "conda"
    directory.mkdir(parents=True)
    if kind == "file":
        theirs.write_text("theirs")
    elif kind == "directory":
        theirs.mkdir()
    else:
        theirs.symlink_to("/somewhere/bin/conda")
    before = theirs.lstat()
    for wanted in (True, False):
        plan = converge(theirs, wanted=wanted)
        assert (plan.changed, bool(plan.in_the_way)) == (False, wanted)
    assert (theirs.lstat().st_ino, theirs.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_directory_that_takes_no_link_is_named(directory: Path) -> None:
    directory.parent.mkdir(parents=True)
    directory.write_text("")
    with pytest.raises(EvenkeelError, match=str(directory)):
        converge(directory / "conda")
