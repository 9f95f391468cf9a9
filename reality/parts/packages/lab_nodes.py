# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's nodes in place of official images, and its repositories in place of distributions' own."""

from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

from reality.claims import SkippedError

_APT = "/etc/apt/sources.list.d/distribution.sources"


def image_of(release: str) -> str:
    """Return the lab's image of one of its releases.

    Raises
    ------
    SkippedError
        It has none, or has not made it.
    """
    from lab.errors import LabError
    from lab.images import image
    from lab.nodes import podman

    try:
        name = image.name_of(release)
    except LabError as error:
        raise SkippedError(str(error)) from None
    if not podman.succeeds("image", "exists", name):
        raise SkippedError(f"the lab has not made its image of {release} yet: run `python -m lab up`")
    return name


def files(platform: Platform) -> dict[str, str]:
    """Return the files by which a node of the lab knows its distribution's packages."""
    from lab.images import image
    from lab.upstream import mirror
    from lab.upstream.ubuntu.releases import RELEASES

    site = mirror.url()
    if platform.distribution == "Debian":
        suite = image.SUITES[f"debian{platform.version}"]
        return {_APT: _sources(f"{site}/debian", suite, "Components: main contrib non-free non-free-firmware\n")}
    if platform.distribution == "Ubuntu":
        codename = next(one.codename for one in RELEASES if one.version == platform.version)
        return {_APT: _sources(f"{site}/ubuntu/archive/{codename}", "/", "Trusted: yes\n")}
    url = f"{site}/rocky/{platform.version}/BaseOS/x86_64/os/"
    text = f"[baseos]\nname=BaseOS\nbaseurl={url}\ngpgcheck=1\ngpgkey={site}/rocky/RPM-GPG-KEY-Rocky\n"
    return {"/etc/yum.repos.d/baseos.repo": text}


def _sources(url: str, suite: str, more: str) -> str:
    return f"Types: deb\nURIs: {url}\nSuites: {suite}\n{more}"
