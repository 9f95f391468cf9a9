# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which driver a node gets: branch, version, flavour and packages, with all problems of that choice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import driver_obstacles
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import nvidia_repositories as repositories
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.gpus import of_node
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

with optional():
    from packaging.version import InvalidVersion, Version

BRANCHES = Path(__file__).parents[1] / "data" / "nvidia_branches.yml"
PACKAGES = Path(__file__).parents[1] / "data" / "nvidia_packages.yml"
FLAVOURS = ("open", "proprietary")


@dataclass(frozen=True)
class Wish:
    """The role's variables; each is described in its argument specification."""

    source: str
    branch: str = ""
    version: str = ""
    flavour: str = "auto"
    graphics: bool = False
    repository_base: str = ""
    repository_url: str = ""
    repository_key_url: str = ""
    repository_key_sha256: str = ""
    runfile_url: str = ""
    runfile_sha256: str = ""
    epel: str = ""
    epel_key_sha256: str = ""


@dataclass(frozen=True)
class Kind:
    """Names of packages of one source and family, for one branch."""

    data: Mapping[str, Any]
    branch: str

    def packages(self, set_: str, flavour: str) -> list[str]:
        return self._named(_from(self.data["from"], self.branch)[set_][flavour])

    def dkms(self, flavour: str) -> str:
        found = self.data.get("dkms")
        return self._named([_from(found, self.branch)[flavour]])[0] if found else ""

    def modules(self, flavour: str) -> str:
        found = self.data.get("modules")
        return self._named([found[flavour]], keep="{kernel}")[0] if found else ""

    def persistence(self) -> list[str]:
        return self._named(_from(self.data["persistence"], self.branch))

    def fabric(self) -> list[str]:
        return self._of_branch("fabric")

    def nvlink5(self) -> tuple[list[str], list[str]]:
        """Return the packages that have the driver's version, and those that have their own."""
        return self._of_branch("nvlink5"), list(self.data.get("own", []))

    def imex(self) -> list[str]:
        return self._of_branch("imex")

    def _of_branch(self, set_: str) -> list[str]:
        found = self.data.get(set_)
        return self._named(_from(found, self.branch)) if found else []

    def _named(self, names: Iterable[str], keep: str = "") -> list[str]:
        return [name.format(branch=self.branch, kernel=keep) for name in names]


def facts_of_no_node(*, fabric: bool) -> dict[str, Any]:
    """Return facts for a choice that is made before there is a node: of one without GPUs.

    Parameters
    ----------
    fabric
        Whether its GPUs are behind NVSwitches, in one system or in many.
    """
    return {
        "gpus": [],
        "kernels": [],
        "fabric_manager": {"needed": fabric, "missing": []},
        "nvlink5": fabric,
        "imex": {"needed": fabric, "configured": fabric},
        "virtualization": {"vm": "", "container": False},
        "driver": {"installed": ""},
        "peer_memory": {"legacy": False, "ofed": False, "stale": []},
    }


def choose(facts: Mapping[str, Any], platform: Platform, wish: Wish) -> dict[str, Any]:
    """Return the options of the module ``nvidia_driver``, with all problems of the choice.

    Parameters
    ----------
    facts
        The node's GPUs and driver, as the module ``gpu_facts`` returns them.

    Returns
    -------
    dict
        ``problems``, texts, and nothing else of use where there are any; ``notes``, texts; the rest as the module
        documents it.
    """
    try:
        return _choose(facts, platform, wish)
    except EvenkeelError as error:
        return {"problems": [str(error)], "notes": []}


