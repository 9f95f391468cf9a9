# SPDX-License-Identifier: GPL-3.0-or-later
"""The known mirrors: what each carries, how fresh it is, whose terms it shows, and what nobody has verified yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import terms
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.mirror_health import START_BYTES, judge
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.mirror_health import Answer as Index
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.json_values import json_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import ALIAS, ANACONDA
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import LATEST, choose
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.mirrors import Carried, Mirror, presets

from reality.claims import Result, SkippedError, differs, judged, proven
from reality.parts.data import installers
from reality.parts.data.question import Question, question
from reality.reach import MIB, RefusedError
from reality.world import World

CHANNELS = "Channels of the known mirrors"
UNVERIFIED = "Channels of mirrors that are known by hearsay alone"
FRESH = "Freshness of the known mirrors"
INSTALLERS = "Installers at the known mirrors"
TERMS = "Terms of service at the known mirrors"
INDEX = "Package indexes of the known mirrors"
NOT_CARRIED = "Channels that the known mirrors lack"
#: Of presets that have every channel, those that are asked for.
_OF_ALL = ("conda-forge", "nvidia", "bioconda")
#: What hardly any mirror carries, as its licence forbids it.
_LACKED = "nvidia"
#: As old may the newest index of a healthy mirror be, as for the role mirror.
_MOST_DAYS = 30
_PLATFORMS = ("linux-64", "linux-aarch64")
_HEARSAY = "Unverified"
#: How servers say that they have no such file; others keep it, or don't say.
ABSENT = (404, 410)
#: How an index begins, as no other JSON does, such as that of an error.
_BEGINNING = re.compile(rb'\s*\{\s*"(?:info|packages|packages\.conda|removed|repodata_version|signatures)"')


def questions(_world: World) -> Iterator[Question]:
    """Yield the questions of each mirror."""
    for mirror in presets().values():
        carried = _channels(mirror)
        for name, one in carried.items():
            platforms = [platform for platform in _PLATFORMS if not one.lacking([platform])]
            hearsay = _HEARSAY in mirror.notes
            text = f"The mirror {mirror.name} carries {name} for {' and '.join(platforms)}"
            key = f"mirrors/{mirror.name}/channel/{name}"
            yield question(UNVERIFIED if hearsay else CHANNELS, key, text, partial(_carries, one, platforms))
        key, text = f"mirrors/{mirror.name}/fresh", f"The newest index of the mirror {mirror.name} is recent"
        yield question(FRESH, key, text, partial(_fresh, list(carried.values())))
        if mirror.channels is not None and _LACKED not in mirror.channels:
            key, text = f"mirrors/{mirror.name}/lacks/{_LACKED}", f"The mirror {mirror.name} does not carry {_LACKED}"
            yield question(NOT_CARRIED, key, text, partial(_lacks, mirror))
        for kind, base in mirror.installers.items():
            key, text = f"mirrors/{mirror.name}/{kind}", f"The mirror {mirror.name} has the newest known {kind}"
            yield question(INSTALLERS, key, text, partial(_installer, kind, base))
        for name in mirror.pkgs or ():
            own = f"{mirror.url}/pkgs/{name}"
            has = own.startswith(f"{ANACONDA}/") and name in ("main", "r")
            text = f"{own} {'asks for its terms of service to be accepted' if has else 'serves no terms of service'}"
            if name in ("main", "r"):
                yield question(TERMS, f"mirrors/{mirror.name}/terms/{name}", text, partial(_terms, own, has))
        if mirror.pip_index:
            key, text = f"mirrors/{mirror.name}/pip", f"The mirror {mirror.name} has an index for pip"
            yield question(INDEX, key, text, partial(_pip, mirror.pip_index))


def _channels(mirror: Mirror) -> dict[str, Carried]:
    """Return the channels of a mirror, each of Anaconda's own apart."""
    own = {
        f"pkgs/{name}": Carried(mirror.url, (f"pkgs/{name}",), frozenset(_PLATFORMS[:1])) for name in mirror.pkgs or ()
    }
    others = mirror.channels
    if others is None:
        others = {name: Carried(ALIAS, (name,), frozenset(_PLATFORMS[:1])) for name in _OF_ALL}
    return {**own, **others}


