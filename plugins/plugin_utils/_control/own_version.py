# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which version of this collection runs."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

COLLECTION = Path(__file__).parents[3]
_VERSION = re.compile(r"^version: *(\S+)", re.MULTILINE)


@cache
def own_version(collection: Path = COLLECTION) -> str:
    """Return the version by the manifest of an installed collection, or by the galaxy.yml of a clone; empty without."""
    manifest, galaxy = collection / "MANIFEST.json", collection / "galaxy.yml"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    # Read without YAML, which a user's Python may lack.
    found = _VERSION.search(galaxy.read_text(encoding="utf-8")) if galaxy.exists() else None
    return found[1] if found else ""
