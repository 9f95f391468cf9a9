# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab can learn of sites: terms of service, the shapes of indexes, and the signed lists of repositories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import terms
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import apt_lists, rpm_lists
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.json_values import json_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import ALIAS, ANACONDA

from lab.upstream.recorded_channels import FORMS
from reality.parts.data import mirrors
from reality.parts.data.nvidia import container_places, cuda_places
from reality.parts.data.repository import Place, index
from reality.reach import MIB, RefusedError
from reality.record import Record, Sight
from reality.world import World

_CHANNELS = {"main": f"{ANACONDA}/pkgs/main", "r": f"{ANACONDA}/pkgs/r", "conda-forge": f"{ALIAS}/conda-forge"}
#: Headers by which clients decide; the others are of the moment.
_HEADERS = ("content-type", "content-encoding", "accept-ranges", "cache-control")
_REMEDY = "Check what stands before the site, such as a sign-in page"
#: Fields of a signed list that stay the same from day to day.
_FIELDS = (
    *("Origin", "Label", "Suite", "Codename", "Version", "Architectures", "Components", "Description"),
    *("Acquire-By-Hash", "No-Support-for-Architecture-all"),
)


def sights() -> Iterator[Sight]:
    """Yield what there is to look at."""
    for name, url in _CHANNELS.items():
        yield _sight(f"terms/{name}", url, partial(_terms, url))
        yield _sight(f"index/{name}", url, partial(_shape, url))
    repositories = {place.name: place for place, _family, _release_of in cuda_places()}
    repositories |= {f"container/{place.name}": place for place in container_places()}
    for name, place in repositories.items():
        yield _sight(f"release/{name.replace('/', '-')}", place.index, partial(_release, place))


def _sight(name: str, source: str, see: Callable[[World], Any]) -> Sight:
    return Sight(name, lambda world: Record(f"data/{name}", source, world.today.isoformat(), see(world)))


def _terms(channel: str, world: World) -> dict[str, Any] | None:
    """Return the terms of a channel without their text, which is not ours to keep; None where it has none."""
    try:
        found = json_of(world.reach.get(world.at(f"{channel}/{terms.ENDPOINT}"), MIB).content)
        return {"version": str(found["version"]), "support": str(found["support"]), "keys": sorted(map(str, found))}
    except RefusedError as error:
        if error.status not in mirrors.ABSENT:
            raise
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise EvenkeelError(f"{channel} answered with something else than terms of service", _REMEDY) from error


def _shape(channel: str, world: World) -> dict[str, Any]:
    """Return in which forms a channel has its index, and with which headers."""
    why = mirrors.problem(channel, "linux-64", world)
    if why:
        raise EvenkeelError(f"{channel} has no index to learn from: {why}", _REMEDY)
    found: dict[str, Any] = {}
    for form in FORMS:
        try:
            answer = world.reach.head(world.at(f"{channel}/linux-64/{form}"))
        except RefusedError as error:
            found[form] = {"status": error.status}
            continue
        found[form] = {"status": 200, **{name: answer.headers[name] for name in _HEADERS if name in answer.headers}}
    return found


def _release(place: Place, world: World) -> dict[str, Any]:
    """Return what a signed list says of its repository, and which lists there are in which form."""
    content = index(place, world)
    if place.kind == "rpm":
        lists = rpm_lists.parse_repomd(content, place.index)
        return {"lists": [[one.kind, one.path.rpartition("-")[2]] for one in lists]}
    found = apt_lists.parse_release(content.decode("utf-8", "replace"), place.index)
    return {
        "fields": {name: found.fields[name] for name in _FIELDS if name in found.fields},
        "lists": sorted(found.entries),
        "hashes": sorted({kind for entry in found.entries.values() for kind in entry.hashes}),
    }