def _index(url: str, world: World) -> Index:
    """Return what the beginning of an index says of it."""
    start = world.once(url, lambda: world.reach.get(world.at(url), first=START_BYTES))
    found = judge(start.content, start.headers.get("last-modified"))
    if not (found.problem or _BEGINNING.match(start.content)):
        return Index("answered with JSON that is no index")
    return found


def problem(channel: str, platform: str, world: World) -> str:
    """Return why there is no index of a channel for a platform; empty where there is one."""
    try:
        return _index(f"{channel}/{platform}/repodata.json", world).problem
    except RefusedError as error:
        if world.is_lab:
            raise
        return f"answered {error.status}"


def _carries(one: Carried, platforms: list[str], world: World) -> Result:
    (base,) = one.urls
    problems = {platform: problem(base, platform, world) for platform in (*platforms, "noarch")}
    return judged(base, [f"{platform} {why}" for platform, why in problems.items() if why])


def _fresh(carried: list[Carried], world: World) -> Result:
    dates, asked = [], 0
    for one in carried:
        for url in one.urls:
            try:
                found = _index(f"{url}/linux-64/repodata.json", world)
            except (RefusedError, SkippedError):
                continue
            asked += not found.problem
            dates += [found.modified] if found.modified else []
    if not dates:
        raise SkippedError("none of its indexes says when it was made" if asked else "none of its indexes is there")
    newest, on = max(dates), carried[0].cloud
    if datetime.now(UTC) - newest > timedelta(days=_MOST_DAYS):
        return differs(on, f"its newest index is of {newest.date()}")
    return proven(on, f"of {newest.date()}")


def _lacks(mirror: Mirror, world: World) -> Result:
    carried = (mirror.channels or {}).values()
    for cloud in sorted({one.cloud for one in carried}):
        url = f"{cloud}/{_LACKED}/linux-64/repodata.json"
        try:
            return differs(url, _index(url, world).problem or "it does")
        except RefusedError as error:
            if error.status not in ABSENT:
                raise
    return _absent(mirror.url, [url for one in carried for url in one.urls], world)


def _absent(on: str, channels: list[str], world: World) -> Result:
    """Return whether the word of a mirror that it has no such file counts: it serves an index of a channel."""
    if all(problem(channel, "linux-64", world) for channel in channels):
        return differs(on, "it has no index of a channel either, so what it lacks says nothing")
    return proven(on)


def _installer(kind: str, base: str, world: World) -> Result:
    one = choose(kind, LATEST, "x86_64", world.installers())
    try:
        found = installers.look(f"{base}/{one.path}", world)
    except RefusedError as error:
        return world.differs(base, f"it has no {one.file}, it answered {error.status}")
    return replace(found, on=base, detail=f"{one.file}: {found.detail}")


def _terms(channel: str, has: bool, world: World) -> Result:
    try:
        found = json_of(world.reach.get(world.at(f"{channel}/{terms.ENDPOINT}"), MIB).content)
        version = str(found["version"]) if found["text"] and found["support"] else ""
    except RefusedError as error:
        if world.is_lab or error.status not in ABSENT:
            raise
        return differs(channel, "it serves none") if has else _absent(channel, [channel], world)
    except (ValueError, TypeError, KeyError):
        version = ""
    if not version:
        return differs(channel, "it answered with something else than terms of service")
    return proven(channel, f"of {version}") if has else differs(channel, f"it serves terms of service of {version}")


def _pip(index: str, world: World) -> Result:
    url = f"{index.rstrip('/')}/pip/"
    page = world.reach.text(world.at(url)).lower()
    return judged(url, [] if "pip-" in page and ".whl" in page else ["it answered with no page of an index"])
