# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle that is not as it was made is refused, with the name of each wrong file."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import check, source
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.signature import Trust
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bundle import packing

from tests.unit.plugins.module_utils._bundle.conftest import Workshop

CONTENTS = {"a": b"content of a", "b": b"content of b"}


@pytest.mark.parametrize("as_tar", [False, True])
def test_a_whole_one_is_taken(workshop: Workshop, as_tar: bool) -> None:
    copy = workshop.copy(CONTENTS)
    found = check.check(source.at(str(workshop.bundle(copy, as_tar=as_tar))), workshop.allow("ana"))
    assert found.signer == "ana@site.example"
    assert found.copy == copy
    assert (found.bundle.copy, found.bundle.follows, found.bundle.commit) == (copy.id, "", "c0ffee")
    assert len(found.bundle.files) == len(CONTENTS) + 2


@pytest.mark.parametrize(
    "command",
    [
        "-C {parent} ./{name}",
        "-C {parent} {name}/",
        "-C {bundle} .",
        "-C {bundle} store copies install.pyz bundle.json.sig bundle.json",
    ],
)
def test_a_tar_of_an_operators_own_is_taken(workshop: Workshop, command: str) -> None:
    bundle = workshop.bundle(workshop.copy(CONTENTS))
    tar = workshop.folder / "own.tar"
    places = {"parent": bundle.parent, "name": bundle.name, "bundle": bundle}
    subprocess.run(["tar", "cf", str(tar), *command.format(**places).split(" ")], check=True)
    assert check.check(source.at(str(tar)), workshop.allow("ana")).signer == "ana@site.example"


def test_sizes_that_contradict_each_other_are_refused(workshop: Workshop) -> None:
    copy = workshop.copy(CONTENTS)
    wrong = replace(copy, files=(replace(copy.files[0], size=7), *copy.files[1:]))
    packed = packing.pack(workshop.store, wrong, None, "c0ffee", "")
    right = {one.sha256: one.size for one in copy.files}
    entries = tuple(replace(one, size=right.get(one.sha256, one.size)) for one in packed.bundle.files)
    described = replace(packed.contents[0], data=replace(packed.bundle, files=entries).text.encode())
    place, _new = packing.write(
        replace(packed, contents=(described, *packed.contents[1:])), workshop.folder, as_tar=False
    )
    with pytest.raises(EvenkeelError, match=r"has a with 7 bytes, and the bundle with 12\. Nothing was installed"):
        workshop.checked(place)


def test_a_bundle_is_written_the_same_way_twice(workshop: Workshop) -> None:
    copy = workshop.copy(CONTENTS)
    first = workshop.bundle(copy, as_tar=True)
    content = first.read_bytes()
    first.unlink()
    assert workshop.bundle(copy, as_tar=True).read_bytes() == content


def stored(bundle: Path) -> Path:
    """Return one of the files, apart from the store."""
    path = next(path for path in sorted((bundle / "store").rglob("*")) if path.is_file())
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


def remove(bundle: Path) -> str:
    stored(bundle).unlink()
    return r"\([ab]\) is missing"


def shorten(bundle: Path) -> str:
    path = stored(bundle)
    os.truncate(path, 5)
    return "has 5 bytes instead of 12"


def alter(bundle: Path) -> str:
    path = stored(bundle)
    path.write_bytes(path.read_bytes().swapcase())
    return "was altered"


def link(bundle: Path) -> str:
    path = stored(bundle)
    path.rename(bundle.parent / "elsewhere")
    path.symlink_to(bundle.parent / "elsewhere")
    return "is no plain file"


def add(bundle: Path) -> str:
    (bundle / "store" / "more").write_text("x")
    return "store/more is superfluous"


def add_link(bundle: Path) -> str:
    (bundle / "more").symlink_to("/etc")
    return "more is superfluous"


