# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which CUDA toolkits a node gets, and whether its driver and its GPUs support them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import nvidia_repositories as repositories
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.gpus import of_node
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

DATA = Path(__file__).parents[1] / "data" / "cuda_toolkits.yml"
_VERSION = re.compile(r"(?P<minor>(?P<major>\d+)\.\d+)(?:\.\d+)?", re.ASCII)
_DRIVER = re.compile(r"\d+(?:\.\d+)*", re.ASCII)
_CUDNN = re.compile(r"(?P<major>9|[1-9]\d+)(?:(?:\.\d+)+)?", re.ASCII)
_NCCL = re.compile(r"\d+(?:\.\d+)+-\d+\+cuda(?P<major>\d+)\.\d+", re.ASCII)


@dataclass(frozen=True)
class Wish:
    """The role's variables; each is described in its argument specification."""

    versions: Sequence[Any] = ()
    default: str = ""
    cudnn: str = ""
    nccl: str = ""
    driver_version: str = ""
    check_driver: bool = True
    repository_base: str = ""
    repository_url: str = ""
    repository_key_url: str = ""
    repository_key_sha256: str = ""


@dataclass(frozen=True)
class Toolkit:
    """A CUDA toolkit.

    Parameters
    ----------
    minor
        Its version as its directory has it, such as ``12.8``.
    exact
        One release of it, such as ``12.8.1``; empty is any.
    """

    minor: str
    exact: str = ""

    @property
    def major(self) -> str:
        return self.minor.partition(".")[0]

    def __str__(self) -> str:
        return f"CUDA {self.exact or self.minor}"


def choose(facts: Mapping[str, Any], platform: Platform, wish: Wish) -> dict[str, Any]:
    """Return the options of the module ``cuda_toolkit``, with all problems of the choice.

    Parameters
    ----------
    facts
        The node's GPUs and driver, as the module ``gpu_facts`` returns them; empty where they were not read.

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
    data = read_mapping(DATA)
    family = repositories.family(platform)
    toolkits = parse(wish.versions)
    default = default_of(toolkits, wish.default)
    problems, notes = driver_verdicts(toolkits, wish.driver_version) if wish.check_driver else ([], [])
    return {
        "problems": [*problems, *gpu_problems(toolkits, of_node(facts.get("gpus", ())))],
        "notes": notes,
        "repository": repositories.cuda_repository(
            platform, wish.repository_base, wish.repository_key_url, wish.repository_key_sha256, wish.repository_url
        ),
        "packages": [
            *(
                {"name": data["packages"][family]["toolkit"].format(toolkit=_dashed(one.minor)), "version": one.exact}
                for one in toolkits
            ),
            *libraries(data["packages"][family], default, wish.cudnn, wish.nccl),
        ],
        "toolkits": [one.minor for one in toolkits],
        "default": default.minor if default else "",
        "parts": data["parts"],
        "refuse": list(data["driver"]),
    }


def parse(versions: Iterable[Any]) -> list[Toolkit]:
    """Return the toolkits of a list of versions.

    Raises
    ------
    EvenkeelError
        One is not a version, or is there twice.
    """
    toolkits: dict[str, Toolkit] = {}
    for version in versions:
        found = _VERSION.fullmatch(version) if isinstance(version, str) else None
        if found is None:
            quote = f'. YAML reads {version} as a number: write "{version}"' if isinstance(version, float) else ""
            raise EvenkeelError(
                f"cuda_toolkit_versions holds {version!r}, which is not a version in quotes{quote}",
                'Write a string such as "12.8", or "12.8.1" for one release of it',
            )
        minor = found["minor"]
        if minor in toolkits:
            raise EvenkeelError(
                f"cuda_toolkit_versions holds CUDA {minor} twice", "Keep one: only one release of it fits on a node"
            )
        toolkits[minor] = Toolkit(minor, version if version != minor else "")
    return list(toolkits.values())


def default_of(toolkits: Sequence[Toolkit], requested: str) -> Toolkit | None:
    """Return the toolkit that ``/usr/local/cuda`` must be: the requested one, else the newest.

    Raises
    ------
    EvenkeelError
        The requested one is not among them.
    """
    if not requested:
        return max(toolkits, key=lambda one: _numbers(one.minor), default=None)
    for one in toolkits:
        if requested in (one.minor, one.exact):
            return one
    listed = ", ".join(one.exact or one.minor for one in toolkits) or "nothing"
    raise EvenkeelError(
        f"cuda_toolkit_default is {requested}, and cuda_toolkit_versions lists {listed}",
        "Add it there, or choose one of these",
    )


def driver_verdicts(toolkits: Iterable[Toolkit], driver: str) -> tuple[list[str], list[str]]:
    """Return the problems of toolkits with a driver, and notes on what will not work with it.

    Parameters
    ----------
    driver
        Its version, or only its branch; empty where none is known.

    Raises
    ------
    EvenkeelError
        The driver's version is invalid.
    """
    data = read_mapping(DATA)
    wanted = list(toolkits)
    if not wanted:
        return [], []
    if not driver:
        listed = ", ".join(map(str, wanted))
        return [], [f"{listed}: not checked against a driver, since none is known on this node."]
    if not _DRIVER.fullmatch(driver):
        raise EvenkeelError(
            f"cuda_toolkit_driver_version is {driver!r}",
            "Set it to a version such as 580.178.04, or a branch such as 580",
        )
    problems, notes = [], []
    for one in wanted:
        floor = data["floors"].get(one.major)
        if floor is None:
            problems.append(
                f"{one}: no minimum driver is known for CUDA {one.major}. Known: {', '.join(data['floors'])}."
                " Choose one of these, or set cuda_toolkit_check_driver to false."
            )
        elif not reaches(driver, floor):
            runs = [major for major, least in data["floors"].items() if reaches(driver, least)]
            other = f"; or choose a toolkit of CUDA {runs[-1]}" if runs else ""
            problems.append(
                f"{one} needs a driver of branch {floor} or newer, and the node has or gets {driver}."
                f" Set nvidia_driver_branch to {floor} or higher{other}; or, on a data centre GPU, install the package"
                f" cuda-compat-{_dashed(one.minor)} and set cuda_toolkit_check_driver to false."
            )
        else:
            own = own_driver(data["toolkits"].get(one.minor, {}), one.exact)
            if own and not reaches(driver, own):
                notes.append(
                    f"{one} was made for the driver {own}, and the node has or gets {driver}: programs run, unless"
                    f" they need what is new in the driver or compile PTX on the node."
                )
    return problems, notes


def gpu_problems(toolkits: Sequence[Toolkit], gpus: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the toolkits that no longer compile for a GPU of the node."""
    kinds = {gpu["device_id"]: gpu for gpu in gpus if gpu["max_cuda"]}
    return [
        f"{one} does not compile for {gpu['name'] or gpu['device_id']} ({gpu['generation']}); CUDA {gpu['max_cuda']}"
        f" is the last that does. Choose a toolkit of CUDA {gpu['max_cuda']}."
        for gpu in kinds.values()
        for one in toolkits
        if int(one.major) > int(gpu["max_cuda"])
    ]


