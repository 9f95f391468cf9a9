# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's repositories: keys, signatures, driver branches, CUDA toolkits and the container toolkit as they are now."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import container_choice, cuda_choice, driver_choice
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import nvidia_repositories as repositories
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.driver_choice import FLAVOURS, Kind
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

from reality.claims import Result, SkippedError, differs, judged, proven
from reality.parts.data.keys import fingerprints
from reality.parts.data.question import Question, question
from reality.parts.data.repository import Contents, Place, contents, order, require_signed, upstream
from reality.reach import MIB
from reality.world import World

KEYS = "Keys of NVIDIA's and EPEL's repositories"
SIGNED = "Signatures of NVIDIA's repositories"
DRIVER = "Driver branches in NVIDIA's repositories"
NEWEST = "No newer driver, CUDA or container toolkit than the known ones"
CUDA = "CUDA toolkits and libraries in NVIDIA's repositories"
CONTAINER = "NVIDIA Container Toolkit in its repositories"
#: Where EPEL itself is; the roles leave its place to the operator.
_EPEL = "https://dl.fedoraproject.org/pub/epel"
_TOOLKIT = re.compile(r"cuda-toolkit-(\d+)-(\d+)")


def questions(_world: World) -> Iterator[Question]:
    """Yield the questions of each repository."""
    places = cuda_places()
    for place, family, release in places:
        yield from _of_keys(place)
        yield from _of_drivers(place, family, release)
        yield from _of_cuda(place, family)
    for minor in read_mapping(cuda_choice.DATA)["toolkits"]:
        text = f"NVIDIA has packages of CUDA {minor}, and they ask for no newer driver than the data says"
        yield question(CUDA, f"cuda/{minor}", text, partial(_toolkit, minor))
    for place in container_places():
        yield from _of_container(place)
    for platform in (Platform("Rocky", release, "x86_64") for release in read_mapping(repositories.DATA)["epel_keys"]):
        found = repositories.epel(platform, _EPEL)
        if found:
            place = Place.of(found, "x86_64", f"EPEL {platform.version}")
            text = f"The key of {place.name} is the known one"
            yield question(KEYS, f"keys/epel/{platform.version}", text, partial(_key, place))


@cache
def cuda_places() -> tuple[tuple[Place, str, tuple[str, str]], ...]:
    """Return each CUDA repository once, with the family of its packages and the first distribution that it serves."""
    data = read_mapping(repositories.DATA)
    found: dict[str, tuple[Place, str, tuple[str, str]]] = {}
    for distribution, entry in data["distributions"].items():
        for release in entry["releases"]:
            for machine in data["architectures"]:
                described = repositories.cuda_repository(Platform(distribution, release, machine))
                name = described["url"].removeprefix(data["base"]).strip("/")
                deb = {"x86_64": "amd64", "aarch64": "arm64"}[machine]
                place = Place.of(described, deb if described["kind"] == "apt" else machine, name)
                found.setdefault(name, (place, entry["family"], (distribution, release)))
    return tuple(found.values())


@cache
def container_places() -> tuple[Place, ...]:
    """Return each repository of the container toolkit once."""
    data, found = read_mapping(repositories.DATA), []
    for distribution in ("Debian", "Rocky"):
        release = next(iter(data["distributions"][distribution]["releases"]))
        for machine in data["architectures"]:
            platform = Platform(distribution, release, machine)
            described = container_choice.choose(platform, container_choice.Wish())["repository"]
            kind, architecture = described["url"].rstrip("/").split("/")[-2:]
            found.append(Place.of(described, architecture, f"{kind}/{architecture}"))
    return tuple(found)


def _of_keys(place: Place) -> Iterator[Question]:
    what = "is the known one" if place.key_sha256 else "is where the data says"
    yield question(KEYS, f"keys/{place.name}", f"The key of {place.name} {what}", partial(_key, place))
    text = f"The lists of {place.name} are signed by its key"
    yield question(SIGNED, f"signatures/{place.name}", text, partial(_signed, place))


def _key(place: Place, world: World) -> Result:
    content = world.reach.get(world.at(place.key_url), 4 * MIB).content
    found, known = hashlib.sha256(content).hexdigest(), world.sum_of(place.key_url, place.key_sha256)
    named = fingerprints(content, place.key_member)
    detail = f"SHA-256 {found}, fingerprint {', '.join(named)}"
    if not named:
        return differs(place.key_url, f"it holds no key; its SHA-256 is {found}")
    if known and found != known:
        return differs(place.key_url, f"{detail}; the known SHA-256 is {known}")
    return proven(place.key_url, detail if known else f"{detail}; no SHA-256 is known for it")