@pytest.mark.parametrize("damage", [remove, shorten, alter, link, add, add_link])
def test_what_is_wrong_with_a_file_is_named(workshop: Workshop, damage: Callable[[Path], str]) -> None:
    bundle = workshop.bundle(workshop.copy(CONTENTS))
    words = damage(bundle)
    with pytest.raises(EvenkeelError, match=words) as caught:
        check.check(source.at(str(bundle)), workshop.allow("ana"))
    assert "Nothing was installed" in str(caught.value)


def test_all_that_is_wrong_is_named_at_once(workshop: Workshop) -> None:
    bundle = workshop.bundle(workshop.copy(CONTENTS))
    (bundle / "install.pyz").unlink()
    words = [remove(bundle), add(bundle), "install.pyz is missing"]
    with pytest.raises(EvenkeelError) as caught:
        check.check(source.at(str(bundle)), workshop.allow("ana"))
    assert all(re.search(word, str(caught.value)) for word in words)


def test_another_description_needs_another_signature(workshop: Workshop) -> None:
    bundle = workshop.bundle(workshop.copy(CONTENTS))
    described = bundle / "bundle.json"
    described.write_text(described.read_text().replace("c0ffee", "decaf"))
    with pytest.raises(EvenkeelError, match=r"signature of the bundle in .* is wrong"):
        check.check(source.at(str(bundle)), workshop.allow("ana"))


def test_the_manifest_of_another_copy_is_refused(workshop: Workshop) -> None:
    copy = workshop.copy(CONTENTS)
    bundle = workshop.bundle(copy, key="")
    other = workshop.copy({**CONTENTS, "c": b"c"}).text.encode()
    (bundle / "copies" / copy.id / "manifest.json").write_bytes(other)
    content = json.loads((bundle / "bundle.json").read_text())
    (entry,) = [one for one in content["files"] if one["path"].startswith("copies/")]
    entry.update(size=len(other), sha256=hashlib.sha256(other).hexdigest())
    (bundle / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(EvenkeelError, match="is the manifest of another copy"):
        check.check(source.at(str(bundle)), Trust(unsigned=True))


def test_no_signature_counts_only_where_none_is_asked_for(workshop: Workshop) -> None:
    bundle = workshop.bundle(workshop.copy(CONTENTS), key="")
    with pytest.raises(EvenkeelError, match="has no signature"):
        check.check(source.at(str(bundle)), workshop.allow("ana"))
    assert check.check(source.at(str(bundle)), Trust(unsigned=True)).signer == ""


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_tar_that_was_copied_in_part_is_refused(workshop: Workshop, part: float) -> None:
    bundle = workshop.bundle(workshop.copy({"a": b"x" * 50_000, **CONTENTS}), as_tar=True)
    os.truncate(bundle, int(bundle.stat().st_size * part))
    with pytest.raises(EvenkeelError, match=r"ends early|is missing|has no file"):
        check.check(source.at(str(bundle)), workshop.allow("ana"))


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("top/../../outside", "is superfluous"),
        ("/etc/outside", "not below one folder"),
        ("other/more", "not below one folder"),
        ("top/bundle.json", "twice"),
    ],
)
def test_names_in_a_tar_are_not_believed(workshop: Workshop, member: str, words: str) -> None:
    bundle = workshop.bundle(workshop.copy(CONTENTS), as_tar=True)
    top = bundle.stem
    with tarfile.open(bundle, "a") as tar:
        tar.addfile(tarfile.TarInfo(member.replace("top/", f"{top}/", 1)), io.BytesIO())
    with pytest.raises(EvenkeelError, match=words):
        check.check(source.at(str(bundle)), workshop.allow("ana"))


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    with pytest.raises(EvenkeelError, match="no tar"):
        source.at(str(tmp_path / "text"))
    with pytest.raises(EvenkeelError, match="No such file"):
        source.at(str(tmp_path / "nothing"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(EvenkeelError, match=r"has no file bundle\.json"):
        check.check(source.at(str(tmp_path / "folder")), Trust(unsigned=True))
