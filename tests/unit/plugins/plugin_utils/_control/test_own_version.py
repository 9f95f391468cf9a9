# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of the collection runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import COLLECTION, own_version

MANIFEST = json.dumps({"collection_info": {"version": "1.2.3"}})


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"MANIFEST.json": MANIFEST}, "1.2.3"),
        ({"galaxy.yml": "version: 1.3.0-dev\n"}, "1.3.0-dev"),
        ({"MANIFEST.json": MANIFEST, "galaxy.yml": "version: 9\n"}, "1.2.3"),
        ({}, ""),
    ],
)
def test_version(tmp_path: Path, files: dict[str, str], version: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert own_version(tmp_path) == version


def test_this_clone_has_one() -> None:
    assert own_version() == yaml.safe_load((COLLECTION / "galaxy.yml").read_text())["version"]
