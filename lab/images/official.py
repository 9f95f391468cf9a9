# SPDX-License-Identifier: GPL-3.0-or-later
"""The official images of distributions: what the lab's own images stand in for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError
from lab.images import cloud_image

DATA = Path(__file__).with_suffix(".yml")
#: Releases whose nodes are made of official images, with spaces between them; ``rocky9=IMAGE`` names another image, and
#: ``debian12vm=PATH`` or ``debian12vm=URL`` another cloud image.
VARIABLE = "EVENKEEL_OFFICIAL"
#: Before a host; what follows the name of a container image may be its digest.
_LOGIN = re.compile(r"(\w+://[^/@]*|[^/@]*:[^/@]*)@(?!sha\d+:)")


@dataclass(frozen=True)
class Official:
    """The official container image of a release.

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


@cache
def _known() -> Mapping[str, Mapping[str, Any]]:
    return dict(yaml.safe_load(DATA.read_text(encoding="utf-8")))


def of(distribution: str, release: str) -> Official:
    """Return the container image of a release."""
    entry = _known()[distribution]
    image, lab = (entry[key].format(release=release, number=release.replace(".", "")) for key in ("image", "lab"))
    return Official(distribution, release, image, lab, entry.get("needs", ""))


def of_lab(name: str) -> Official:
    """Return the container image of a release by the lab's name, such as ``ubuntu2404``.

    Raises
    ------
    LabError
        There is none.
    """
    found = re.fullmatch(r"([a-z]+)(\d\d?)(\d\d)?", name)
    for distribution, entry in _known().items():
        if found and entry["lab"].partition("{")[0] == found[1]:
            return of(distribution, f"{found[2]}.{found[3]}" if found[3] else found[2])
    raise LabError(
        f"{VARIABLE} names {name}", "Name releases such as debian12, ubuntu2404, rocky9 and almalinux9, or debian12vm"
    )


def name_of(release: str) -> str:
    """Return what a release's nodes are made of: the name of a container image, or the URL of a cloud image.

    Raises
    ------
    LabError
        There is none.
    """
    machine = cloud_image.published().get(release)
    return machine.image if machine else of_lab(release).image


def chosen(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the releases whose nodes are to be made of official images, each with its image.

    Raises
    ------
    LabError
        One of them is not known, or has a login before its host.
    """
    found = {}
    for word in environment.get(VARIABLE, "").split():
        name, _equals, image = word.partition("=")
        known = name_of(name)
        if _LOGIN.match(image):
            raise LabError(f"{VARIABLE} names an image of {name} with a login", "Fetch it, and name what is here")
        found[name] = image or known
    return found
