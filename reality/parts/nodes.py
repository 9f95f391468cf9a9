# SPDX-License-Identifier: GPL-3.0-or-later
"""Part nodes: the scenarios of roles on official images with systemd, those of virtual machines on cloud images.

Sites stay the lab's; what is real are the distributions: their package manager, systemd, sshd, Python and shells, and
the kernels of virtual machines. ``EVENKEEL_OFFICIAL`` names other images than the official ones, such as
``rocky9=registry.example/rocky:9`` and ``debian12vm=/path/of/an/image``; what holds for them are claims of their own.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import nvidia_repositories as repositories

from lab import host
from lab.errors import LabError
from lab.images import cloud_tree, image, machine_image, official
from lab.nodes import nodes
from reality import molecule
from reality.claims import OWN, Claim, Result, SkippedError, differs
from reality.impersonal import last_name
from reality.reach import TroubleError
from reality.world import ROOT, World

TITLE = "Roles on official images"
NETWORK = True
AT_ONCE = 1
SECONDS = 12 * 3600.0
PART = "nodes"

IMAGES = "Scenarios of roles on official images"
MACHINES = "Scenarios of virtual machines under KVM"
#: What gives Molecule the releases of a scenario's nodes; the lab reads the second one.
_VARIABLES = ("EVENKEEL_RELEASES", "EVENKEEL_LAB_RELEASES")
_KVM = Path("/dev/kvm")
_RELEASES = re.compile(r"^ +EVENKEEL_LAB_RELEASES: (?:(\$\{EVENKEEL_RELEASES:-))?([^}\n]+)", re.MULTILINE)
_MACHINE = re.compile(r"vm$|uefi$")
_DEBIAN, _RED_HAT = ("debian",), ("rocky", "almalinux")
#: Scenarios that prepare nodes of some distributions alone: others' packages are not in the lab's archives.
_PREPARED = {
    **dict.fromkeys(("front_door", "nvidia_driver_dkms", "package_mirror", "pull_agent", "remove"), _DEBIAN),
    **dict.fromkeys(("cuda_toolkit", "nvidia_container_toolkit", "site"), (*_DEBIAN, *_RED_HAT)),
}
#: Of release 8 of Red Hat's family, only the GPU roles are for it.
_FOR_RELEASE_8 = ("cuda_toolkit", "nvidia_container_toolkit", "nvidia_driver")
#: Their systemd boots on control groups of version 2 alone.
_UNIFIED = ("ubuntu2604", "rocky10", "almalinux10")
#: What apt and dnf say where the network is to blame.
_UNREACHED = re.compile(
    r"Temporary failure|Could not (?:resolve|connect)|Cannot download|[Tt]imed out|Failed to (?:fetch|download)"
)
_LONGEST = 600


@dataclass(frozen=True)
class Scenario:
    """A scenario of Molecule.

    Parameters
    ----------
    releases
        Those of its nodes.
    is_open
        Whether they may be others.
    """

    name: str
    releases: tuple[str, ...]
    is_open: bool

    @property
    def of_machines(self) -> bool:
        """Whether its nodes are virtual machines."""
        return any(map(_MACHINE.search, self.releases))

    def is_for(self, release: str) -> bool:
        """Return whether all nodes may be of a release."""
        if release in ("rocky8", "almalinux8") and self.name not in _FOR_RELEASE_8:
            return False
        machine = _MACHINE.search(release)
        if machine and not all(own.endswith(machine[0]) for own in self.releases):
            return False
        return release.startswith(_PREPARED.get(self.name, ""))

    def nodes(self, release: str) -> str:
        """Return its nodes where all are of one release, as the lab reads them.

        A scenario that names none is of several nodes side by side, and not of one release each.
        """
        count = max(Counter(self.releases).values()) if self.releases else len(nodes.RELEASES)
        return " ".join([release] * count)


@dataclass(frozen=True)
class _Source:
    """What nodes are made of: an image, or where that is empty, the lab's own.

    Parameters
    ----------
    called
        How it is called; of what somebody names, the last name alone, as the rest may name a host or a person.
    is_own
        Whether somebody names another image than the official one.
    """

    image: str
    called: str
    is_own: bool = False


@dataclass(frozen=True)
class _Fetched:
    """An image that is here: how the lab names it, the day it was made, and its checksum."""

    name: str
    made: str
    digest: str


def scenarios(folder: Path = ROOT / "molecule") -> Iterator[Scenario]:
    """Yield the scenarios that there are."""
    for path in sorted(folder.glob("*/molecule.yml")):
        found = _RELEASES.search(path.read_text(encoding="utf-8"))
        if (path.parent / "converge.yml").exists():
            releases = tuple(found[2].split()) if found else ()
            yield Scenario(path.parent.name, releases, found is None or bool(found[1]))


def releases() -> list[str]:
    """Return the lab's names of the releases that have an official image."""
    known = read_mapping(repositories.DATA)["distributions"].items()
    found = [official.of(distribution, release).lab for distribution, one in known for release in one["releases"]]
    return [name for name in found if name]


