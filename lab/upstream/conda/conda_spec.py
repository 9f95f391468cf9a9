# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in conda's language which versions a Python requirement allows."""

from __future__ import annotations

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version


def match_spec(name: str, specifiers: SpecifierSet) -> str:
    """Return the conda dependency on ``name`` in the versions that ``specifiers`` allow."""
    versions = ",".join(sorted(version for specifier in specifiers for version in conda_versions(specifier)))
    return f"{name} {versions}".rstrip()


def conda_versions(specifier: Specifier) -> tuple[str, ...]:
    """Return the constraints, all of which must hold, that mean the same as one Python version specifier.

    ``<2`` keeps the pre-releases of 2 out in Python and lets them in in conda, hence ``<2.0a0``. ``~=1.4.2`` and
    ``===`` are written in the operators that every conda program knows.
    """
    operator, text = specifier.operator, specifier.version
    if operator == "===":
        return (f"=={text}",)
    if text.endswith(".*"):
        return (text,) if operator == "==" else (f"{operator}{text}",)
    version = Version(text)
    if operator == "~=":
        family = ".".join(map(str, version.release[:-1]))
        epoch = f"{version.epoch}!" if version.epoch else ""
        return (f">={version}", f"{epoch}{family}.*")
    if operator == "<" and not version.is_prerelease:
        return (f"<{version}{'' if len(version.release) > 1 else '.0'}a0",)
    return (f"{operator}{version}",)