def _choose(facts: Mapping[str, Any], platform: Platform, wish: Wish) -> dict[str, Any]:
    family = repositories.family(platform)
    branch, version = branch_and_version(wish, family, repositories.release(platform))
    gpus = of_node(facts["gpus"])
    flavour, problems, notes = choose_flavour(gpus, wish.flavour)
    problems += [*window_problems(gpus, branch, version, flavour), *kernel_problems(facts["kernels"], branch)]
    problems += driver_obstacles.problems(facts, version)
    notes += driver_obstacles.notes(facts, version, source=wish.source)
    chosen = {
        "source": wish.source,
        "branch": branch,
        "version": version,
        "flavour": flavour,
        "notes": notes,
        "problems": problems,
    }
    if wish.source == "runfile":
        return {**chosen, **_runfile(facts, platform, wish, version, flavour)}
    data = read_mapping(PACKAGES)["distribution" if wish.source == "distribution" else "nvidia"]
    problems += _missing_branch(platform, wish, branch)
    if family not in data:
        raise EvenkeelError(
            f"{platform.distribution} has no driver of its own", "Set nvidia_driver_source to nvidia, runfile or local"
        )
    return {**chosen, **_packages(facts, platform, wish, Kind(data[family], branch), version, flavour)}


def branch_and_version(wish: Wish, family: str, release: str) -> tuple[str, str]:
    """Return the branch, and the exact version or an empty string where the repository's own counts.

    Raises
    ------
    EvenkeelError
        They contradict each other or are not versions, or the branch is unknown.
    """
    if wish.version:
        _require_version(wish.version)
        branch = wish.version.partition(".")[0]
        if wish.branch and wish.branch != branch:
            raise EvenkeelError(
                f"nvidia_driver_version is {wish.version}, and nvidia_driver_branch is {wish.branch}",
                "Set one of them, or both to the same branch",
            )
        return branch, wish.version
    data = read_mapping(PACKAGES)["distribution"].get(family, {})
    own = data.get("branches", {})
    if wish.source == "distribution":
        branch = wish.branch or own.get(release, "") or data.get("branch", "")
        if own and wish.branch and wish.branch != own[release]:
            raise EvenkeelError(
                f"{family} {release} has the driver's branch {own[release]}, not {wish.branch}",
                "Leave nvidia_driver_branch out, or set nvidia_driver_source to nvidia",
            )
        return _require_branch(branch), ""
    branch = _require_branch(wish.branch)
    known = read_mapping(BRANCHES)["branches"]
    if branch not in known:
        if wish.source == "local":
            return branch, ""
        raise EvenkeelError(
            f"No version is known for the driver's branch {branch}",
            f"Set nvidia_driver_version too; known branches: {', '.join(known)}",
        )
    return branch, known[branch]["version"]


def _missing_branch(platform: Platform, wish: Wish, branch: str) -> list[str]:
    """Return that NVIDIA's repository for the platform has no such branch, if that is known."""
    if wish.source != "nvidia" or wish.repository_url:
        return []
    data = read_mapping(BRANCHES)
    first = data["first"].get(platform.distribution, {}).get(repositories.release(platform))
    if first is None or int(branch) >= int(first):
        return []
    has = ", ".join(one for one in data["branches"] if int(one) >= int(first))
    return [
        f"NVIDIA's repository for {platform.distribution} {platform.version} has no branch {branch} of the driver;"
        f" it has {has}. Set nvidia_driver_branch to one of these."
    ]


