# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""NVIDIA's CUDA repository for a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

DATA = Path(__file__).parents[1] / "data" / "nvidia_repositories.yml"
#: The name of its files on a node, the same for every role that uses it.
NAME = "evenkeel-nvidia-cuda"


@dataclass(frozen=True)
class Platform:
    """A node's distribution and architecture, as Ansible's facts name them.

    Parameters
    ----------
    distribution
        Such as ``Debian``.
    version
        Such as ``12.11``, ``24.04``, ``9.4``.
    architecture
        ``x86_64`` or ``aarch64``.
    """

    distribution: str
    version: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} on {self.architecture}"

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Platform:
        """Return that of a node by Ansible's facts."""
        return cls(facts["distribution"], facts["distribution_version"], facts["architecture"])


def family(platform: Platform) -> str:
    """Return the family whose names packages have: ``debian``, ``ubuntu`` or ``redhat``.

    Raises
    ------
    EvenkeelError
        Evenkeel does not support the platform.
    """
    return str(_distribution(platform)["family"])


def release(platform: Platform) -> str:
    """Return the release as the data names it, such as ``12`` or ``24.04``."""
    releases: dict[str, str] = _distribution(platform)["releases"]
    return next(name for name in releases if _is_release(platform.version, name))


def cuda_repository(
    platform: Platform, base: str = "", key_url: str = "", key_sha256: str = "", url: str = ""
) -> dict[str, Any]:
    """Return the repository as modules take it.

    Parameters
    ----------
    base
        What stands in for NVIDIA's own base URL.
    key_url, key_sha256
        Where its key is and that file's SHA-256, where they differ from what is known.
    url
        The whole URL of a private repository with NVIDIA's packages, in place of ``base``.

    Raises
    ------
    EvenkeelError
        Evenkeel does not support the platform.
    """
    data = read_mapping(DATA)
    distribution = _distribution(platform)
    slug = f"{distribution['releases'][release(platform)]}/{data['architectures'][platform.architecture]}"
    form = data["families"][distribution["family"]]
    where = (url or f"{(base or data['base']).rstrip('/')}/{slug}").rstrip("/") + "/"
    standard = not (url or key_url)
    return {
        "name": NAME,
        "kind": form["kind"],
        "url": where,
        "suite": "/",
        "components": [],
        "key_url": key_url or where + form["key"],
        "key_sha256": key_sha256 or (data["keys"].get(slug, "") if standard else ""),
        "key_member": form["key_member"] if (key_url or form["key"]).endswith(".deb") else "",
    }


def epel(platform: Platform, base: str, key_sha256: str = "") -> dict[str, Any] | None:
    """Return EPEL, which has DKMS for Red Hat's family, as modules take it; None without a base or for others.

    Parameters
    ----------
    base
        Its URL or a mirror's: the folder with one folder for each release, and with the keys.
    key_sha256
        The SHA-256 of its key file, where it differs from what is known.
    """
    if not base or family(platform) != "redhat":
        return None
    number = release(platform)
    root = base.rstrip("/")
    return {
        "name": "evenkeel-epel",
        "kind": "rpm",
        "url": f"{root}/{number}/Everything/{platform.architecture}/",
        "suite": "/",
        "components": [],
        "key_url": f"{root}/RPM-GPG-KEY-EPEL-{number}",
        "key_sha256": key_sha256 or read_mapping(DATA)["epel_keys"][number],
        "key_member": "",
    }


def _distribution(platform: Platform) -> dict[str, Any]:
    data = read_mapping(DATA)
    known: dict[str, dict[str, Any]] = data["distributions"]
    found = known.get(platform.distribution)
    if (
        found is None
        or platform.architecture not in data["architectures"]
        or not any(_is_release(platform.version, name) for name in found["releases"])
    ):
        supported = "; ".join(f"{name} {', '.join(entry['releases'])}" for name, entry in known.items())
        raise EvenkeelError(
            f"Evenkeel does not support NVIDIA's packages on {platform}",
            f"Supported: {supported}; each on {' and '.join(data['architectures'])}",
        )
    return found


def _is_release(version: str, name: str) -> bool:
    return version == name or version.startswith(name + ".")
