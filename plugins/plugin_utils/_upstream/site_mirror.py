# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A package mirror of the site's own: what is below which path of it, for those who serve and those who ask alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import ALIAS, ANACONDA
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.mirrors import (
    CLOUD,
    MINIFORGE,
    PIP,
    SITE,
    mirror_of,
    site_url,
)

_DATA = Path(__file__).parents[1] / "data"
#: NVIDIA's sites by the path of the mirror, and where their base URLs are known.
_NVIDIA = {"nvidia/cuda": "nvidia_repositories.yml", "nvidia/container": "nvidia_container_toolkit.yml"}
#: The group of the inventory whose hosts are mirrors for all others.
GROUP = "package_mirrors"
#: In place of the URL of a package index.
NO_INDEX = "none"


def is_site_mirror(wish: Any) -> bool:
    """Whether a mirror is named by its host, and so serves all that a site needs."""
    return isinstance(wish, Mapping) and "host" in wish


def repository(wish: Any, path: str) -> str:
    """Return the base URL of what a mirror has below a path, empty for a mirror of conda's channels alone.

    Raises
    ------
    EvenkeelError
        The mirror has no URL.
    """
    if isinstance(wish, (list, tuple)) and wish:
        wish = wish[0]
    return f"{site_url(wish)}/{path}" if is_site_mirror(wish) else ""


def upstreams(
    mirror: Any,
    pip_index: str = "",
    pip_files: Sequence[str] = (),
    further: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Return what a mirror serves, as the module ``package_mirror`` takes it.

    Parameters
    ----------
    mirror
        Where it has conda's channels and installers from, see ``mirror_of``; from another site's mirror all else too.
    pip_index
        The package index; by default the mirror's.
    pip_files
        How links in its pages begin where they lead to another host, or with a path of the same one.
    further
        By path, further upstreams, or others than these; an empty URL is none.

    Raises
    ------
    EvenkeelError
        The mirror is unknown, or a URL is none.
    """
    found = {**_of_conda(mirror), **_of_nvidia(mirror)}
    index = pip_index or mirror_of(mirror).pip_index
    pages: dict[str, Any] = {}
    if index:
        parent, _slash, name = index.rstrip("/").rpartition("/")
        if not urlsplit(parent).netloc:
            raise EvenkeelError(
                f"The package index {index!r} has no folder of its own",
                "Name the URL below which each project has a page (package_mirror_pip_index), like https://HOST/simple",
            )
        urls = {link.rstrip("/"): urljoin(parent, link).rstrip("/") for link in pip_files}
        links = {link: f"{PIP}/files/{url.partition('://')[2].replace(':', '_')}" for link, url in urls.items()}
        # Pages link to files beside their own folder.
        found.update({PIP: parent, f"{PIP}/simple": f"{parent}/{name}"})
        found.update({links[link]: url for link, url in urls.items()})
        pages = {f"{PIP}/simple": {"pages": True, "links": links}}
    found.update({path.strip("/"): url for path, url in (further or {}).items()})
    return [{"path": path, "url": url, **pages.get(path, {})} for path, url in sorted(found.items()) if url]


def of_group(groups: Mapping[str, Sequence[str]], hostvars: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the mirrors that the inventory's group holds, in its order."""
    found = []
    for host in groups.get(GROUP) or ():
        of_host = hostvars[host]
        if of_host.get("package_mirror_state") == "absent":
            continue
        one: dict[str, Any] = {"host": of_host.get("package_mirror_host") or of_host.get("ansible_host") or host}
        if of_host.get("package_mirror_port"):
            one["port"] = of_host["package_mirror_port"]
        if of_host.get("package_mirror_tls"):
            one["tls"] = of_host["package_mirror_tls"]
        if of_host.get("package_mirror_pip_index") == NO_INDEX:
            one["pip_index"] = ""
        found.append(one)
    return found


def _of_conda(mirror: Any) -> dict[str, str]:
    chosen = mirror_of(mirror)
    prefixes = dict(chosen.prefixes(()))
    if chosen.channels is None and not chosen.every:
        prefixes[ALIAS] = ALIAS
    if not chosen.pkgs and chosen.pkgs is not None:
        prefixes.pop(ANACONDA, None)
    found = {_path(original): url for original, url in prefixes.items()}
    for kind, path in (("miniconda", f"{SITE}/miniconda"), ("miniforge", MINIFORGE)):
        if chosen.installers.get(kind):
            found[path] = chosen.installers[kind]
    return found


def _path(original: str) -> str:
    for site, path in ((ANACONDA, SITE), (ALIAS, CLOUD)):
        if original == site or original.startswith(f"{site}/"):
            return path + original[len(site) :]
    raise EvenkeelError(f"{original} is not a channel of Anaconda's sites", "Name its URL in package_mirror_upstreams")


def _of_nvidia(mirror: Any) -> dict[str, str]:
    return {path: repository(mirror, path) or read_mapping(_DATA / file)["base"] for path, file in _NVIDIA.items()}
