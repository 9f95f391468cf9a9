# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that ``make record-reality`` writes: what was seen of the real thing, with source and date."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from lab.errors import LabError

FOLDER = Path(__file__).with_name("recorded")
KIND = "evenkeel record"
#: The version of the files' form.
FORMAT = 1
#: What to do about a record that can't be used.
ANEW = "Make it anew by make record-reality"
#: A line of printable text.
LINE = re.compile(r"[ -~]{1,200}", re.ASCII)

Used = TypeVar("Used")


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
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
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


def used(path: Path, use: Callable[[Any], Used]) -> Used | None:
    """Return what is made of the data of a record; None where there is none.

    Raises
    ------
    LabError
        It can't be read, or is not what it has to be.
    """
    if not path.exists():
        return None
    data = read(path)["data"]
    try:
        return use(data)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError, RecursionError) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise LabError(f"{path} can't be used: {why}", ANEW) from None


def checked(form: re.Pattern[str], text: Any, what: str) -> str:
    """Return a text of a form.

    Raises
    ------
    ValueError
        It is another.
    """
    if not isinstance(text, str) or not form.fullmatch(text):
        raise ValueError(f"{text!r} is no {what}")
    return text