def libraries(names: Mapping[str, Any], default: Toolkit | None, cudnn: str, nccl: str) -> list[dict[str, str]]:
    """Return the packages of cuDNN and NCCL, which serve the default toolkit's CUDA; a node has one of each.

    Raises
    ------
    EvenkeelError
        A version is invalid, or is of another CUDA.
    """
    if not (cudnn or nccl):
        return []
    if default is None:
        raise EvenkeelError(
            "cuda_toolkit_cudnn or cuda_toolkit_nccl is set, and cuda_toolkit_versions is empty",
            "List a toolkit in cuda_toolkit_versions",
        )
    found = []
    if cudnn:
        version = _CUDNN.fullmatch(cudnn)
        if version is None:
            raise EvenkeelError(
                f"cuda_toolkit_cudnn is {cudnn!r}",
                'Set it to "9", or to one release such as "9.8.0.87"; releases before 9 have other packages',
            )
        exact = "" if cudnn == version["major"] else cudnn
        found += [
            {"name": name.format(cudnn=version["major"], cuda=default.major), "version": exact}
            for name in names["cudnn"]
        ]
    if nccl:
        release = _NCCL.fullmatch(nccl)
        if release is None or release["major"] != default.major:
            raise EvenkeelError(
                f"cuda_toolkit_nccl is {nccl!r}, and the default toolkit is of CUDA {default.major}",
                f"Set it to the package's whole version, which ends in its CUDA, such as 2.27.7-1+cuda{default.minor}",
            )
        found += [{"name": name, "version": nccl} for name in names["nccl"]]
    return found


def supported_by(driver: str) -> str:
    """Return the newest known CUDA version that a driver of this version or branch supports; empty for one before them.

    It is that of the newest toolkit which was released with a driver of this branch or an older one.
    """
    branch = _numbers(driver)[0]
    toolkits = read_mapping(DATA)["toolkits"]
    found = [minor for minor, releases in toolkits.items() if min(map(_numbers, releases.values()))[0] <= branch]
    return max(found, key=_numbers, default="")


def own_driver(releases: Mapping[str, str], exact: str) -> str:
    """Return the driver of one release of a toolkit, of the newest known when ``exact`` is not known."""
    newest = max(releases, key=_numbers, default="")
    return releases.get(exact) or releases.get(newest, "")


def reaches(driver: str, least: str) -> bool:
    """Return whether a driver is at least as new as another; where one is only a branch, the branches are compared.

    >>> reaches("580.65.06", "580"), reaches("580", "580.65.06"), reaches("570.26", "570.124.06")
    (True, True, False)
    """
    numbers = _numbers(driver)
    return numbers >= _numbers(least)[: len(numbers)]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _dashed(minor: str) -> str:
    return minor.replace(".", "-")
