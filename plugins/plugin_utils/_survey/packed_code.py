# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The collection's code as a survey sends it to a node."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.code import ROOMS

DIRECTORY = Path(__file__).parents[2] / "module_utils"


@dataclass(frozen=True)
class Packed:
    """Sources: their SHA-256, and what ``module_utils._survey.code`` unpacks."""

    digest: str
    _text: bytes

    @cached_property
    def text(self) -> str:
        """The sources, compressed, in base64."""
        return base64.b64encode(zlib.compress(self._text)).decode()


def packed(directory: Path = DIRECTORY) -> Packed:
    """Return all modules of the rooms for nodes."""
    files = sorted(directory.glob("_*/*.py"))
    sources = {f"{ROOMS}.{file.parent.name}.{file.stem}": file.read_text("utf-8") for file in files}
    text = json.dumps(sources, sort_keys=True).encode()
    return Packed(hashlib.sha256(text).hexdigest(), text)
