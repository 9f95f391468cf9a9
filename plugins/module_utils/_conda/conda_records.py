# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The records of a fresh environment as conda writes them, so that conda's own tools agree with it.

py-rattler leaves other records: it gives links a hash that ``conda doctor`` compares with that of the file behind the
link, and files that it did not change have none. Held against conda 26.7.1 (``conda/core/path_actions.py``,
``conda/models/records.py``). Three things are better left as they are: a record of a package for every Python has the
paths that its files have in the environment, which conda leaves out and so can't check; files that py-rattler wrote a
path into have their own size; and starters of programs have a hash.

Nothing here is atomic: a build counts only once its marker is written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_plan import source_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.history import name_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import (
    LINKS,
    META,
    in_prefix,
    records,
    site_packages,
)

Record = dict[str, Any]


def write(prefix: str, specs: Iterable[str], bytecode: Iterable[str]) -> None:
    """Rewrite the records of the environment at ``prefix``, and note where its links lead, which they don't say.

    Parameters
    ----------
    specs
        What was asked for, as match specifications.
    bytecode
        The bytecode that was added, as paths relative to ``prefix``.
    """
    found = [(name, record) for name, record in records(prefix) if record is not None]
    site = next((site_packages(record) for _name, record in found if record["name"] == "python"), "site-packages")
    asked = {name_of(spec): spec for spec in specs}
    compiled = {source_of(path): path for path in bytecode}
    links: dict[str, str] = {}
    for name, record in found:
        added = _added(prefix, record, compiled)
        for entry in _entries(record):
            if entry["path_type"] == "softlink":
                path = in_prefix(entry["_path"], site) if record.get("noarch") == "python" else entry["_path"]
                with contextlib.suppress(OSError):  # what another package or a wheel put in its place is no link
                    target = os.fsencode(os.readlink(os.path.join(prefix, path)))
                    links[path] = hashlib.sha256(target).hexdigest()
        with open(os.path.join(prefix, META, name), "w", encoding="utf-8") as stream:
            # In one piece, which Python encodes ten times as fast as into a stream.
            stream.write(json.dumps(as_conda_writes(record, asked.get(record["name"].lower(), ""), added)))
    with open(os.path.join(prefix, LINKS), "w", encoding="utf-8") as stream:
        json.dump(links, stream, indent=0, sort_keys=True)


def as_conda_writes(record: Record, spec: str, bytecode: Mapping[str, int]) -> Record:
    """Return a record in conda's form; pure.

    Parameters
    ----------
    spec
        By which the package was asked for; empty when it came for others.
    bytecode
        What was compiled of it: path, relative to the environment, to bytes.
    """
    entries = [_entry(entry) for entry in _entries(record)]
    entries += [
        {"_path": path, "path_type": "pyc_file", "size_in_bytes": size} for path, size in sorted(bytecode.items())
    ]
    written = {
        "depends": [],
        "constrains": [],
        **record,
        "channel": str(record.get("url", "")).rpartition("/")[0],
        "files": [*record.get("files", ()), *sorted(bytecode)],
        "paths_data": {"paths_version": 1, **record.get("paths_data", {}), "paths": entries},
        "requested_specs": [spec] if spec else [],
    }
    written.pop("requested_spec", None)
    if spec:
        written["requested_spec"] = spec
    if record.get("noarch"):
        written["package_type"] = "noarch_%s" % record["noarch"]
    return written


def _entries(record: Record) -> list[Record]:
    found: list[Record] = record.get("paths_data", {}).get("paths", [])
    return found


def _entry(entry: Mapping[str, Any]) -> Record:
    shown = dict(entry)
    if entry["path_type"] == "softlink":
        shown.pop("sha256_in_prefix", None)
    elif entry["path_type"] == "hardlink" and entry.get("sha256"):
        shown.setdefault("sha256_in_prefix", entry["sha256"])
    return shown


def _added(prefix: str, record: Record, compiled: Mapping[str, str]) -> dict[str, int]:
    """Return the bytecode of a package that its record lacks, with its size in bytes."""
    there = set(record.get("files", ()))
    added = [compiled[path] for path in there if path in compiled and compiled[path] not in there]
    return {path: os.stat(os.path.join(prefix, path)).st_size for path in added}
