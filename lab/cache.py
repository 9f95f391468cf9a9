# SPDX-License-Identifier: GPL-3.0-or-later
"""Build steps are named by what goes into them, and their results appear under the final name by one rename."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path


def key(*parts: object) -> str:
    """Return a short content key of ``parts``: name and bytes of files, the text of everything else."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.name.encode() + b"\0" + part.read_bytes() if isinstance(part, Path) else str(part).encode()
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def published(final: Path) -> str | None:
    """Return the key of the tree that is published as ``final``, or None."""
    return final.readlink().name.rpartition("-")[2] if final.is_symlink() and final.exists() else None


def staging(final: Path) -> Path:
    """Return an empty folder beside ``final`` to build in; what an interrupted build left there is gone."""
    stage = final.with_name(f".{final.name}.partial")
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    return stage


def publish(stage: Path, final: Path, content_key: str) -> None:
    """Make ``final`` a symbolic link to the tree built in ``stage``, and drop the trees it named before."""
    tree = final.with_name(f".{final.name}-{content_key}")
    shutil.rmtree(tree, ignore_errors=True)
    stage.rename(tree)
    link = final.with_name(f".{final.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(tree.name)
    if final.is_dir() and not final.is_symlink():
        shutil.rmtree(final)
    link.replace(final)
    for other in final.parent.glob(f".{final.name}-*"):
        if other != tree:
            shutil.rmtree(other)
