# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which of Python's distributions the packages of a lock are, by which advisories know them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import provided_by_conda
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors

with optional():
    from packaging.utils import canonicalize_name

#: How it is known which distribution a package is: it is pip's, by the metadata in conda's package, by its name alone.
BY_INDEX, BY_METADATA, BY_NAME = "index", "metadata", "name"


@dataclass(frozen=True)
class Distribution:
    """A distribution that a package brings."""

    package: Package
    name: str
    version: str
    known_by: str


def of(packages: Iterable[Package], mirrors: Mirrors | None) -> tuple[list[Distribution], str]:
    """Return the distributions of packages, and why those of conda's are not all known by their metadata.

    conda's packages that do not need Python are none. Where the metadata can't be read, a package of which nothing was
    kept from an earlier lock is taken for the distribution of its name.

    Parameters
    ----------
    mirrors
        None to ask for nothing, where the channels do not answer.
    """
    everything = list(packages)
    of_pip = [one for one in everything if one.manager == PIP]
    of_conda = provided_by_conda.with_python(one for one in everything if one.manager != PIP)
    known, why = _known(of_conda, mirrors)
    found = [Distribution(one, canonicalize_name(one.name), one.version, BY_INDEX) for one in of_pip]
    for package in of_conda:
        if package in known:
            found += [Distribution(package, name, version, BY_METADATA) for name, version in known[package].items()]
        else:
            found.append(Distribution(package, canonicalize_name(package.name), package.version, BY_NAME))
    return found, why


def _known(packages: list[Package], mirrors: Mirrors | None) -> tuple[dict[Package, dict[str, str]], str]:
    """Return what metadata say of conda's packages, and why they do not of all."""
    why = "The channels do not answer"
    if mirrors is not None:
        try:
            return provided_by_conda.by_package(packages, mirrors), ""
        except EvenkeelError as error:
            why = error.what
    known = provided_by_conda.kept(packages)
    return known, "" if len(known) == len(packages) else why
