# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What Evenkeel asks of a node's package manager, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


class Refused(EvenkeelError):
    """A transaction is not possible with the packages as they are on the node now."""


@dataclass(frozen=True)
class Step:
    """A package that changes; an empty version is its absence."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.before:
            return "%s %s" % (self.name, self.after)
        return "%s %s -> %s" % (self.name, self.before, self.after or "removed")


@dataclass(frozen=True)
class Offer:
    """A version of a package that repositories have.

    Parameters
    ----------
    source
        The source package that it is built from.
    urls
        The repositories; none where the manager does not name them.
    """

    version: str
    source: str
    urls: tuple[str, ...] = ()


class Manager(Protocol):
    """The package manager of a node.

    A package is named by its name alone or, with a version, as ``exact`` says. Every method that asks the node or its
    repositories raises an EvenkeelError where the answer cannot be had.
    """

    @property
    def name(self) -> str:
        """``apt`` or ``dnf``."""

    @property
    def exact(self) -> str:
        """The form of a package and its version, such as ``%s=%s``."""

    def installed(self) -> dict[str, str]:
        """Return the version of each installed package."""

    def known(self) -> dict[str, str]:
        """Return the version of each package that is there, even if its installation was not finished."""

    def held(self) -> set[str]:
        """Return the installed packages that are held at their version."""

    def sources(self) -> dict[str, str]:
        """Return the source package of each package on the node; none where the manager goes by names alone."""

    def versions(self, name: str) -> list[str]:
        """Return the versions of a package that the repositories have, newest first."""

    def alike(self, name: str) -> list[str]:
        """Return the packages of repositories whose names differ from this one in numbers alone, such as a branch."""

    def offers(self, names: Sequence[str]) -> dict[str, list[Offer]]:
        """Return what the repositories have of these packages, newest first."""

    def simulate(self, install: Sequence[str], remove: Sequence[str]) -> list[Step]:
        """Return what would change if packages were installed and removed.

        Raises
        ------
        Refused
            There is no way to do it.
        """

    def forbidden(self, names: Sequence[str]) -> dict[str, str]:
        """Return those of the packages that preferences forbid at their installed version; each with the allowed one.

        That is empty where no repository has one.
        """

    def sizes(self, packages: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Return the installed size in bytes of packages at versions; none where it looks for room by itself."""

    def apply(self, install: Sequence[str], remove: Sequence[str]) -> None:
        """Install and remove packages."""

    def edited(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return, by package, the settings that somebody has changed or added and that would go with it."""

    def remnants(self, names: Sequence[str]) -> list[str]:
        """Return those of the packages that are removed, but for their settings."""

    def purge(self, names: Sequence[str]) -> None:
        """Remove the settings of packages that are removed."""

    def reinstall(self, names: Sequence[str]) -> None:
        """Install packages again at their versions, so that all their files are there."""

    def hold(self, names: Sequence[str]) -> None:
        """Hold packages at the version that is installed."""

    def release(self, names: Sequence[str]) -> None:
        """Undo a hold."""

    def wait(self) -> None:
        """Wait until nobody else changes packages."""

    def busy(self) -> str:
        """Return who changes packages at this moment; empty where nobody does."""

    def interrupted(self) -> list[str]:
        """Return the packages that a killed run left unfinished."""

    def repairs(self) -> list[Step]:
        """Return what ``heal`` would install and remove, where that can be known."""

    def heal(self) -> None:
        """Finish what a killed run left unfinished."""

    def refresh(self, source: str) -> str:
        """Fetch the lists of the repositories that a file names; of all repositories where it is empty.

        Of all, some may fail; then it returns why.
        """

    def never_asked(self) -> bool:
        """Return whether the node has no lists of packages at all and must fetch them first."""

    def lacks_distribution(self, source: str) -> str:
        """Return what to do where only the repositories of a file are enabled; else an empty string."""

    def download(self, spec: str, folder: str) -> str:
        """Download a package into an existing folder, and return its path."""

    def unpack(self, package: str, folder: str) -> None:
        """Unpack a downloaded package into a folder, which is made."""
