# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files that more than one package of an environment brings: which one wins, and a note of them.

conda links packages in the order of an explicit file, dependencies first and otherwise by name, and the later one wins.
pip's wheels come after them, by name. py-rattler lets a package win that depends on what its cache knew before, and uv
whichever wheel is written last; so both results are brought to conda's, and nodes with the same lock have the same
bytes whatever built them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import distribution
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import (
    META,
    InstalledFile,
    of_conda,
    of_pip,
    pip_distributions,
    records,
    site_packages,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, in_order
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of

#: In an environment: the files that packages bring in different contents, path to their packages, the winner last.
NOTE = os.path.join(META, "evenkeel-clobbered")
#: Where py-rattler puts the files of packages that did not win, below a folder for each package.
_ASIDE = "__clobbers__"
#: How many pairs of packages a warning names.
_MOST_PAIRS = 5


class Clobbered(NamedTuple):
    """A file that packages bring in different contents."""

    #: Name and version of those that bring it; it is the last one's.
    packages: tuple[str, ...]
    #: Of its content, or of the target of a link.
    sha256: str
    link: bool


class Claim(NamedTuple):
    """A package that brings a file."""

    #: Name and version for people.
    package: str
    file: InstalledFile
    of_pip: bool


def settle(prefix: str, packages: Iterable[Package]) -> None:
    """Let the package win that conda would link last, where py-rattler put a file aside.

    Parameters
    ----------
    prefix
        An environment of conda's packages alone.
    packages
        Those.
    """
    aside = os.path.join(prefix, _ASIDE)
    if not os.path.isdir(aside):
        return
    order = {package.stem + ".json": number for number, package in enumerate(in_order(packages))}
    found = sorted(((name, record) for name, record in records(prefix) if record), key=lambda item: order[item[0]])
    contested = {_wanted(path) for _name, record in found for path in record["files"] if _is_aside(path)}
    winners = {_wanted(path): path for _name, record in found for path in record["files"] if _wanted(path) in contested}
    for path, place in winners.items():
        if place != path:
            os.replace(os.path.join(prefix, place), os.path.join(prefix, path))
    shutil.rmtree(aside)
    for name, record in found:
        if any(map(_is_aside, record["files"])):
            record["files"] = [_wanted(path) for path in record["files"]]
            for entry in record["paths_data"]["paths"]:
                entry["_path"] = _wanted(entry["_path"])
                entry.pop("original_path", None)
            with open(os.path.join(prefix, META, name), "w", encoding="utf-8") as stream:
                stream.write(json.dumps(record))


def _is_aside(path: str) -> bool:
    return path.startswith(_ASIDE + "/")


def _wanted(path: str) -> str:
    """Return where a package brings a file to that py-rattler may have put aside."""
    return path.split("/", 2)[2] if _is_aside(path) else path


def later_wheels(prefix: str, packages: Iterable[Package]) -> list[Package]:
    """Return pip's packages that have to be installed once more, in this order, for the last one to win."""
    by_name = {package.name: package for package in packages if package.manager == PIP}
    owners: dict[str, set[Package]] = {}
    for directory in pip_distributions(prefix, ()):
        package = by_name.get(distribution(os.path.basename(directory)).name)
        if package:
            with contextlib.suppress(ValueError):
                for file in of_pip(prefix, directory):
                    owners.setdefault(file.path, set()).add(package)
    return sorted({package for of_path in owners.values() for package in sorted(of_path)[1:]})


def note(prefix: str, packages: Iterable[Package]) -> dict[str, Clobbered]:
    """Write down which files of a fresh environment packages bring in different contents, and return them by path."""
    clobbered = {}
    for path, claims in _claims(prefix, packages):
        found = _found(os.path.join(prefix, path))
        if found and _differ(claims):
            # Whatever installed it: the one whose content is there has won.
            claims.sort(key=lambda claim: (claim.file.link, claim.file.sha256) == (found.link, found.sha256))
            clobbered[path] = found._replace(packages=tuple(claim.package for claim in claims))
    if clobbered:
        with open(os.path.join(prefix, NOTE), "w", encoding="utf-8") as stream:
            json.dump(clobbered, stream, indent=0, sort_keys=True)
    return clobbered


def noted(prefix: str) -> dict[str, Clobbered]:
    """Return what ``note`` wrote, by path.

    Raises
    ------
    ValueError
        The note is damaged.
    """
    try:
        with open(os.path.join(prefix, NOTE), encoding="utf-8") as stream:
            return {
                path: Clobbered(tuple(packages), sha256, link)
                for path, (packages, sha256, link) in json.load(stream).items()
            }
    except FileNotFoundError:
        return {}
    except (AttributeError, TypeError) as error:
        raise ValueError(str(error)) from error


def lines(clobbered: Mapping[str, Clobbered]) -> list[str]:
    """Return a line for each package that overwrites files of another: ``b 1 overwrites lib/x of a 1``."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for path in sorted(clobbered):
        *others, winner = clobbered[path].packages
        for other in others:
            pairs.setdefault((winner, other), []).append(path)
    found = []
    for (winner, other), paths in sorted(pairs.items()):
        more = " and %d more file%s" % (len(paths) - 1, "s" if len(paths) > 2 else "") if len(paths) > 1 else ""
        found.append("%s overwrites %s of %s%s" % (winner, paths[0], other, more))
    return found


def warning(name: str, clobbered: Mapping[str, Clobbered]) -> str:
    """Return the one warning about an environment's files that packages overwrite."""
    found = lines(clobbered)
    more = "; and %d more pairs of packages" % (len(found) - _MOST_PAIRS) if len(found) > _MOST_PAIRS else ""
    return (
        "Packages of the environment %s bring the same files with different contents: %s%s. The overwritten packages "
        "may not work. Leave out one package of each pair" % (name, "; ".join(found[:_MOST_PAIRS]), more)
    )


def _claims(prefix: str, packages: Iterable[Package]) -> Iterator[tuple[str, list[Claim]]]:
    """Yield the paths that several packages bring, with those, the winner last."""
    known = {name: record for name, record in records(prefix) if record}
    site = next((site_packages(record) for record in known.values() if record["name"] == "python"), "site-packages")
    claims: dict[str, list[Claim]] = {}
    of_conda_packages = [package for package in packages if package.manager != PIP]
    for package in in_order(of_conda_packages):
        record = known.get(package.stem + ".json")
        for file in of_conda(record, site) if record else ():
            claims.setdefault(file.path, []).append(Claim("%s %s" % (package.name, package.version), file, False))
    for directory in pip_distributions(prefix, list(claims)):
        pip = distribution(os.path.basename(directory))
        with contextlib.suppress(ValueError):
            for file in of_pip(prefix, directory):
                claims.setdefault(file.path, []).append(Claim("pip's %s %s" % (pip.name, pip.version), file, True))
    for path, found in claims.items():
        of_path = [claim for claim in found if not claim.file.compiled]
        if len(of_path) > 1:
            yield path, sorted(of_path, key=lambda claim: (claim.of_pip, claim.package if claim.of_pip else ""))


def _differ(claims: Sequence[Claim]) -> bool:
    """Whether packages bring different contents; starters of conda's packages, which have no hash, are alike."""
    contents = {(claim.file.link, claim.file.sha256) for claim in claims if claim.file.sha256}
    return len(contents) > 1 or (
        len({claim.of_pip for claim in claims}) > 1 and any(not claim.file.sha256 for claim in claims)
    )


def _found(path: str) -> Clobbered | None:
    """Return what is at ``path``; None where nothing is."""
    with contextlib.suppress(OSError):
        if os.path.islink(path):
            return Clobbered((), hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest(), True)
        return Clobbered((), sha256_of(path), False)
    return None