def _signed(place: Place, world: World) -> Result:
    require_signed(place, world)
    return proven(place.index)


def _of_drivers(place: Place, family: str, release: tuple[str, str]) -> Iterator[Question]:
    data = read_mapping(driver_choice.BRANCHES)
    first = data["first"].get(release[0], {}).get(release[1], "0")
    for branch, entry in data["branches"].items():
        key, version = f"{place.name}/{branch}", entry["version"]
        if int(branch) < int(first):
            absent = partial(_absent, place, family, branch)
            yield question(DRIVER, f"driver/{key}", f"{place.name} has no driver of branch {branch}", absent)
            continue
        text = f"{place.name} has the driver {version} by the names that the roles ask for"
        yield question(DRIVER, f"driver/{key}", text, partial(_driver, place, family, branch, version))
        text = f"{place.name} has no newer driver of branch {branch} than {version}"
        yield question(NEWEST, f"driver/{key}/newest", text, partial(_newest, place, family, branch, version))
    text = f"{place.name} has no branch of the driver that is not known"
    yield question(NEWEST, f"driver/{place.name}/branches", text, partial(_branches, place, family))


def _kind(family: str, branch: str) -> Kind:
    return Kind(read_mapping(driver_choice.PACKAGES)["nvidia"][family], branch)


def _names(family: str, branch: str) -> dict[str, list[str]]:
    """Return the packages of each set of a branch that the roles may ask for at the driver's own version."""
    kind, last = _kind(family, branch), read_mapping(driver_choice.BRANCHES)["proprietary"]["max_branch"]
    found = {
        f"{set_}, {flavour}": kind.packages(set_, flavour)
        for set_ in ("compute", "graphics")
        for flavour in FLAVOURS
        if flavour == "open" or int(branch) <= last
    }
    return {**found, "persistence": kind.persistence(), "NVSwitch": [*kind.fabric(), *kind.nvlink5()[0], *kind.imex()]}


def _versions(has: Contents, family: str, branch: str) -> set[str]:
    """Return the versions of a branch that a repository has of the module that is built on the node."""
    names = {_kind(family, branch).dkms(flavour) for flavour in FLAVOURS}
    return {one for name in names for one in has.upstream(name) if one.startswith(f"{branch}.")}


def _driver(place: Place, family: str, branch: str, version: str, world: World) -> Result:
    has = contents(place, world)
    if not _versions(has, family, branch):
        return world.differs(place.url, f"it has no driver of branch {branch}")
    missing = {
        set_: absent
        for set_, names in _names(family, branch).items()
        if (absent := [name for name in names if version not in has.upstream(name)])
    }
    if missing:
        text = "; ".join(f"{set_}: {', '.join(names)}" for set_, names in missing.items())
        return world.differs(place.url, f"it lacks at {version}: {text}")
    return proven(place.url)


def _absent(place: Place, family: str, branch: str, world: World) -> Result:
    found = sorted(_versions(contents(place, world), family, branch), key=order)
    return differs(place.url, f"it has {', '.join(found)}") if found else proven(place.url)


def _newest(place: Place, family: str, branch: str, version: str, world: World) -> Result:
    found = _versions(contents(place, world), family, branch)
    if not found:
        raise SkippedError(f"{place.name} has no driver of branch {branch}")
    newer = sorted((one for one in found if order(one) > order(version)), key=order)
    return world.differs(place.url, f"it has {', '.join(newer)}") if newer else proven(place.url)


def _branches(place: Place, family: str, world: World) -> Result:
    data, has = read_mapping(driver_choice.BRANCHES), contents(place, world)
    newest = max(data["branches"], key=int)
    names = {_kind(family, newest).dkms("open"), *(name for name in has.versions if name.startswith("nvidia-open"))}
    majors = {upstream(one).partition(".")[0] for name in names for one in has.versions.get(name, ())}
    known = {*data["branches"], *data["ended"]}
    unknown = sorted((one for one in majors - known if one.isdecimal()), key=int)
    newer = [one for one in unknown if int(one) > min(map(int, data["branches"]))]
    return world.differs(place.url, f"it has {', '.join(newer)}") if newer else proven(place.url)


