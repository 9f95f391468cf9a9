# SPDX-License-Identifier: GPL-3.0-or-later
"""The known mirrors: what each carries, how fresh it is, whose terms it shows, and what nobody has verified yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import terms
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.mirror_health import START_BYTES, judge
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import ALIAS, ANACONDA
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import LATEST, choose
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.mirrors import Carried, Mirror, presets

from reality.claims import Result, SkippedError, differs, judged, proven
from reality.parts.data.question import Question, question
from reality.reach import MIB, Answer, RefusedError
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
#: How servers answer that there are no terms of service.
_NO_TERMS = (403, 404, 410)


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


def _start(url: str, world: World) -> Answer:
    """Return the beginning of an index."""
    return world.once(url, lambda: world.reach.get(world.at(url), first=START_BYTES))


def _carries(one: Carried, platforms: list[str], world: World) -> Result:
    (base,) = one.urls
    problems = []
    for platform in (*platforms, "noarch"):
        url = f"{base}/{platform}/repodata.json"
        try:
            problem = judge(_start(url, world).content, None).problem
        except RefusedError as error:
            if world.is_lab:
                raise
            problem = f"answered {error.status}"
        problems += [f"{platform} {problem}"] if problem else []
    return judged(base, problems)


def _fresh(carried: list[Carried], world: World) -> Result:
    dates, asked = [], 0
    for one in carried:
        for url in one.urls:
            try:
                found = _start(f"{url}/linux-64/repodata.json", world).modified
            except (RefusedError, SkippedError):
                continue
            asked += 1
            dates += [found] if found else []
    if not dates:
        raise SkippedError("none of its indexes says when it was made" if asked else "none of its indexes is there")
    newest, on = max(dates), carried[0].cloud
    if datetime.now(UTC) - newest > timedelta(days=_MOST_DAYS):
        return differs(on, f"its newest index is of {newest.date()}")
    return proven(on, f"of {newest.date()}")


def _lacks(mirror: Mirror, world: World) -> Result:
    clouds = {one.cloud for one in (mirror.channels or {}).values()}
    for cloud in sorted(clouds):
        url = f"{cloud}/{_LACKED}/linux-64/repodata.json"
        try:
            answer = _start(url, world)
        except RefusedError:
            continue
        if not judge(answer.content, None).problem:
            return differs(url, "it does")
    return proven(mirror.url)


def _installer(kind: str, base: str, world: World) -> Result:
    known = world.installers()
    one = choose(kind, LATEST, "x86_64", known)
    url = f"{base}/{one.path}"
    try:
        answer = world.reach.head(world.at(url))
    except RefusedError as error:
        return world.differs(base, f"it has no {one.file}, it answered {error.status}")
    return proven(base, f"{one.file}, {answer.size} bytes")


def _terms(channel: str, has: bool, world: World) -> Result:
    try:
        content = world.reach.get(world.at(f"{channel}/{terms.ENDPOINT}"), MIB).content
        found = json.loads(content)
        version = str(found["version"]) if found["text"] and found["support"] else ""
    except RefusedError as error:
        if world.is_lab:
            raise
        version = ""
        if error.status not in _NO_TERMS:
            return differs(channel, str(error))
    except (ValueError, TypeError, KeyError):
        version = ""
    if bool(version) == has:
        return proven(channel, f"of {version}" if version else "")
    return world.differs(channel, f"it serves terms of service of {version}" if version else "it serves none")


def _pip(index: str, world: World) -> Result:
    url = f"{index.rstrip('/')}/pip/"
    page = world.reach.text(world.at(url)).lower()
    return judged(url, [] if "pip-" in page and ".whl" in page else ["it answered with no page of an index"])
