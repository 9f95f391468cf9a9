# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab keeps things: always below the user's cache folder, never in the checkout."""

from __future__ import annotations

import os
from pathlib import Path

CACHE = Path(os.environ.get("EVENKEEL_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "evenkeel")
CACHE = CACHE.expanduser().absolute()

DOWNLOADS = CACHE / "downloads"
BUILD = CACHE / "build"
WWW = CACHE / "www"
STATE = CACHE / "state"
#: Disks that virtual machines start from.
MACHINES = CACHE / "machines"

ANACONDA = WWW / "anaconda"
CHANNEL = ANACONDA / "pkgs" / "main"
#: The second half of conda's channel ``defaults``, here without packages.
R_CHANNEL = ANACONDA / "pkgs" / "r"
INSTALLERS = ANACONDA / "miniconda"
MINIFORGE = ANACONDA / "miniforge"
SIMPLE_INDEX = WWW / "pypi" / "simple"
#: What NVIDIA's sites have.
NVIDIA = WWW / "nvidia"
#: A part of Debian's own archive.
DEBIAN = WWW / "debian"
#: Stand-ins for the own repositories of Rocky Linux.
ROCKY = WWW / "rocky"
#: The repositories of what was recorded of the real ones.
RECORDED = WWW / "recorded"
#: Stand-ins for Ubuntu's archive, and for NVIDIA's repositories for it.
UBUNTU = WWW / "ubuntu"
