# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: ``python -m lab``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence

from lab import host
from lab.errors import LabError

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit status."""
    arguments = parser().parse_args(argv)
    try:
        if arguments.command == "packages":  # before anything but Python is installed
            print("\n".join(host.packages()))
            return 0
        host.check()
        try:
            from lab import commands
        except ModuleNotFoundError as error:
            raise LabError(
                f"no Python package {error.name} here", "make setup, then .venv/bin/python -m lab"
            ) from error
        commands.COMMANDS[arguments.command](arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlab: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the definition of the command line."""
    top = argparse.ArgumentParser(prog="python -m lab", description="A local lab: an upstream mirror and nodes.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    default_group = os.environ.get("EVENKEEL_LAB_GROUP") or "demo"
    group = argparse.ArgumentParser(add_help=False)
    group.add_argument("group", nargs="?", default=default_group, help=f"a group of nodes (default: {default_group})")

    up = commands.add_parser("up", parents=[group], help="start nodes, building first what is missing")
    up.add_argument(
        "--release",
        action="append",
        help="debian12, ubuntu2404, rocky9 ...; repeat for more nodes (default: EVENKEEL_LAB_RELEASES, or each Debian)",
    )
    up.add_argument("--fresh", action="store_true", help="replace nodes that run already")
    up.add_argument("--tmpfs", action="append", default=[], type=mount, help="mount a small file system: /opt=64m")

    down = commands.add_parser("down", parents=[group], help="remove a group; with the last group goes the mirror")
    down.add_argument("--all", action="store_true", help="remove every container and the network of the lab")

    copy = commands.add_parser("copy", help="start machines from a copy of the disk of another one, which is off")
    copy.add_argument("group", help="the group of all of them")
    copy.add_argument("original", help="the machine whose disk it is, such as debian12vm-1")
    copy.add_argument("name", nargs="+", help="a machine to start, such as debian12vm-2")

    commands.add_parser("status", help="show what runs and what the caches hold")
    mirror = commands.add_parser("mirror", help="build the upstream's tree and start its server")
    mirror.add_argument(
        "--debian-driver",
        action="append",
        default=[],
        metavar="RELEASE",
        help="have Debian's own driver for that release too (debian12's is always there)",
    )

    image = commands.add_parser("image", help="build base images")
    image.add_argument("release", nargs="*", help="debian12, debian13 (default: both)")

    fetch = commands.add_parser("fetch", help="download a distribution's cloud image, and print its path and checksum")
    fetch.add_argument("release", help="debian12vm, debian12uefi or ubuntu2404vm")

    inventory = commands.add_parser("inventory", parents=[group], help="print a group as an Ansible inventory")
    inventory.add_argument("--list", action="store_true", help="all hosts, which is the default")
    inventory.add_argument("--host", help="the variables of one host")

    commands.add_parser("packages", help="print the Debian packages the lab needs")
    commands.add_parser("clean", help="delete base images and caches")
    return top


def mount(text: str) -> tuple[str, str]:
    """Read ``PATH=SIZE``."""
    found = re.fullmatch(r"(/[^:,=]*)=(\d+[kmg]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not PATH=SIZE, as in /opt=64m")
    return found[1], found[2]


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # py-rattler's threads can crash an interpreter that tears itself down
