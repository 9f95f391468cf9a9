# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab can learn from the real thing, as small data files with their source and date."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised

from lab.errors import LabError
from lab.upstream import recorded

KIND, FORMAT, RECORDED = recorded.KIND, recorded.FORMAT, recorded.FOLDER


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
        return Record(**recorded.read(path))
    except LabError as error:
        raise EvenkeelError(error.what, error.remedy) from error
