# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which version of this collection runs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

COLLECTION = Path(__file__).parents[3]


@cache
def own_version(collection: Path = COLLECTION) -> str:
    """Return the version by the manifest of an installed collection, or by the galaxy.yml of a clone; empty without."""
    manifest, galaxy = collection / "MANIFEST.json", collection / "galaxy.yml"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    return str(read_mapping(galaxy)["version"]) if galaxy.exists() else ""
