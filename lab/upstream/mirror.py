# SPDX-License-Identifier: GPL-3.0-or-later
"""The upstream of the lab's nodes: a tree of files below ``paths.WWW`` and the server that hands it out."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

from lab import cache, files, locks, paths, wait
from lab.images import image
from lab.nodes import podman
from lab.upstream import certificates, mirror_server, proxy_server, recorded_channels, recorded_repositories
from lab.upstream.conda import channel, installer
from lab.upstream.debian import debian_archive
from lab.upstream.nvidia import repositories as nvidia_repositories
from lab.upstream.pypi import simple_index
from lab.upstream.rpm import enterprise_linux
from lab.upstream.ubuntu import repositories as ubuntu_repositories

if TYPE_CHECKING:
    from rich.progress import Progress

NAME = "evenkeel-mirror"
GROUP = "_mirror"
SERVER = Path(mirror_server.__file__)
PROXY_SERVER = Path(proxy_server.__file__)
PROXY_PORT = 3128

_RELEASE = "debian12"
_START_SECONDS = 60


def build(progress: Progress, debian_drivers: Iterable[str] = ()) -> None:
    """Fill the tree with what is missing: a channel, an index, installers, NVIDIA's and distributions' packages.

    What was recorded of the real ones comes after these.
    ``debian_drivers`` are releases to have Debian's own driver for; that of Debian 12 is always there.
    """
    with locks.held("upstream", progress=progress):
        channel.build(progress)
        recorded_channels.write_answers(paths.WWW)
        simple_index.build(progress)
        installer.build(progress)
        nvidia_repositories.build(progress)
    for release in image.SUITES:
        driver = [debian_archive.NVIDIA] if release in {_RELEASE, *debian_drivers} else []
        debian_archive.build(release, [debian_archive.TOOLS, *driver], progress)
    with locks.held("upstream", progress=progress):
        enterprise_linux.build(progress)
        ubuntu_repositories.build(progress)
        recorded_repositories.build(progress)


def up(progress: Progress) -> str:
    """Have the server run, and return its URL once it answers.

    Raises
    ------
    LabError
        It does not answer.
    """
    image_name = image.build(_RELEASE, progress)
    paths.WWW.mkdir(parents=True, exist_ok=True)
    podman.ensure_network()
    with locks.held("mirror"):
        tls = certificates.ensure(address())
        podman.ensure_running(NAME, GROUP, run_arguments(image_name, address(), tls, _code()))
    wait.until(_healthy, f"{url()}{mirror_server.HEALTH} answers", f"podman logs {NAME}", seconds=_START_SECONDS)
    return url()


def down() -> None:
    """Remove the server; the tree stays."""
    with locks.held("mirror"):
        podman.remove(podman.containers(GROUP))


def url() -> str:
    """Return the server's base URL, which hosts and nodes reach alike."""
    return f"http://{address()}"


def proxy_url() -> str:
    """Return the URL of the proxy, which runs beside the server."""
    return f"{url()}:{PROXY_PORT}"


def address() -> IPv4Address:
    """Return the server's fixed address, below those that nodes get."""
    return podman.subnet()[2]


def running() -> bool:
    """Return whether the server's container runs."""
    return any(container.running for container in podman.containers(GROUP))


def run_arguments(image_name: str, address: IPv4Address, tls: Path, code: Path) -> list[str]:
    """Return what ``podman run`` needs to serve the tree, and the proxy beside it, by the code in a folder."""
    servers = (
        f"python3 /srv/{PROXY_SERVER.name} {address} {PROXY_PORT} & exec python3 /srv/{SERVER.name} /srv/www /srv/tls"
    )
    return [
        f"--network={podman.NETWORK}",
        f"--ip={address}",
        "--read-only",
        f"--volume={paths.WWW}:/srv/www:ro",
        f"--volume={tls}:/srv/tls:ro",
        f"--volume={code / SERVER.name}:/srv/{SERVER.name}:ro",
        f"--volume={code / PROXY_SERVER.name}:/srv/{PROXY_SERVER.name}:ro",
        image_name,
        "/bin/sh",
        "-c",
        servers,
    ]


def _code() -> Path:
    """Return the folder with the servers' code: checkouts that have the same code share a server."""
    folder = paths.STATE / "mirror" / cache.key(SERVER, PROXY_SERVER)
    for path in (SERVER, PROXY_SERVER):
        files.replace_text(folder / path.name, path.read_text())
    return folder


def _healthy() -> bool:
    connection = http.client.HTTPConnection(str(address()), timeout=5)
    try:
        connection.request("GET", mirror_server.HEALTH)
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
