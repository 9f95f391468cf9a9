# SPDX-License-Identifier: GPL-3.0-or-later
"""Development tools that npm's registry has, in the user's cache folder."""

from __future__ import annotations

from pathlib import Path

from lab import cache, locks, paths, process


def package(name: str, version: str) -> Path:
    """Have a package of npm installed, and return its folder.

    Raises
    ------
    LabError
        There is no npm, or it fails.
    """
    folder = paths.CACHE / "npm" / f"{name}-{version}"
    with locks.held(f"npm-{name}"):
        if not folder.exists():
            stage = cache.staging(folder)
            options = ["--no-audit", "--no-fund", "--ignore-scripts", "--silent", "--prefix", str(stage)]
            process.run(["npm", "install", *options, f"{name}@{version}"], remedy="install Node.js 20 or newer")
            stage.rename(folder)
    return folder / "node_modules" / name
