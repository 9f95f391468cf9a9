# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which NVIDIA Container Toolkit a node gets, and from where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import nvidia_repositories as repositories
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

with optional():
    from packaging.version import Version

DATA = Path(__file__).parents[1] / "data" / "nvidia_container_toolkit.yml"
#: What its files on a node are named by.
NAME = "evenkeel-nvidia-container-toolkit"
_VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)


@dataclass(frozen=True)
class Wish:
    """The role's variables; each is described in its argument specification."""

    version: str = ""
    repository_base: str = ""
    repository_key_url: str = ""
    repository_key_sha256: str = ""


def choose(platform: Platform, wish: Wish) -> dict[str, Any]:
    """Return the options of the module ``nvidia_container_toolkit``, with all problems of the choice.

    Returns
    -------
    dict
        ``problems``, texts, and nothing else where there are any; the rest as the module documents it.
    """
    try:
        return _choose(platform, wish)
    except EvenkeelError as error:
        return {"problems": [str(error)]}


def _choose(platform: Platform, wish: Wish) -> dict[str, Any]:
    data = read_mapping(DATA)
    version = wish.version or data["version"]
    if not _VERSION.fullmatch(version):
        raise EvenkeelError(
            f"nvidia_container_toolkit_version is {version!r}", f"Set it to a version such as {data['version']}"
        )
    if Version(version) < Version(data["oldest"]):
        raise EvenkeelError(
            f"nvidia_container_toolkit_version is {version}, which has no service that keeps the CDI specification",
            f"Set it to {data['oldest']} or newer",
        )
    form = data["repositories"][repositories.family(platform)]
    base = (wish.repository_base or data["base"]).rstrip("/")
    return {
        "problems": [],
        "version": version,
        "packages": [{"name": name, "version": version} for name in data["packages"]],
        "repository": {
            "name": NAME,
            "kind": form["kind"],
            "url": f"{base}/{form['path']}/{form['architectures'][platform.architecture]}/",
            "suite": "/",
            "components": [],
            "key_url": wish.repository_key_url or f"{base}/{data['key']}",
            "key_sha256": wish.repository_key_sha256,
            "key_member": "",
            "signed": data["signed"],
        },
    }
