# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle has beside packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import project
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bundle import parts
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import COLLECTION
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.control_wheels import Machine

HERE = Machine("3.11", "x86_64")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], [HERE]),
        (["3.12"], [Machine("3.12", "x86_64")]),
        (["3.11", "3.13-aarch64"], [HERE, Machine("3.13", "aarch64")]),
    ],
)
def test_pythons_are_those_of_control_nodes(asked: list[str], found: list[Machine]) -> None:
    assert parts.machines(asked, HERE) == found


@pytest.mark.parametrize("text", ["3", "2.7", "3.12.1", "3.12-arm", "python3.12", "3.12\n"])
def test_what_is_no_python_is_refused(text: str) -> None:
    with pytest.raises(EvenkeelError, match="bundle_pythons has"):
        parts.machines([text], HERE)


def test_a_collection_is_packed_without_links_and_what_is_not_of_it(tmp_path: Path) -> None:
    packed = parts._collection(COLLECTION)
    assert packed == parts._collection(COLLECTION)
    (tmp_path / "collection.tar.gz").write_bytes(packed)
    target = tmp_path / "target"
    target.mkdir()
    project.unpack(str(tmp_path / "collection.tar.gz"), str(target))
    assert (target / "plugins" / "modules" / "bundle.py").read_bytes() == Path(
        COLLECTION, "plugins", "modules", "bundle.py"
    ).read_bytes()
    assert not any(path.is_symlink() or path.name == "__pycache__" for path in target.rglob("*"))


def test_a_draft_leaves_what_is_kept_from_bundle_to_bundle(tmp_path: Path) -> None:
    kept = tmp_path / "parts" / "site.git"
    kept.mkdir(parents=True)
    (kept / "HEAD").write_text("x")
    draft = parts.draft(tmp_path / "parts", tmp_path / "draft")
    (draft / "site.git" / "HEAD").write_text("y")
    assert (kept / "HEAD").read_text() == "x"
    assert not parts.draft(tmp_path / "nothing", tmp_path / "other").exists()