def choose_flavour(gpus: Sequence[Mapping[str, Any]], wished: str) -> tuple[str, list[str], list[str]]:
    """Return the flavour of the kernel module, problems, and notes."""
    unknown = [gpu for gpu in gpus if gpu["generation"] == "unknown"]
    if unknown and wished == "auto":
        ids = ", ".join(sorted({gpu["device_id"] for gpu in unknown}))
        problem = (
            f"The GPU {ids} is unknown, so no module can be chosen for it. Set nvidia_driver_flavour to open or"
            " proprietary, and nvidia_driver_branch to a branch that supports it, by NVIDIA's list of supported chips."
        )
        return "open", [problem], []
    known = [gpu for gpu in gpus if gpu["generation"] != "unknown"]
    dead = [
        f"{_name(gpu)} ({gpu['generation']}) is supported by no branch that Evenkeel installs."
        " Remove the node from gpu_nodes."
        for gpu in known
        if not gpu["flavours"]
    ]
    if dead:
        return wished if wished in FLAVOURS else "open", dead, []
    if wished in FLAVOURS:
        unfit = [gpu for gpu in known if wished not in gpu["flavours"]]
        problems = [
            f"The {wished} kernel module does not work with {_name(gpu)} ({gpu['generation']})."
            f" Set nvidia_driver_flavour to auto or {' or '.join(gpu['flavours'])}."
            for gpu in _distinct(unfit)
        ]
        return wished, problems, []
    if not known:
        return "open", [], ["the node has no GPU; the open kernel module is chosen"]
    common = [flavour for flavour in FLAVOURS if all(flavour in gpu["flavours"] for gpu in known)]
    if not common:
        needs = "; ".join(f"{_name(gpu)} needs {' or '.join(gpu['flavours'])}" for gpu in _distinct(known))
        return "open", [f"No kernel module serves all GPUs of the node: {needs}. Remove one kind from the machine."], []
    return common[0], [], []


def window_problems(gpus: Sequence[Mapping[str, Any]], branch: str, version: str, flavour: str) -> list[str]:
    """Return the problems of a branch, its version (empty if unknown) and a flavour with these GPUs."""
    problems = []
    for gpu in _distinct(gpus):
        least, most = gpu["min_version"], gpu["max_branch"]
        if most is not None and int(branch) > most:
            problems.append(
                f"Branch {branch} of the driver no longer supports {_name(gpu)} ({gpu['generation']}); {most} is the"
                f" last that does. Set nvidia_driver_branch to {most} or lower."
            )
        if least and (int(branch) < gpu["min_branch"] or (version and Version(version) < Version(least))):
            problems.append(
                f"The driver {version or branch} does not know {_name(gpu)} ({gpu['generation']}) yet; {least} is"
                f" the first that does. Set nvidia_driver_branch to {gpu['min_branch']} or higher, or"
                f" nvidia_driver_version to {least} or newer."
            )
        last_without = gpu["unknown_to"].get(branch)
        if last_without and version and Version(version) <= Version(last_without):
            problems.append(
                f"The driver {version} does not know {_name(gpu)} ({gpu['generation']}) yet, though older branches do."
                f" Set nvidia_driver_branch to {gpu['min_branch']}, or nvidia_driver_version to one of branch {branch}"
                f" after {last_without}."
            )
    last = read_mapping(BRANCHES)["proprietary"]["max_branch"]
    if flavour == "proprietary" and int(branch) > last:
        problems.append(
            f"Branch {branch} of the driver has no proprietary kernel module; {last} is the last that may have one."
            " Set nvidia_driver_flavour to open, or nvidia_driver_branch to a lower one."
        )
    return problems


def kernel_problems(kernels: Sequence[Mapping[str, Any]], branch: str) -> list[str]:
    """Return the kernels that a branch's module is known not to build for."""
    limit = read_mapping(BRANCHES)["branches"].get(branch, {}).get("fails_with")
    if limit is None:
        return []
    too_new = [
        kernel["release"] for kernel in kernels if kernel["bootable"] and _kernel(kernel["release"]) >= Version(limit)
    ]
    return [
        f"The module of branch {branch} does not build for kernel {release}, as for any from {limit} on."
        " Set nvidia_driver_branch to a higher one, or remove that kernel and hold an older one."
        for release in too_new
    ]


