# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml keeps on a node, in a folder for pyinfra to assert the same, and the command that does."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from lab import process
from lab.nodes import ssh
from lab.nodes.nodes import Node

ROOT = Path(__file__).parents[1]
#: Variables of the environment: the folder, and whom it is for.
FOLDER, GROUP, NODES = "EVENKEEL_BENCH_STATE", "EVENKEEL_BENCH_GROUP", "EVENKEEL_BENCH_NODES"
#: Files in the folder: links with what they lead to; environments with the list of packages that conda makes them of.
LINKS, BUILDS = "links", "builds"
#: Beside Evenkeel's own.
PREFIXES = "/opt/pyinfra"
_DEPLOY = ("bench/pyinfra_inventory.py", "bench/pyinfra_deploy.py")
_LINKS = "/opt/miniconda3 /opt/evenkeel/envs/*"
_FILES = " ".join(
    (
        "/etc/profile.d/evenkeel-conda.sh",
        "/etc/conda/condarc.d/evenkeel.yml",
        "/usr/local/share/jupyter/kernels/*/kernel.json",
        "/etc/evenkeel/jupyter/jupyter_server_config.py",
        "/etc/evenkeel/jupyter/jupyter/settings.json",
        "/etc/systemd/system/jupyter@.service",
        "/etc/systemd/system/jupyter-proxy@.s*",
        "/etc/systemd/system/jupyter*@jupyter.s*.d/evenkeel.conf",
    )
)
_PLATFORMS = ("linux-64", "noarch")


def keep(address: str, folder: Path) -> None:
    """Copy what site.yml keeps on the node at ``address``."""
    folder.mkdir(exist_ok=True)
    (folder / LINKS).write_text(_ask(address, f"for link in {_LINKS}; do echo $link $(readlink $link); done"))
    for path in _ask(address, f"ls {_FILES}").split():
        copy = folder / "files" / path.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(_ask(address, f"cat {path}"))


def add_environment(folder: Path, name: str, state: str, lock: Path, mirrors: Mapping[str, str]) -> None:
    """Let conda make an environment of a lock, and a link lead to it in place of one that led to another state."""
    prefix = f"{PREFIXES}/{state}/{name}"
    listed = folder / f"{name}-{state}.txt"
    listed.write_text(explicit(yaml.safe_load(lock.read_text())["package"], mirrors))
    link = f"{PREFIXES}/envs/{name}"
    others = [line for line in (folder / LINKS).read_text().splitlines() if line.split()[0] != link]
    (folder / LINKS).write_text("\n".join([*others, f"{link} {prefix}"]) + "\n")
    with (folder / BUILDS).open("a") as file:
        file.write(f"{prefix} {listed.name}\n")


def explicit(packages: Iterable[Mapping[str, object]], mirrors: Mapping[str, str]) -> str:
    """Return conda's list of exact packages of a lock's; those of pip are left out."""
    lines = ["@EXPLICIT"]
    for package in packages:
        if package["manager"] == "conda" and package["platform"] in _PLATFORMS:
            url = str(package["url"])
            for site, near in mirrors.items():
                url = url.replace(site, near)
            hashes = package["hash"]
            lines.append(f"{url}#{hashes['md5']}")  # type: ignore[index]
    return "\n".join(lines) + "\n"


def command(pyinfra: str, folder: Path, of: Sequence[Node]) -> tuple[list[str], dict[str, str]]:
    """Return the command that asserts the state on some nodes, with its variables."""
    variables = {
        FOLDER: str(folder),
        GROUP: of[0].group,
        NODES: " ".join(node.name for node in of),
        "PYTHONPATH": str(ROOT),
    }
    return [pyinfra, "--yes", *_DEPLOY], variables


def _ask(address: str, script: str) -> str:
    """Run a line of shell as root on the node."""
    return process.run(ssh.command(address, remote=("sudo", "sh", "-c", shlex.quote(script))), remedy="make demo")


def nodes_of(found: Iterable[Node]) -> list[Node]:
    """Return those of a group's nodes that the environment names."""
    names = os.environ[NODES].split()
    return [node for node in found if node.name in names]
