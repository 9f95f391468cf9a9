# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The records of what Evenkeel has made on a node and what is not plainly its own by its path.

Only a record shows that a user, a group, a package, a service or a file among those of others was made by Evenkeel, and
may be removed again. Each module keeps a record of its own, as a kept file. It is written before the thing is made,
so that it is complete also after an interrupted run. What was there before is in no record, and so is never removed.
A record that was lost comes back as far as the things themselves show that they are Evenkeel's.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import OUR_NAME, Change, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import require_known

FOLDER = "/var/lib/evenkeel/made"
FORMAT = 1
#: What stood in the thing's place before it was made: nothing, or something that is not known any more.
ABSENT, UNKNOWN = "absent", "unknown"


@dataclass(frozen=True)
class Thing:
    """Something on the node.

    Parameters
    ----------
    kind
        ``file``, ``backup``, which is the copy of a file that was replaced, ``diversion``, by which dpkg writes a
        package's file elsewhere, ``setting``, which is ours in a file of others, ``package``, ``hold``, ``service``,
        ``group``, ``member`` or ``user``.
    name
        What the node knows it by; the path of a file, ``USER GROUP`` of a member, ``PATH KEY`` of a setting.
    before
        ``absent``, ``unknown``, ``sha256:`` and the hash of the file that stood there, or ``link:`` and where it led.
    """

    kind: str
    name: str
    before: str = ABSENT


def path_of(by: str) -> str:
    """Return the path of a module's record."""
    return os.path.join(FOLDER, "%s.json" % by)


def modules() -> list[str]:
    """Return the modules that have a record, whatever is in it."""
    names = os.listdir(FOLDER) if os.path.isdir(FOLDER) else []
    return sorted(name[: -len(".json")] for name in names if name.endswith(".json"))


def read(by: str) -> list[Thing]:
    """Return what a module has made; nothing where the record is missing or damaged.

    Raises
    ------
    EvenkeelError
        A newer release has written the record.
    """
    return _parsed(by, kept_files.read(path_of(by)))


def changes(by: str, made: Iterable[Thing], gone: Iterable[Thing] = ()) -> list[Change]:
    """Return what changes in a module's record; to be applied before the things are made.

    Parameters
    ----------
    by
        The module's name.
    made
        What it is about to make, or what shows by itself that the module has made it.
    gone
        What it is about to remove.

    Raises
    ------
    EvenkeelError
        A newer release has written the record.
    """
    file = kept_files.read(path_of(by))
    things = {(thing.kind, thing.name): thing for thing in _parsed(by, file)}
    for thing in made:
        known = things.get((thing.kind, thing.name))
        if known is None or thing.before == ABSENT:  # what stood there first stays in the record
            things[thing.kind, thing.name] = thing
    for thing in gone:
        things.pop((thing.kind, thing.name), None)
    wanted = Kept(_rendered(things.values())) if things else None
    return kept_files.plan({path_of(by): file}, {path_of(by): wanted})


def note(by: str, made: Iterable[Thing], gone: Iterable[Thing] = ()) -> None:
    """Bring a module's record up to date; see ``changes``."""
    for change in changes(by, made, gone):
        kept_files.apply(change)


def of_files(by: str, files: Iterable[Change], mark: str = "") -> list[Change]:
    """Return what changes in a module's record with changes of files, and with files that have the module's mark.

    A file whose path has our name is plainly ours, and in no record. Neither is one in which nothing is ours.

    Parameters
    ----------
    files
        Changes, and with a mark also files that do not change.
    mark
        What a file has in it as long as something in it is ours.
    """
    made, gone = [], []
    for change in files:
        if OUR_NAME in change.path:
            continue
        thing = Thing("file", change.path)
        if change.after is None or mark not in change.after.text:
            gone.append(thing)
        elif change.before is None:
            made.append(thing)
        elif mark and mark in change.before.text:
            made.append(replace(thing, before=UNKNOWN))
        elif change.changed:
            made.append(replace(thing, before="sha256:" + _sha256(change.before.text)))
    return changes(by, made, gone)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _parsed(by: str, file: Kept | None) -> list[Thing]:
    try:
        content = json.loads(file.text if file else "{}")
        require_known(path_of(by), content, FORMAT)
        return [_thing(fields) for fields in content.get("made", ())]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []


def _thing(fields: dict[str, Any]) -> Thing:
    if not all(isinstance(value, str) for value in fields.values()):
        raise TypeError(fields)
    return Thing(**fields)


def _rendered(things: Iterable[Thing]) -> str:
    made = [asdict(thing) for thing in sorted(things, key=lambda thing: (thing.kind, thing.name))]
    return json.dumps({"format": FORMAT, "made": made}, indent=1) + "\n"
