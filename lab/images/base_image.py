# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare Debian 13 with Python, in place of the base images that a registry of containers has."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from lab import cache, locks, paths
from lab.images import image
from lab.nodes import podman

SUITE = "trixie"
PYTHON = "3.13"
PACKAGES = ("ca-certificates", "openssh-client", "python3", "python3-pip")


def build(more: Sequence[str] = ()) -> str:
    """Make the image where it is missing, and return its name.

    Parameters
    ----------
    more
        Packages that it has besides.

    Raises
    ------
    LabError
        mmdebstrap failed.
    """
    packages = (*PACKAGES, *more)
    name = f"localhost/evenkeel/base:{cache.key(SUITE, packages)}"
    with locks.held("image-base"):
        if not podman.succeeds("image", "exists", name):
            folder = paths.BUILD / "image-base"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            image.bootstrap(SUITE, folder / "root.tar", packages, (), "", lambda line: None)
            podman.run("import", "--quiet", f"--change=LABEL {podman.LABEL}=_image", str(folder / "root.tar"), name)
            shutil.rmtree(folder)
    return name
