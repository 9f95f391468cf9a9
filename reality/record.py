# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab can learn from the real thing, as small data files with their source and date."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised

from reality.world import ROOT

KIND = "evenkeel record"
#: The version of the files' form.
FORMAT = 1
RECORDED = ROOT / "lab" / "upstream" / "recorded"


@dataclass(frozen=True)
class Record:
    """Something that was seen.

    Parameters
    ----------
    name
        The path of its file without the ending, such as ``data/terms/main``.
    source
        Where it was seen: a URL, or the model of a GPU; nothing that names a machine or a person.
    date
        The day, as ``2026-11-29``.
    """

    name: str
    source: str
    date: str
    data: Any


def path_of(name: str, folder: Path) -> Path:
    """Return where a record is."""
    return folder / f"{name}.json"


def write(records: Iterable[Record], folder: Path) -> Iterator[Path]:
    """Write records, and yield the file of each; one whose content is as before keeps its date."""
    for one in records:
        path = path_of(one.name, folder)
        if path.exists() and read(path).data == sanitised(one.data):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"kind": KIND, "format": FORMAT, **sanitised(asdict(one))}
        write_atomically(str(path), json.dumps(content, indent=1) + "\n")
        yield path


def read(path: Path) -> Record:
    """Return a record.

    Raises
    ------
    EvenkeelError
        It is none, or of a newer version.
    """
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind, form = found["kind"], found["format"]
        record = Record(str(found["name"]), str(found["source"]), str(found["date"]), found["data"])
    except (OSError, ValueError, TypeError, KeyError):
        raise EvenkeelError(f"{path} is no record of the real thing", "Make it anew by make record-reality") from None
    if kind != KIND or not isinstance(form, int):
        raise EvenkeelError(f"{path} is no record of the real thing", "Make it anew by make record-reality")
    if form > FORMAT:
        raise EvenkeelError(
            f"{path} is of the form {form}, and this version of Evenkeel reads {FORMAT}",
            "Use the version that wrote it, or a newer one",
        )
    return record
