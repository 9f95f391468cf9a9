# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a site's own copy of packages has to hold, computed from what an operator lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.built_wheels import is_built
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import (
    absolute,
    environment_named,
    lock_beside,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._site_copy import specified
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._site_copy.package_sets import architectures, package_sets
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import ALIAS, ANACONDA
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import installers
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.mirrors import CLOUD, MINIFORGE, SITE

_INSTALLERS = {"miniconda": f"{SITE}/miniconda", "miniforge": MINIFORGE}


def wants(
    asked: Mapping[str, Any], upstreams: Sequence[Mapping[str, Any]], directory: str, variable: str = specified.VARIABLE
) -> dict[str, Any]:
    """Return what the module ``site_copy`` is to copy.

    Parameters
    ----------
    asked
        Each key is described in the argument specification of the role.
    upstreams
        As the module takes them.
    directory
        The folder of environments.
    variable
        Where the operator has listed it.

    Raises
    ------
    EvenkeelError
        It names what can't be given.
    """
    specified.require_right(asked, variable)
    packages = _locked(asked, directory, variable)
    conda = {package.url: package for package in packages if package.manager != PIP}
    pip = {package.url: package for package in packages if package.manager == PIP and not is_built(package)}
    sets, keys = package_sets(asked, variable)
    # What an operator names wins: a repository may have a new key.
    further = asked.get("files") or ()
    return {
        "conda": [_conda(package, upstreams) for _url, package in sorted(conda.items())],
        "pip": [_pip(package) for _url, package in sorted(pip.items())],
        "files": list({one["path"]: dict(one) for one in (*_installers(asked), *keys, *further)}.values()),
        "packages": sets,
    }


def _locked(asked: Mapping[str, Any], directory: str, variable: str) -> list[Package]:
    found: list[Package] = []
    platforms = asked.get("platforms") or ()
    for name in asked.get("locks") or ():
        path = lock_named(str(name), directory, variable)
        lock = conda_lock.read(path)
        for platform in platforms or sorted(lock.packages):
            found += conda_lock.packages_for(lock, platform, path)
    return found


def lock_named(name: str, directory: str, variable: str) -> Path:
    """Return the lock that an operator means: of an environment by its name, of an environment file, or itself.

    Raises
    ------
    EvenkeelError
        It is not there.
    """
    place = absolute(directory, Path.cwd())
    path = place / name
    if not path.suffix:
        path = environment_named(place, name)
    lock = path if path.name.endswith(conda_lock_name()) else lock_beside(path)
    if not lock.is_file():
        raise EvenkeelError(
            f"There is no lock {lock}, which {variable} asks for by {name!r}",
            "Lock it with lock.yml, or name another",
        )
    return lock


def conda_lock_name() -> str:
    """Return how the names of locks end."""
    return lock_beside(Path("environment.yml")).name


def _conda(package: Package, upstreams: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    path = path_of(package.url, upstreams)
    return {"path": path, "sha256": package.sha256, "size": package.size}


def path_of(url: str, upstreams: Iterable[Mapping[str, Any]]) -> str:
    """Return where the mirror has what is at a URL of a lock.

    Raises
    ------
    EvenkeelError
        It has it nowhere.
    """
    known = [(ANACONDA, SITE), (ALIAS, CLOUD)]
    known += [(str(one["url"]).rstrip("/"), str(one["path"])) for one in upstreams if one["url"]]
    for base, path in sorted(known, key=lambda pair: -len(pair[0])):
        if url.startswith(f"{base}/"):
            return path + unquote(url[len(base) :])
    raise EvenkeelError(
        f"A lock has {url}, and no upstream of the mirror does",
        "Name its channel in package_mirror_upstreams, such as {internal: URL of the channel's folder}",
    )


def _pip(package: Package) -> dict[str, Any]:
    if not package.sha256:
        raise EvenkeelError(
            f"{package.name} {package.version} is from {package.url}, which has no fixed content",
            "A copy can't hold it: lock a release of it, or leave its lock out",
        )
    name = unquote(package.url.partition("#")[0].rpartition("/")[2])
    return {
        "project": package.name,
        "name": name,
        "url": package.url.partition("#")[0],
        "sha256": package.sha256,
        "size": package.size,
    }


def _installers(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for one in asked.get("installers") or ():
        wish = {"distribution": one} if isinstance(one, str) else one
        for architecture in [wish["architecture"]] if wish.get("architecture") else architectures(asked):
            chosen = installers.choose(
                wish["distribution"], str(wish.get("version") or installers.LATEST), architecture, installers.known()
            )
            path = f"{_INSTALLERS[wish['distribution']]}/{chosen.path}"
            found.append({"path": path, "sha256": wish.get("sha256") or chosen.sha256})
    return found