def _packages(
    facts: Mapping[str, Any], platform: Platform, wish: Wish, kind: Kind, version: str, flavour: str
) -> dict[str, Any]:
    needs_fabric = bool(facts["fabric_manager"]["needed"])
    names = kind.packages("graphics" if wish.graphics else "compute", flavour)
    dkms = kind.dkms(flavour)
    names += kind.persistence()
    names += kind.fabric() if needs_fabric else []
    of_nvlink5, own_versions = kind.nvlink5() if needs_fabric and facts["nvlink5"] else ([], [])
    names += [*of_nvlink5, *(kind.imex() if facts["imex"]["needed"] else [])]
    family = list(kind.data["family"])
    wanted = [{"name": name, "version": version} for name in names]
    wanted += [{"name": name, "version": ""} for name in own_versions]
    return {
        "repository": _repository(platform, wish),
        "packages": wanted,
        "absent": list(kind.data["other"][flavour]),
        "family": family,
        "companions": list(kind.data.get("companions", ())),
        "dkms": dkms,
        "modules": kind.modules(flavour),
        "dkms_repository": repositories.epel(platform, wish.epel, wish.epel_key_sha256),
        "fabric_manager": needs_fabric,
        "runfile": None,
    }


def _repository(platform: Platform, wish: Wish) -> dict[str, Any] | None:
    if wish.source == "distribution":
        return None
    if wish.source == "local" and not wish.repository_url:
        raise EvenkeelError(
            "nvidia_driver_source is local, and nvidia_driver_repository_url is not set",
            "Set it to the repository's URL, and nvidia_driver_repository_key_url to that of its key",
        )
    return repositories.cuda_repository(
        platform, wish.repository_base, wish.repository_key_url, wish.repository_key_sha256, wish.repository_url
    )


def _runfile(facts: Mapping[str, Any], platform: Platform, wish: Wish, version: str, flavour: str) -> dict[str, Any]:
    url = wish.runfile_url.format(version=version, architecture=platform.architecture)
    if not wish.runfile_sha256:
        raise EvenkeelError(
            f"No checksum is known for NVIDIA's installer {url}",
            "Set nvidia_driver_runfile_sha256 to the one that NVIDIA publishes beside it",
        )
    if facts["fabric_manager"]["needed"]:
        raise EvenkeelError(
            "The node has NVSwitch, and its fabric manager comes only as a package",
            "Set nvidia_driver_source to nvidia",
        )
    return {
        "repository": None,
        "packages": [],
        "absent": [],
        "family": [],
        "companions": [],
        "dkms": "",
        "modules": "",
        "dkms_repository": repositories.epel(platform, wish.epel, wish.epel_key_sha256),
        "fabric_manager": False,
        "runfile": {"url": url, "sha256": wish.runfile_sha256},
    }


def _from(table: Mapping[str, Any], branch: str) -> Any:
    """Return the entry of the highest branch that isn't above ``branch``; a table without branches is the entry."""
    if not all(key.isdigit() for key in table):
        return table
    return table[str(max(int(first) for first in table if int(first) <= int(branch)))]


def _distinct(gpus: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return one GPU of each kind."""
    return list({gpu["device_id"]: gpu for gpu in gpus}.values())


def _name(gpu: Mapping[str, Any]) -> str:
    return f"{gpu['name']} ({gpu['device_id']})" if gpu["name"] else f"the GPU {gpu['device_id']}"


def _require_branch(branch: str) -> str:
    if not branch.isdigit():
        raise EvenkeelError(
            f"nvidia_driver_branch is {branch!r}", "Set it to the first number of a version, such as 580"
        )
    return branch


def _require_version(version: str) -> None:
    parts = version.split(".")
    if len(parts) not in (2, 3) or not all(part.isdigit() for part in parts):
        raise EvenkeelError(f"nvidia_driver_version is {version!r}", "Set it to a version such as 580.178.04")


def _kernel(release: str) -> Version:
    """Return a kernel's version out of its release, such as 6.1 of 6.1.0-49-amd64."""
    numbers = release.partition("-")[0].split(".")[:2]
    try:
        return Version(".".join(numbers))
    except InvalidVersion:
        return Version("0")