def claims(world: World) -> Iterable[Claim]:
    """Return each scenario on each release that it may have.

    Raises
    ------
    EvenkeelError
        The environment names an image of a release that is not known.
    """
    try:
        official.chosen(world.environment)
    except LabError as error:
        raise EvenkeelError(error.what, error.remedy) from error
    known = {release: _source(release, world) for release in (*machine_image.RELEASES, *releases())}
    return [claim for one in scenarios() for claim in _of_scenario(one, known)]


def _of_scenario(one: Scenario, known: Mapping[str, _Source]) -> Iterator[Claim]:
    alike = [release for release in known if (release in machine_image.RELEASES) == one.of_machines]
    for release in filter(one.is_for, alike) if one.is_open else dict.fromkeys(one.releases):
        source = known[release]
        of_own = f"{OWN}/{source.called}/" if source.is_own else ""
        text = f"The scenario {one.name} passes on {source.called.rpartition('://')[2]}"
        why = f", which {official.VARIABLE} names" if source.is_own else ""
        subject = MACHINES if one.of_machines else IMAGES
        yield Claim(f"{PART}/{of_own}{one.name}/{release}", PART, text + why, subject)


def _source(release: str, world: World) -> _Source:
    """Return what a release's nodes are made of."""
    known = official.name_of(release)
    image = official.chosen(world.environment).get(release) or ("" if world.is_lab else known)
    if not image:
        return _Source("", f"the lab's {release}")
    return _Source(image, image if image == known else last_name(image), is_own=image != known)


def check(claim: Claim, world: World) -> Result:
    """Ask one of them.

    Raises
    ------
    SkippedError
        This machine can't.
    TroubleError
        An image can't be fetched.
    """
    *_own, name, release = claim.id.split("/")
    scenario = next(one for one in scenarios() if one.name == name)
    if os.geteuid() != 0:
        raise SkippedError("the lab's nodes take root: run it as root")
    podman = world.tool("podman", "install podman")
    if scenario.of_machines and not _KVM.exists():
        raise SkippedError(f"this machine has no {_KVM}: run it where KVM is")
    if not world.is_lab:
        _require_lab(world)
    env = dict.fromkeys(_VARIABLES, scenario.nodes(release)) if scenario.is_open else {}
    source = _source(release, world)
    if source.image:
        fetch = partial(_fetched_disk, release) if scenario.of_machines else partial(_fetched, podman)
        return _on_image(scenario, release, source, fetch, env, world)
    if not scenario.of_machines:
        try:
            image.name_of(release)
        except LabError as error:
            raise SkippedError(str(error)) from None
    return _tested(scenario, env, source.called, world)


def _require_lab(world: World) -> None:
    lab = world.once("the lab", lambda: world.run(["make", "lab"], log=world.folder / "lab.log"))
    if lab.returncode:
        raise SkippedError(f"the lab can't be built: {lab.stdout[-500:]}")


def _on_image(
    scenario: Scenario,
    release: str,
    source: _Source,
    fetch: Callable[[_Source, World], _Fetched],
    env: dict[str, str],
    world: World,
) -> Result:
    if release in _UNIFIED and not host.unified_cgroups():
        raise SkippedError(f"systemd of {release} needs control groups of version 2: boot this machine with them")
    on = source.called
    found = world.once(source.image, lambda: fetch(source, world))
    env[official.VARIABLE] = f"{release}={found.name}"
    argv = [sys.executable, "-m", "lab", "image", release]
    made = world.once(f"node of {source.image}", lambda: world.run(argv, env=env))
    if made.returncode and _UNREACHED.search(made.stdout):
        raise TroubleError(f"the repositories of {on} can't be reached: {made.stdout[-_LONGEST:].strip()}")
    if made.returncode:
        return differs(on, f"it can't be made a node: {made.stdout[-_LONGEST:].strip()}")
    result = _tested(scenario, env, on, world)
    return replace(result, detail=result.detail or f"the image of {found.made}, {found.digest}")


def _fetched(podman: str, source: _Source, world: World) -> _Fetched:
    """Have podman fetch an image: the newest, or the one that is here where no site has it."""
    pulled = world.run([podman, "pull", "--quiet", source.image])
    shown = world.run([podman, "image", "inspect", source.image], apart=True)
    if shown.returncode:
        raise TroubleError(f"{source.called} can't be fetched: {pulled.stdout[-300:].strip()}")
    found = json.loads(shown.stdout)[0]
    return _Fetched(found["Id"], found["Created"][:10], found["Digest"])


def _fetched_disk(release: str, source: _Source, world: World) -> _Fetched:
    """Have the lab fetch a cloud image in the same way."""
    if world.run(["losetup", "--find"]).returncode:
        raise SkippedError(f"no loop device is free, by which a cloud image is read: {cloud_tree.LOOP_REMEDY}")
    said = world.run([sys.executable, "-m", "lab", "fetch", release], apart=True)
    if said.returncode:
        raise TroubleError(f"{source.called} can't be fetched: {said.stderr[-_LONGEST:].strip()}")
    found = json.loads(said.stdout.splitlines()[-1])
    return _Fetched(found["path"], found["made"], found["digest"])


def _tested(scenario: Scenario, env: dict[str, str], on: str, world: World) -> Result:
    log = world.folder / PART / f"{scenario.name}-{re.sub(r'[^a-z0-9]+', '-', on.lower())}.log"
    return molecule.tested(scenario.name, env, on, log, world)
