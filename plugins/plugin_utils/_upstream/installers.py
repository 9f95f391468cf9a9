# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The installers of conda distributions that are known with their checksums, and which of them a version means."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.distribution import order
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

DATA = Path(__file__).parents[1] / "data"
INSTALLERS = DATA / "installers.tsv"
SUPPORT = DATA / "python_support.yml"
LATEST = "latest-known"
#: Each distribution, and how its installers' names begin.
DISTRIBUTIONS = {"miniconda": "Miniconda3", "miniforge": "Miniforge3"}

_FILE = re.compile(
    r"(?P<name>Miniconda3|Miniforge3)-(?:(?P<python>py\d+)_)?(?P<version>\d[\d.]*(?:-\d+)?)"
    r"-Linux-(?P<architecture>x86_64|aarch64)\.sh"
)
_EXACT = re.compile(r"(?:(?P<python>py\d+)_)?(?P<version>\d[\d.]*(?:-\d+)?)")
_PYTHON = re.compile(r"py\d+")


@dataclass(frozen=True)
class Installer:
    """One installer."""

    #: Its file's name.
    file: str
    #: Empty when it is not known.
    sha256: str
    #: Such as ``py313``; empty where a distribution has one Python alone.
    python: str
    #: The distribution's, such as ``26.5.3-1``.
    version: str
    architecture: str

    @property
    def path(self) -> str:
        """Where it is below the base URL of its distribution's installers."""
        return f"{self.version}/{self.file}" if self.file.startswith("Miniforge3") else self.file

    @property
    def age(self) -> tuple[tuple[int, ...], int]:
        """What known installers are ordered by: version first, then Python."""
        return order(self.version), int(self.python[3:] or 0)

    def as_dict(self) -> dict[str, str]:
        """Return all of it for a template."""
        return {**asdict(self), "path": self.path}


@cache
def known() -> tuple[Installer, ...]:
    """Return every installer in the data file."""
    with INSTALLERS.open(encoding="utf-8", newline="") as stream:
        return tuple(
            replace(installer, sha256=row["sha256"])
            for row in csv.DictReader(stream, delimiter="\t")
            if (installer := parse(row["file"]))
        )


def parse(file: str) -> Installer | None:
    """Return what an installer's name says; None when it is not of a known distribution."""
    parts = _FILE.fullmatch(file)
    if not parts:
        return None
    return Installer(file, "", parts["python"] or "", parts["version"], parts["architecture"])


def choose(distribution: str, version: str, architecture: str, candidates: Iterable[Installer]) -> Installer:
    """Return the installer that an operator means; pure.

    Parameters
    ----------
    distribution
        ``miniconda`` or ``miniforge``.
    version
        ``latest-known``; a Python such as ``py39``, for the newest known with it; or an exact version, such as
        ``py313_26.5.3-1`` of Miniconda or ``26.3.2-3`` of Miniforge, which need not be known.
    architecture
        Of the node, such as ``x86_64``.
    candidates
        The known ones.

    Raises
    ------
    EvenkeelError
        The distribution or the version is none, or nothing is known that it could mean.
    """
    if distribution not in DISTRIBUTIONS:
        raise EvenkeelError(f"There is no distribution {distribution!r}", f"Choose from {', '.join(DISTRIBUTIONS)}")
    name = DISTRIBUTIONS[distribution]
    fitting = [one for one in candidates if one.file.startswith(f"{name}-") and one.architecture == architecture]
    if version == LATEST or _PYTHON.fullmatch(version):
        found = [one for one in fitting if version in (LATEST, one.python)]
        if not found:
            pythons = sorted({one.python for one in fitting if one.python}, key=lambda python: int(python[3:]))
            raise EvenkeelError(
                f"No installer of {distribution} for {architecture} is known that the version {version} could mean",
                f"Write {LATEST}, an exact version, or one of {', '.join(pythons)}"
                if pythons
                else f"Write {LATEST} or an exact version",
            )
        return max(found, key=lambda one: one.age)
    parts = _EXACT.fullmatch(version)
    if not parts or bool(parts["python"]) != (distribution == "miniconda"):
        example = {"miniconda": "py313_26.5.3-1, py313", "miniforge": "26.3.2-3"}[distribution]
        raise EvenkeelError(f"{version!r} is not a version of {distribution}", f"Write it as in {example}, or {LATEST}")
    file = f"{name}-{version}-Linux-{architecture}.sh"
    unknown = Installer(file, "", parts["python"] or "", parts["version"], architecture)
    return next((one for one in fitting if one.file == file), unknown)


def unsupported_since(file: str, today: date) -> tuple[str, date] | None:
    """Return the Python of an installer and the month its security support ended in, when it has; None otherwise."""
    installer = parse(file)
    if not installer or not installer.python:
        return None
    python = f"{installer.python[2]}.{installer.python[3:]}"
    month = read_mapping(SUPPORT).get(python)
    if not month:
        return None
    ended = date.fromisoformat(f"{month}-01")
    return (python, ended) if (today.year, today.month) > (ended.year, ended.month) else None
