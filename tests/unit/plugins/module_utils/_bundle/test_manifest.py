# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle describes files of a bundle, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.manifest import Bundle, Entry
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

COPY, HASH = "0123456789abcdef", "ab" * 32
BUNDLE = Bundle(
    copy=COPY,
    follows="",
    made="2026-11-29T20:30:00Z",
    version="0.2.0",
    commit="c0ffee",
    files=(
        Entry(f"copies/{COPY}/manifest.json", 1, HASH),
        Entry("install.pyz", 2, HASH),
        Entry(f"store/sha256/ab/{HASH}", 3, HASH),
    ),
)


def test_it_is_read_as_it_was_written() -> None:
    assert manifest.parse(BUNDLE.text.encode(), "bundle.json") == BUNDLE


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "/etc/passwd",
        "store/sha256/ab/../../x",
        f"store/sha256/ab/{'cd' * 32}",
        f"store/sha256/cd/{HASH}",
        f"store/sha256/ab/ab{'cd' * 31}",
        f"store/sha256/ab/{HASH}\n",
        "copies/fedcba9876543210/manifest.json",
        "bundle.json",
        ".profile",
        "",
        7,
    ],
)
def test_a_path_that_is_none_of_a_bundle_is_refused(path: Any) -> None:
    content = json.loads(BUNDLE.text)
    content["files"].append({"path": path, "size": 1, "sha256": HASH})
    with pytest.raises(EvenkeelError, match="can't be a file of a bundle"):
        manifest.parse(json.dumps(content).encode(), "bundle.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "written by a newer Evenkeel"),
        ({"format": 0}, "does not describe a bundle"),
        ({"copy": "../../x"}, "does not describe a bundle"),
        ({"copy": 7}, "does not describe a bundle"),
        ({"follows": "x"}, "does not describe a bundle"),
        ({"made": "yesterday"}, "does not describe a bundle"),
        ({"files": {}}, "does not describe a bundle"),
        ({"files": []}, f"does not name copies/{COPY}/manifest.json, install.pyz"),
        ({"files": [{"path": "install.pyz"}]}, "describes no file"),
        ({"files": [{"path": "install.pyz", "size": -1, "sha256": HASH}]}, "can't be a file"),
        ({"files": [{"path": "install.pyz", "size": True, "sha256": HASH}]}, "can't be a file"),
        ({"files": [{"path": "install.pyz", "size": 1, "sha256": "x"}]}, "can't be a file"),
        ({"files": 2 * json.loads(BUNDLE.text)["files"]}, "names a file twice"),
    ],
)
def test_what_it_can_not_be_is_refused(change: dict[str, Any], words: str) -> None:
    content = {**json.loads(BUNDLE.text), **change}
    with pytest.raises(EvenkeelError, match=words):
        manifest.parse(json.dumps(content).encode(), "bundle.json")


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_description_is_refused(content: bytes) -> None:
    with pytest.raises(EvenkeelError, match="does not describe a bundle"):
        manifest.parse(content, "bundle.json")
