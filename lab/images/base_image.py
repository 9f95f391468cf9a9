# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare Debian 13 with Python, in place of a base image for execution environments from a registry of containers."""

from __future__ import annotations

import shutil

from lab import cache, locks, paths
from lab.images import image
from lab.nodes import podman

SUITE = "trixie"
PYTHON = "3.13"
PACKAGES = ("ca-certificates", "openssh-client", "python3", "python3-pip")


def build() -> str:
    """Make the image where it is missing, and return its name.

    Raises
    ------
    LabError
        mmdebstrap failed.
    """
    name = f"localhost/evenkeel/base:{cache.key(SUITE, PACKAGES)}"
    with locks.held("image-base"):
        if not podman.succeeds("image", "exists", name):
            folder = paths.BUILD / "image-base"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            image.bootstrap(SUITE, folder / "root.tar", PACKAGES, (), "", lambda line: None)
            podman.run("import", "--quiet", f"--change=LABEL {podman.LABEL}=_image", str(folder / "root.tar"), name)
            shutil.rmtree(folder)
    return name
