# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab can learn from the real thing, as small data files with their source and date."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised

from lab.errors import LabError
from lab.upstream import recorded
from reality.claims import Claim, Result, proven
from reality.world import World

KIND, FORMAT, RECORDED = recorded.KIND, recorded.FORMAT, recorded.FOLDER
SUBJECT = "Records for the lab"
#: Results of a sight, beside the folder of its record.
CHANGED, AS_BEFORE = "it has changed", "as before"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*", re.ASCII)


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


@dataclass(frozen=True)
class Sight:
    """Something to look at, for a record; see ``run.ask`` for the errors that the look may raise."""

    #: Unique in its part.
    name: str
    look: Callable[[World], Record]


class Recorder:
    """A part's sights, asked as its claims are: one after another, within limits, and again after an interrupt."""

    AT_ONCE = 1

    def __init__(self, part: str, sights: Iterable[Sight], seconds: float, *, network: bool, folder: Path) -> None:
        self.TITLE = self._part = part
        self.SECONDS, self.NETWORK = seconds, network
        self._sights = {f"{part}/{one.name}": one for one in sights}
        self._folder = folder

    def claims(self, _world: World) -> list[Claim]:
        """Return a claim for each sight."""
        return [Claim(key, self._part, f"{key} can be recorded", SUBJECT) for key in self._sights]

    def check(self, claim: Claim, world: World) -> Result:
        """Look, and write the record."""
        seen = self._sights[claim.id].look(world)
        return proven(seen.source, CHANGED if write(seen, self._folder) else AS_BEFORE)


def path_of(name: str, folder: Path) -> Path:
    """Return where a record is.

    Raises
    ------
    EvenkeelError
        It can't have that name.
    """
    if not _NAME.fullmatch(name):
        raise EvenkeelError(
            f"{name!r} can't be the name of a record",
            "Use lower-case letters, digits, dots, hyphens and underscores, with slashes between folders",
        )
    return folder / f"{name}.json"


def write(record: Record, folder: Path) -> bool:
    """Write a record, and return whether it has changed; one whose content is as before keeps its date.

    Raises
    ------
    EvenkeelError
        It can't have its name, or the one that is there is of a newer version.
    """
    path = path_of(record.name, folder)
    content = {"kind": KIND, "format": FORMAT, **sanitised(asdict(record))}
    try:
        if path.exists() and recorded.read(path)["data"] == content["data"]:
            return False
    except recorded.NewerError as error:
        raise EvenkeelError(error.what, error.remedy) from error
    except LabError:
        pass  # it is made anew
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(str(path), json.dumps(content, indent=1) + "\n")
    return True


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


def require_known(folder: Path) -> None:
    """Refuse a folder with records of a newer version, before anything is asked.

    Raises
    ------
    EvenkeelError
        There is one.
    """
    for path in sorted(folder.rglob("*.json")):
        try:
            recorded.read(path)
        except recorded.NewerError as error:
            raise EvenkeelError(error.what, error.remedy) from error
        except LabError:
            continue
