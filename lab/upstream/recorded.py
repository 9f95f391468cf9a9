# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that ``make record-reality`` writes: what was seen of the real thing, with source and date."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.errors import LabError

FOLDER = Path(__file__).with_name("recorded")
KIND = "evenkeel record"
#: The version of the files' form.
FORMAT = 1
#: What to do about a record that can't be used.
ANEW = "Make it anew by make record-reality"


class NewerError(LabError):
    """A record is of a newer version of Evenkeel."""


def read(path: Path) -> dict[str, Any]:
    """Return ``name``, ``source``, ``date`` and ``data`` of a record.

    Raises
    ------
    LabError
        It is none, is in another's place, or is of a newer version, which is a ``NewerError``.
    """
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind, form = found["kind"], found["format"]
        content = {**{name: str(found[name]) for name in ("name", "source", "date")}, "data": found["data"]}
    except (OSError, ValueError, TypeError, KeyError):
        raise LabError(f"{path} is no record of the real thing", ANEW) from None
    if kind != KIND or not isinstance(form, int):
        raise LabError(f"{path} is no record of the real thing", ANEW)
    if form > FORMAT:
        raise NewerError(
            f"{path} is of the form {form}, and this version of Evenkeel reads {FORMAT}",
            "Use the version that wrote it, or a newer one",
        )
    if path.parts[-len(Path(content["name"]).parts) :] != Path(f"{content['name']}.json").parts:
        raise LabError(f"{path} is the record of {content['name']}", ANEW)
    return content
