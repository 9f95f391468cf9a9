# SPDX-License-Identifier: GPL-3.0-or-later
"""The official container images of distributions: what the lab's own images stand in for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

DATA = Path(__file__).with_suffix(".yml")
#: Releases whose nodes are made of official images, with spaces between them.
VARIABLE = "EVENKEEL_OFFICIAL"


@dataclass(frozen=True)
class Official:
    """The official image of a release.

    Parameters
    ----------
    lab
        The lab's name of the release; empty where the lab has no node of it.
    needs
        A folder of the host without which the image lacks packages of the distribution.
    """

    distribution: str
    release: str
    image: str
    lab: str
    needs: str = ""


def of(distribution: str, release: str) -> Official:
    """Return the image of a release."""
    entry = yaml.safe_load(DATA.read_text(encoding="utf-8"))[distribution]
    image, lab = (entry[key].format(release=release, number=release.replace(".", "")) for key in ("image", "lab"))
    return Official(distribution, release, image, lab, entry.get("needs", ""))


def distributions() -> Iterator[str]:
    """Yield the distributions that have one."""
    yield from yaml.safe_load(DATA.read_text(encoding="utf-8"))


def chosen() -> list[str]:
    """Return the releases whose nodes are to be made of official images."""
    return os.environ.get(VARIABLE, "").split()
