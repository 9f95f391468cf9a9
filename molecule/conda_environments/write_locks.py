# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what a conda-lock.yml holds once more, in the ways of other programs: ``python write_locks.py CONDA_LOCK OUT``.

OUT gets ``by-conda-lock.yml``, ``pixi.lock`` and ``by-md5.txt``, which ``conda list --explicit --md5`` prints.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

PLATFORM = "linux-64"
CHANNEL = "https://repo.anaconda.com/pkgs/main"
#: An optional package that is in no channel, so that its installation fails.
OPTIONAL = {
    "name": "only-for-developers",
    "version": "1.0",
    "manager": "conda",
    "platform": PLATFORM,
    "dependencies": {},
    "url": f"{CHANNEL}/noarch/only-for-developers-1.0-0.conda",
    "hash": {"md5": "0" * 32, "sha256": "0" * 64},
    "category": "dev",
    "optional": True,
}


def by_conda_lock(packages: Sequence[dict[str, Any]]) -> str:
    """Return the lock as conda-lock 4 writes it."""
    metadata = {
        "content_hash": {PLATFORM: "0" * 64},
        "channels": [{"url": "defaults", "used_env_vars": []}],
        "platforms": [PLATFORM],
        "sources": ["environment.yml"],
        "inputs_metadata": {"environment.yml": {"md5": "0" * 32, "sha256": "0" * 64}},
    }
    return yaml.safe_dump({"version": 1, "metadata": metadata, "package": [*packages, OPTIONAL]}, sort_keys=False)


def by_pixi(packages: Sequence[dict[str, Any]]) -> str:
    """Return the lock as pixi writes it, in the version 6 of its format."""
    kinds = {"conda": "conda", "pip": "pypi"}
    names = [{kinds[package["manager"]]: package["url"]} for package in packages]
    described = []
    for package, name in zip(packages, names, strict=True):
        reported = {"name": package["name"], "version": package["version"]} if package["manager"] == "pip" else {}
        described.append({**name, **reported, **package["hash"]})
    environment = {"channels": [{"url": f"{CHANNEL}/"}], "packages": {PLATFORM: names}}
    return yaml.safe_dump(
        {"version": 6, "environments": {"default": environment}, "packages": described}, sort_keys=False
    )


def by_md5(packages: Sequence[dict[str, Any]]) -> str:
    """Return the lock as an explicit file with the MD5 of conda's packages, and pip's in conda-lock's own lines."""
    lines = ["# This file may be used to create an environment using:", f"# platform: {PLATFORM}", "@EXPLICIT"]
    for package in packages:
        if package["manager"] == "conda":
            lines.append(f"{package['url']}#{package['hash']['md5']}")
        else:
            lines.append(f"# pip {package['name']} @ {package['url']}#sha256={package['hash']['sha256']}")
    return "\n".join(lines) + "\n"


def main(conda_lock: Path, out: Path) -> None:
    """Read the one and write the others."""
    packages = yaml.safe_load(conda_lock.read_text())["package"]
    (out / "by-conda-lock.yml").write_text(by_conda_lock(packages))
    (out / "pixi.lock").write_text(by_pixi(packages))
    (out / "by-md5.txt").write_text(by_md5(packages))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
