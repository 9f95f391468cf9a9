# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror says what it lacks, takes it in portions, and switches when it has all."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import bundle_install
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import Manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import Store

from tests.unit.plugins.module_utils._bundle.conftest import Workshop

CONTENTS = {"pkgs/a": b"content of a", "pkgs/b": b"content of b"}
LATER = "2026-12-01T08:00:00Z"


class Mirror:
    """A mirror, and what an action does with it."""

    def __init__(self, folder: Path, workshop: Workshop) -> None:
        self.folder, self.workshop = folder, workshop
        self.store = Store(str(folder / "copy"))

    def ask(
        self, copy: Manifest, former: Manifest | None = None, *, brought: dict[str, bytes] | None = None, **options: Any
    ) -> dict[str, Any]:
        described = self.folder / "described"
        described.mkdir(exist_ok=True)
        bundle = self.workshop.bundle(copy, former)
        (described / "bundle.json").write_bytes((bundle / "bundle.json").read_bytes())
        (described / "copy.json").write_text(copy.text)
        portion = described / "portion.tar"
        if brought is not None:
            with tarfile.open(portion, "w") as tar:
                for name, content in brought.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        given = {"allow_older": False, "keep": 2, "lock_timeout": 0, "git": False, **options}
        check_mode = given.pop("check_mode", False)
        handed = {"described": str(described), "portion": str(portion) if brought is not None else None}
        return bundle_install.converge({"directory": self.store.root, **given, **handed}, check_mode)

    def install(self, copy: Manifest, former: Manifest | None = None, **options: Any) -> dict[str, Any]:
        lacking = self.ask(copy, former, **options)["to_bring"]
        places = {sha256: Path(self.workshop.store.path(sha256)) for sha256 in lacking}
        brought = {sha256: place.read_bytes() for sha256, place in places.items()}
        return self.ask(copy, former, brought=brought, **options)


@pytest.fixture
def mirror(tmp_path: Path, workshop: Workshop) -> Mirror:
    return Mirror(tmp_path, workshop)


def test_it_takes_portions_and_switches_when_it_has_all(mirror: Mirror, workshop: Workshop) -> None:
    copy = workshop.copy(CONTENTS)
    lacking = mirror.ask(copy)["to_bring"]
    assert len(lacking) == 2
    first = Path(workshop.store.path(lacking[0])).read_bytes()
    assert mirror.ask(copy, brought={lacking[0]: first})["to_bring"] == lacking[1:]
    assert mirror.store.current() is None
    assert mirror.install(copy)["changed"]
    served = Path(mirror.store.root, "current", "tree", "pkgs", "a")
    assert served.read_bytes() == CONTENTS["pkgs/a"]
    assert not mirror.install(copy)["changed"]


def test_in_check_mode_it_says_what_it_lacks(mirror: Mirror, workshop: Workshop) -> None:
    answer = mirror.ask(workshop.copy(CONTENTS), check_mode=True)
    assert (answer["changed"], len(answer["to_bring"])) == (True, 2)
    assert "pkgs/a 12" in answer["diff"][0]["after"]
    assert not Path(mirror.store.root).exists()


def test_check_mode_switches_nothing_when_all_is_there(mirror: Mirror, workshop: Workshop) -> None:
    first, second = workshop.copy(CONTENTS), workshop.copy({"pkgs/a": CONTENTS["pkgs/a"]}, LATER)
    mirror.install(first)
    answer = mirror.ask(second, check_mode=True)
    assert (answer["changed"], answer["to_bring"]) == (True, [])
    assert mirror.store.current() == first


def test_another_content_is_not_taken(mirror: Mirror, workshop: Workshop) -> None:
    copy = workshop.copy(CONTENTS)
    lacking = mirror.ask(copy)["to_bring"]
    with pytest.raises(EvenkeelError, match="changed after it was checked"):
        mirror.ask(copy, brought={lacking[0]: b"something else"})
    answer = mirror.ask(copy, brought={"../outside": b"x", "0" * 64: b"x"})
    assert answer["to_bring"] == lacking
    assert not Path(mirror.folder, "outside").exists()


@pytest.mark.parametrize(("git", "found"), [(False, {"pkgs"}), (True, {"pkgs", "git"})])
def test_a_mirror_has_no_wheels_of_the_control_node_and_commits_where_it_is_to(
    mirror: Mirror, workshop: Workshop, git: bool, found: set[str]
) -> None:
    further = {"evenkeel/project.tar.gz": b"project", "git/site.git/HEAD": b"ref: refs/heads/main"}
    mirror.install(workshop.copy({**CONTENTS, **further}), git=git)
    assert {path.name for path in Path(mirror.store.root, "current", "tree").iterdir()} == found


def test_an_incremental_one_needs_the_one_before(mirror: Mirror, workshop: Workshop) -> None:
    first, second = workshop.copy(CONTENTS), workshop.copy({**CONTENTS, "pkgs/c": b"c"}, LATER)
    with pytest.raises(EvenkeelError, match=f"Install the bundle {first.id} first"):
        mirror.install(second, first)
    mirror.install(first)
    assert len(mirror.ask(second, first)["to_bring"]) == 1
    mirror.install(second, first)
    assert mirror.store.current() == second


def test_an_older_one_is_refused_unless_it_is_asked_for(mirror: Mirror, workshop: Workshop) -> None:
    older = workshop.copy(CONTENTS)
    mirror.install(workshop.copy({"pkgs/c": b"c"}, LATER))
    with pytest.raises(EvenkeelError, match=r"is older than what is installed.*bundle_install_allow_older"):
        mirror.install(older)
    mirror.install(older, allow_older=True)
    assert mirror.store.current() == older


def test_wrong_options_and_another_manifest_are_refused(mirror: Mirror, workshop: Workshop) -> None:
    copy = workshop.copy(CONTENTS)
    with pytest.raises(EvenkeelError, match="keep is 0"):
        mirror.ask(copy, keep=0)
    with pytest.raises(EvenkeelError, match="not a normalised absolute path"):
        mirror.ask(copy, directory="copy")
    mirror.ask(copy, check_mode=True)
    (mirror.folder / "described" / "copy.json").write_text(workshop.copy({"x": b"x"}).text)
    handed = {"described": str(mirror.folder / "described"), "portion": None}
    with pytest.raises(EvenkeelError, match="the manifest of another copy"):
        bundle_install.converge(
            {
                "directory": mirror.store.root,
                "allow_older": False,
                "keep": 2,
                "lock_timeout": 0,
                "git": False,
                **handed,
            },
            False,
        )
