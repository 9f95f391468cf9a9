# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The progress of a build in words."""

from __future__ import annotations

from typing import Any

WORDS = {
    "fetch": "{packages} packages{volume} fetched",
    "link": "linked {packages}",
    "compile": "bytecode {packages} files",
    "pip": "pip {packages} packages",
    "sync": "writing to disk, {seconds} s",
}


def reported(progress: dict[str, Any]) -> str:
    """Return what a module wrote as a readable line, such as ``61 of 107 packages, 80 of 131 MB fetched``."""
    done, total = (round(progress[key] / 1e6) for key in ("bytes", "of_bytes"))
    volume = f", {done} of {total} MB" if total else ""
    packages = f"{progress['packages']} of {progress['of']}"
    return WORDS[progress["step"]].format(packages=packages, volume=volume, seconds=progress["packages"])