def _of_cuda(place: Place, family: str) -> Iterator[Question]:
    text = f"All CUDA toolkits of {place.name} are known"
    yield question(NEWEST, f"cuda/{place.name}/known", text, partial(_known, place))
    text = f"{place.name} has cuDNN 9 and NCCL by the names that the roles ask for"
    yield question(CUDA, f"cuda/{place.name}/libraries", text, partial(_libraries, place, family))


def _toolkits(has: Contents) -> dict[str, set[str]]:
    """Return the releases of each toolkit that a repository has."""
    found = {}
    for name in has.versions:
        match = _TOOLKIT.fullmatch(name)
        if match:
            found[f"{match[1]}.{match[2]}"] = has.upstream(name)
    return found


def _known(place: Place, world: World) -> Result:
    known: Mapping[str, Mapping[str, str]] = read_mapping(cuda_choice.DATA)["toolkits"]
    oldest = min(map(order, known))
    unknown = [
        release
        for minor, releases in _toolkits(contents(place, world)).items()
        if order(minor) >= oldest
        for release in releases - set(known.get(minor, {}))
    ]
    if unknown:
        return world.differs(place.url, f"it has {', '.join(sorted(unknown, key=order))}")
    return proven(place.url)


def _libraries(place: Place, family: str, world: World) -> Result:
    has, names = contents(place, world), read_mapping(cuda_choice.DATA)["packages"][family]
    majors = {minor.partition(".")[0] for minor in _toolkits(has)} & {"12", "13"}
    if not majors:
        return world.differs(place.url, "it has no toolkit of CUDA 12 or 13")
    wanted = [name.format(cudnn="9", cuda=major) for major in sorted(majors) for name in names["cudnn"]] + names["nccl"]
    missing = [name for name in wanted if name not in has.versions]
    return world.differs(place.url, f"it lacks {', '.join(missing)}") if missing else proven(place.url)


def _toolkit(minor: str, world: World) -> Result:
    """Ask all repositories for a toolkit: none promises to have each."""
    known: Mapping[str, str] = read_mapping(cuda_choice.DATA)["toolkits"][minor]
    dashed, where, drivers = minor.replace(".", "-"), [], {}
    for place, _family, _release in cuda_places():
        try:
            has = contents(place, world)
        except SkippedError:
            continue
        releases = _toolkits(has).get(minor)
        if not releases:
            continue
        where.append(place.name)
        for (name, release), driver in has.drivers.items():
            if name in (f"cuda-{dashed}", f"cuda-runtime-{dashed}") and release in known:
                drivers[release] = driver
    base = read_mapping(repositories.DATA)["base"]
    if not where:
        return world.differs(base, f"no repository has a package cuda-toolkit-{dashed}")
    problems = [
        f"CUDA {release} asks for the driver {driver}, and the data says {known[release]}"
        for release, driver in drivers.items()
        if order(driver) > order(known[release])
    ]
    return judged(base, problems, f"in {', '.join(where)}")


def _of_container(place: Place) -> Iterator[Question]:
    data, name = read_mapping(container_choice.DATA), f"the container toolkit's repository {place.name}"
    key = f"container/{place.name}"
    yield question(KEYS, f"keys/{key}", f"The key of {name} is where the data says", partial(_key, place))
    yield question(SIGNED, f"signatures/{key}", f"The lists of {name} are signed by its key", partial(_signed, place))
    for what in ("version", "oldest"):
        text = f"{name[0].upper()}{name[1:]} has {data[what]} of all packages"
        yield question(CONTAINER, f"{key}/{what}", text, partial(_container, place, data[what]))
    text = f"{name[0].upper()}{name[1:]} has nothing newer than {data['version']}"
    yield question(NEWEST, f"{key}/newest", text, partial(_container_newest, place))


def _container(place: Place, version: str, world: World) -> Result:
    data: dict[str, Any] = read_mapping(container_choice.DATA)
    has = contents(place, world)
    missing = [name for name in data["packages"] if version not in has.upstream(name)]
    return world.differs(place.url, f"it lacks {', '.join(missing)}") if missing else proven(place.url)


def _container_newest(place: Place, world: World) -> Result:
    data: dict[str, Any] = read_mapping(container_choice.DATA)
    found = contents(place, world).upstream(data["packages"][0])
    newer = [one for one in found if "~" not in one and order(one) > order(data["version"])]
    return world.differs(place.url, f"it has {', '.join(sorted(newer, key=order))}") if newer else proven(place.url)
