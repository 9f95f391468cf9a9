# SPDX-License-Identifier: GPL-3.0-or-later
"""What was recorded of channels, by ``make record-reality``: forms and headers of indexes, and terms of service."""

from __future__ import annotations

import bz2
import json
import shutil
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from lab import files, paths
from lab.upstream import mirror_server, recorded

FOLDER = recorded.FOLDER / "data"
_SUBDIRS = ("linux-64", "noarch")
#: The forms in which a channel may have its index.
FORMS = (
    "repodata.json",
    "repodata.json.zst",
    "repodata.json.bz2",
    "current_repodata.json",
    "repodata_shards.msgpack.zst",
)
#: Other headers are of the real site's machinery.
_HEADERS = ("content-type", "cache-control")

Shape = Mapping[str, Mapping[str, Any]]


def shape(name: str, folder: Path = FOLDER) -> Shape:
    """Return what was seen of each form of a channel's index: ``status`` and headers; nothing where none was recorded.

    Raises
    ------
    LabError
        The record can't be used.
    """
    return recorded.used(folder / "index" / f"{name}.json", _shape) or {}


def _shape(seen: Mapping[str, Mapping[str, Any]]) -> Shape:
    return {form: _about(form, about) for form, about in seen.items()}


def _about(form: str, about: Mapping[str, Any]) -> Mapping[str, Any]:
    if form not in FORMS:
        raise ValueError(f"{form!r} is no form of a channel's index")
    headers = {
        name: recorded.checked(recorded.LINE, about[name], f"header {name}") for name in _HEADERS if name in about
    }
    return {"status": int(about["status"]), **headers}


def take_forms(subdir: Path, seen: Shape) -> None:
    """Give a folder of a channel the forms of the index that were seen; one of which nothing is known stays."""
    plain = subdir / "repodata.json"
    makers: Mapping[str, Callable[[Path], object]] = {
        "repodata.json.bz2": lambda path: path.write_bytes(bz2.compress(plain.read_bytes())),
        "current_repodata.json": lambda path: shutil.copyfile(plain, path),
    }
    for form, about in seen.items():
        path = subdir / form
        if about["status"] != HTTPStatus.OK and path != plain:
            path.unlink(missing_ok=True)
        elif form in makers:
            makers[form](path)


def write_answers(www: Path, folder: Path = FOLDER) -> None:
    """Tell the server which headers and terms were seen; without a record it has its own.

    Raises
    ------
    LabError
        A record can't be used.
    """
    channels = {name: path.relative_to(paths.WWW) for name, path in (("main", paths.CHANNEL), ("r", paths.R_CHANNEL))}
    headers = {
        f"/{place}/{subdir}/{form}": {key: value for key, value in about.items() if key in _HEADERS}
        for name, place in channels.items()
        for form, about in shape(name, folder).items()
        for subdir in _SUBDIRS
        if about["status"] == HTTPStatus.OK
    }
    answers = {"headers": headers, "terms": recorded.used(folder / "terms" / "main.json", _terms) or {}}
    if any(answers.values()):
        files.replace_text(www / mirror_server.ANSWERS, json.dumps(answers, indent=1) + "\n")
    else:
        (www / mirror_server.ANSWERS).unlink(missing_ok=True)


def _terms(seen: Mapping[str, Any] | None) -> dict[str, str]:
    if seen is None:
        return {}
    terms = dict.fromkeys(map(str, seen["keys"]), "The lab keeps no text.")
    return {**terms, "version": str(seen["version"]), "support": str(seen["support"])}
