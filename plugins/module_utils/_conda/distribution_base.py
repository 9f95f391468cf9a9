# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The base environment of a distribution: what it was installed with, what it has become, and its protection."""

from __future__ import annotations

import contextlib
import glob
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import changes, from_mapping
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically

ADVICE = "base belongs to Evenkeel and stays as it was installed; make an environment of your own: conda create -n NAME"
#: conda's mark (CEP 22), its text and pip's (PEP 668), which pip wants beside the standard library.
FROZEN = json.dumps({"message": ADVICE}) + "\n"
EXTERNALLY_MANAGED = "[externally-managed]\nError=%s\n" % ADVICE


def protection(home: str) -> dict[str, str]:
    """Return the files, path to content, that keep conda and pip from changing base."""
    libraries = glob.glob(os.path.join(glob.escape(home), "lib", "python3.*", "os.py"))
    found = {os.path.join(os.path.dirname(path), "EXTERNALLY-MANAGED"): EXTERNALLY_MANAGED for path in libraries}
    return {os.path.join(home, generation.FROZEN): FROZEN, **found}


def is_protected(home: str) -> bool:
    """Whether all of the protection is there."""
    return all(_content(path) == content for path, content in protection(home).items())


def protect(home: str) -> None:
    """Keep conda and pip from changing base."""
    for path, content in protection(home).items():
        if _content(path) != content:
            write_atomically(path, content)


def inventory(home: str) -> dict[str, Any]:
    """Return what base holds now, for the marker of its installation."""
    return {
        "packages": [asdict(package) for package in generation.installed(home)],
        "records": generation.records(home),
        "distributions": list(generation.distributions(home)),
    }


def drift(home: str, marker: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how base differs from what was installed, one line each, without its protection.

    An installation that an older Evenkeel made has no inventory, and so no drift.
    """
    if "records" not in marker:
        return ()
    installed = generation.Generation(
        path=home,
        packages=tuple(sorted(from_mapping(fields) for fields in marker["packages"])),
        records=marker["records"],
        distributions=tuple(marker["distributions"]),
    )
    found = generation.inspect(installed)
    frozen = generation.FROZEN
    notes = ["! %s" % note for note in found.notes if not note.endswith(frozen)]
    if marker.get("exposed"):
        notes.append("! others could change its files")
    return (*changes(installed.packages, found.packages), *notes)


def environments(home: str) -> tuple[str, ...]:
    """Return the paths of the environments that people made inside the distribution."""
    histories = glob.glob(os.path.join(glob.escape(home), "envs", "*", "conda-meta", "history"))
    return tuple(sorted(os.path.dirname(os.path.dirname(path)) for path in histories))


def _content(path: str) -> str | None:
    """Return what a file says to everybody; None where it says nothing to some."""
    with contextlib.suppress(OSError):
        return kept_files.text(path) if kept_files.for_all(path) else None
    return None
