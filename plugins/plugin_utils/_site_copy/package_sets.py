# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The packages that nodes of some distributions need: by the same choices that the roles make on a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import BOOLEANS, boolean
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import container_choice, cuda_choice, driver_choice
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import nvidia_repositories as repositories
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

DATA = Path(__file__).parents[1] / "data" / "os_packages.yml"
CUDA, CONTAINER = "nvidia/cuda", "nvidia/container"


def package_sets(asked: Mapping[str, Any], variable: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the sets of packages that are wanted, and the keys of their repositories, as the module takes them.

    Parameters
    ----------
    variable
        Where the operator has listed them.

    Raises
    ------
    EvenkeelError
        A distribution, a branch or a toolkit can't be given.
    """
    own = {str(name): list(found) for name, found in (asked.get("repositories") or {}).items()}
    further = {str(name): list(found) for name, found in (asked.get("packages") or {}).items()}
    names = list(dict.fromkeys(str(name) for name in asked.get("distributions") or ()))
    for name in (*own, *further):
        if name not in names:
            raise EvenkeelError(
                f"{variable} has repositories or packages of {name}, which is not among its distributions",
                "Add it to distributions",
            )
    sets: list[dict[str, Any]] = []
    keys: dict[str, dict[str, Any]] = {}
    for name in names:
        for architecture in architectures(asked):
            platform = platform_of(name, architecture)
            for one in _of_platform(asked, platform, own.get(name, []), further.get(name, []), variable):
                sets.append(one)
                for key in one.pop("keys"):
                    keys.setdefault(key["path"], key)
    return sets, list(keys.values())


def architectures(asked: Mapping[str, Any]) -> list[str]:
    """Return the architectures of the nodes."""
    return list(asked.get("architectures") or ("x86_64",))


def platform_of(name: str, architecture: str) -> Platform:
    """Return the platform that an operator writes as ``Debian 12``.

    Raises
    ------
    EvenkeelError
        Evenkeel does not support it.
    """
    distribution, _space, version = name.rpartition(" ")
    found = Platform(distribution, version, architecture)
    repositories.family(found)
    return found


def _of_platform(
    asked: Mapping[str, Any],
    platform: Platform,
    own: Sequence[Mapping[str, Any]],
    further: Sequence[str],
    variable: str,
) -> list[dict[str, Any]]:
    family, data = repositories.family(platform), read_mapping(DATA)
    architecture = data["architectures"][family][platform.architecture]
    common = {
        "kind": "rpm" if family == "redhat" else "apt",
        "architecture": architecture,
        # Without the distribution's own repositories, nodes have from elsewhere what is not NVIDIA's.
        "complete": bool(own),
    }
    distribution = [dict(one) for one in own]
    own_keys = [{"path": one["key"], "sha256": ""} for one in own if one.get("key") and not one["key"].startswith("/")]

    def made(what: str, chosen: Mapping[str, Any], packages: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        repository, keys = _repository(chosen["repository"])
        versions = chosen.get("version") or ""
        pins = [{"patterns": list(chosen["family"]), "version": versions}] if versions and chosen.get("family") else []
        return {
            **common,
            "name": f"{what} for {platform}",
            "repositories": [*repository, *distribution],
            "packages": [_named(one) for one in packages],
            "pins": pins,
            "keys": [*keys, *own_keys],
        }

    found = [made(what, chosen, chosen["packages"]) for what, chosen in _choices(asked, platform, variable)]
    of_roles = [*data["site"][family], *(data["driver"][family] if asked.get("driver") else ())]
    names = [
        one.format(architecture=architecture) for one in of_roles if own and boolean(asked.get("os_packages", True))
    ]
    names += further
    if names and not own:
        raise EvenkeelError(
            f"{variable} asks for {', '.join(names)} of {platform}, and has no repositories of it",
            "Name them in repositories",
        )
    if names:
        packages = [{"name": name, "version": ""} for name in names]
        found.append(made("packages of the distribution", {"repository": None}, packages))
    return found


def _choices(asked: Mapping[str, Any], platform: Platform, variable: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what the roles of NVIDIA's software would choose, each with a name for messages."""
    found = []
    driver = asked.get("driver") or {}
    for branch in driver.get("branches") or ():
        for flavour in driver.get("flavours") or ("open",):
            wish = driver_choice.Wish(
                source=driver.get("source") or "nvidia",
                branch="" if "." in str(branch) else str(branch),
                version=str(branch) if "." in str(branch) else "",
                flavour=flavour,
                graphics=boolean(driver.get("graphics") or False),
                repository_base=CUDA,
            )
            facts = driver_choice.facts_of_no_node(fabric=boolean(driver.get("fabric_manager") or False))
            chosen = driver_choice.choose(facts, platform, wish)
            found.append((f"driver {branch} ({flavour})", _possible(f"driver {branch}", platform, chosen, variable)))
    cuda = asked.get("cuda") or {}
    if cuda:
        wish_of_cuda = cuda_choice.Wish(
            versions=cuda.get("versions") or (),
            cudnn=str(cuda.get("cudnn") or ""),
            nccl=str(cuda.get("nccl") or ""),
            check_driver=False,
            repository_base=CUDA,
        )
        found.append(("CUDA", _possible("CUDA", platform, cuda_choice.choose({}, platform, wish_of_cuda), variable)))
    toolkit = asked.get("container_toolkit") or False
    if toolkit not in BOOLEANS or boolean(toolkit):
        version = "" if toolkit in BOOLEANS else str(toolkit)
        chosen = container_choice.choose(platform, container_choice.Wish(version, repository_base=CONTAINER))
        found.append(
            ("container toolkit", {**_possible("container toolkit", platform, chosen, variable), "version": ""})
        )
    return found


def _possible(what: str, platform: Platform, chosen: dict[str, Any], variable: str) -> dict[str, Any]:
    if chosen["problems"]:
        raise EvenkeelError(
            f"{variable} asks for {what} on {platform}: {' '.join(chosen['problems'])}", "Ask for what there is"
        )
    return chosen


def _repository(found: Mapping[str, Any] | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a repository with its key as the module takes them; of URLs, paths of the mirror have been made."""
    if found is None:
        return [], []
    path, key = str(found["url"]).strip("/"), str(found["key_url"])
    repository = {
        "path": path,
        "suite": found["suite"],
        "components": list(found["components"]),
        "key": key,
        "key_member": found["key_member"],
    }
    return [repository], [{"path": key, "sha256": found["key_sha256"]}]


def _named(one: Mapping[str, str]) -> str:
    return f"{one['name']}={one['version']}" if one["version"] else one["name"]
