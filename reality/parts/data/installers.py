# SPDX-License-Identifier: GPL-3.0-or-later
"""Installers of conda distributions: they are where the data says, and are what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.distribution import order
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import DISTRIBUTIONS, Installer

from maintenance import refresh_installers
from reality.claims import Result, SkippedError, differs, judged, proven
from reality.parts.data.question import Question, question
from reality.reach import MIB
from reality.world import DISTRIBUTION_SITES, World

THERE = "Installers at their sites"
LISTED = "Checksums of installers as their sites publish them"
WHOLE = "Installers downloaded and hashed"
NEWEST = "No newer installer than the known ones"
#: No real installer is smaller; the lab's are.
_LEAST_BYTES = 20 * MIB
#: How a script begins, as no sign-in page does.
_START = b"#!"
_VERSION = re.compile(r"\d+(?:\.\d+)*(?:-\d+)?", re.ASCII)
_LATEST_MINIFORGE = "https://github.com/conda-forge/miniforge/releases/latest"


def questions(world: World) -> Iterator[Question]:
    """Yield the questions of each installer, and of what is newer."""
    known = world.installers()
    sample = newest(known)
    for one in known:
        key = f"installers/{one.file}"
        yield question(THERE, f"{key}/there", f"{one.file} is at its site", partial(_there, one))
        yield question(
            LISTED, f"{key}/listed", f"The published checksum of {one.file} is the known one", partial(_listed, one)
        )
        whole = partial(_whole, one, one in sample)
        yield question(WHOLE, f"{key}/whole", f"The content of {one.file} has the known checksum", whole)
    for name in DISTRIBUTIONS:
        yield question(
            NEWEST,
            f"installers/{name}/newest",
            f"No installer of {name} is newer than the known ones",
            partial(_newest, name),
        )


def url_of(installer: Installer) -> str:
    """Return where an installer's own site has it."""
    return f"{DISTRIBUTION_SITES[_distribution(installer)]}/{installer.path}"


def newest(known: Sequence[Installer]) -> list[Installer]:
    """Return the sample: of each distribution the newest for x86_64."""
    found = []
    for name in DISTRIBUTIONS:
        own = [one for one in known if _distribution(one) == name and one.architecture == "x86_64"]
        found += [max(own, key=lambda one: one.age)] if own else []
    return found


def _distribution(installer: Installer) -> str:
    return next(name for name, start in DISTRIBUTIONS.items() if installer.file.startswith(f"{start}-"))


def _there(one: Installer, world: World) -> Result:
    return look(url_of(one), world)


def look(url: str, world: World) -> Result:
    """Return whether an installer is at a URL, by its beginning and its size."""
    answer = world.reach.get(world.at(url), first=len(_START))
    size = answer.size
    if answer.content != _START:
        return differs(url, f"it begins with {answer.content.decode('latin-1')!r}, which is no installer")
    if size is None:
        return proven(url, "it announces no size")
    if size < _LEAST_BYTES and not world.is_lab:
        return differs(url, f"it has {size} bytes, which is no installer")
    return proven(url, f"{size} bytes")


def _listed(one: Installer, world: World) -> Result:
    if _distribution(one) == "miniforge" and not world.is_lab:
        index = f"{url_of(one)}.sha256"
        text = world.reach.text(world.at(index), most=MIB)
    else:
        index = _index(_distribution(one), world)
        text = world.once(index, lambda: world.reach.text(world.at(index)))
    published = {found.file: found.sha256 for found in refresh_installers.listed(text)}
    if one.file not in published:
        return differs(index, f"it does not list {one.file}")
    return judged(index, [f"it says {published[one.file]}"] if published[one.file] != one.sha256 else [])


def _index(name: str, world: World) -> str:
    return f"{DISTRIBUTION_SITES[name]}/{'SHA256SUMS' if world.is_lab else ''}"


def _whole(one: Installer, sampled: bool, world: World) -> Result:
    if not (sampled or world.everything):
        raise SkippedError("it is not in the sample; --all downloads all")
    size, digest = world.reach.sum(world.at(url_of(one)))
    return judged(url_of(one), [f"its SHA-256 is {digest}"] if digest != one.sha256 else [], f"{size} bytes")


def _newest(name: str, world: World) -> Result:
    known = {one.version for one in world.installers() if _distribution(one) == name}
    if name == "miniforge":
        url = world.reach.head(world.at(_LATEST_MINIFORGE)).url
        there = set(filter(_VERSION.fullmatch, [url.rpartition("/")[2]]))
    else:
        url = _index(name, world)
        text = world.once(url, lambda: world.reach.text(world.at(url)))
        there = {one.version for one in refresh_installers.listed(text)}
    last = max(known, key=order)
    newer = sorted((version for version in there if order(version) > order(last)), key=order)
    if newer:
        return world.differs(url, f"{', '.join(newer)}; the newest known is {last}: make installers INDEX={url}")
    if last not in there:
        return differs(url, f"it does not have {last}, which is known")
    return proven(url, f"the newest is {last}")
