# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The command ``evenkeel env``: a lock's environment on the machine of a user, without root and without Ansible."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import this_node
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.command_line import (
    Parser,
    failure,
    show,
    text,
    warn,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import places, tools
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.places import Place

if TYPE_CHECKING:
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.locked import Locked

#: The status of each command where it fails; that of ``shell`` is as of env(1), whose command has all others.
SYNC_FAILED, UNKNOWN, NOT_ENTERED = 1, 2, 125
INTERRUPTED = 130
WITHOUT_ACCESS = "Choose another place with --prefix, or run this as a user with access to"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say, and return the exit status."""
    asked = _parser().parse_args(arguments)
    try:
        tools.require_linux()
        tools.require(tools.READERS)
        status: int = asked.run(asked)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (EvenkeelError, OSError) as error:
        failed = failure(error, WITHOUT_ACCESS)
        warn(failed.details.get("warnings", ()))
        print(failed, file=sys.stderr)
        if getattr(asked, "json", False):
            print(json.dumps({"error": str(failed)}))
        return int(asked.failed)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="evenkeel", description="Evenkeel's command on the machine of a user.")
    env = parser.add_subparsers(required=True).add_parser("env", help="the environment of a lock, as nodes have it")
    commands = env.add_subparsers(required=True)

    place = Parser(add_help=False)
    place.add_argument("--lock", type=_file, metavar="FILE", help="the conda-lock.yml")
    place.add_argument(
        "--prefix", type=text, metavar="PATH", help="where the environment is; otherwise below ~/.local/share/evenkeel"
    )
    machines = Parser(add_help=False)
    machines.add_argument("--json", action="store_true", help="print one JSON object")

    sync = commands.add_parser(
        "sync",
        parents=[place, machines],
        help="build the lock's environment, or have it be the one of the lock again",
        epilog="Exit status: 0 the environment is the lock's, 1 it could not be built and is as before.",
    )
    sync.add_argument(
        "--rollback",
        nargs="?",
        type=_generation,
        const="-1",
        metavar="GENERATION",
        help="go back to an earlier build",
    )
    sync.add_argument("--files", action="store_true", help="hash each file, too, and build anew what was edited")
    sync.add_argument("--keep", type=_count, default=3, metavar="N", help="how many builds to keep (%(default)s)")
    sync.add_argument(
        "--wait", type=_count, default=1800, metavar="SECONDS", help="for another sync to end (%(default)s)"
    )
    sync.add_argument("--mirror", default="", metavar="NAME|URL", help="a known mirror, or the base URL of one")
    sync.add_argument("--pip-index", default="", metavar="URL", help="the index of pip's packages")
    sync.set_defaults(run=_sync, failed=SYNC_FAILED, refuse=sync.error)

    diff = commands.add_parser(
        "diff",
        parents=[place, machines],
        help="show how an environment differs from the lock",
        epilog="Exit status: 0 equal, 1 it differs, 2 not known.",
    )
    diff.add_argument("--files", action="store_true", help="hash each file, too")
    diff.set_defaults(run=_diff, failed=UNKNOWN, refuse=diff.error)

    shell = commands.add_parser(
        "shell",
        parents=[place],
        help="start your shell, or a command, in the environment",
        epilog="Exit status: the command's; 125 where it could not be started.",
    )
    shell.add_argument("argv", nargs=argparse.REMAINDER, metavar="[--] COMMAND", help="instead of a shell")
    shell.set_defaults(run=_shell, failed=NOT_ENTERED, refuse=shell.error)
    return parser


def _sync(asked: argparse.Namespace) -> int:
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import needs, sources
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.shown import shown
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.sync import Policy, roll_back, sync

    os.umask(0o022)
    work_folder.remove_abandoned()
    policy = Policy(asked.keep, asked.wait, asked.files)
    place = _place(asked)
    if asked.rollback is not None:
        places.require_ours(place)
        result, warnings = roll_back(place, asked.rollback, policy), []
    else:
        platform, virtual_packages = this_node()
        where = sources.chosen(asked.mirror, asked.pip_index, platform)
        locked = _locked(asked, platform, where.pip_index)
        warnings = needs.require(locked, needs.of_machine(virtual_packages))
        warn(warnings)
        places.require_ours(place)
        result = sync(locked, place, where, policy, shown(place))
    warn(result["warnings"])
    if asked.json:
        keys = ("changed", "digest", "generation", "installer", "bytecode", "plan", "kept")
        about = {name: result[name] for name in keys if name in result}
        print(json.dumps({"prefix": place.prefix, **about, "warnings": [*warnings, *result["warnings"]]}))
        return 0
    show(
        [
            *result["plan"],
            *("! %s was in a build that is gone" % path for path in result.get("kept", ())),
            "%s %s" % (place.prefix, "changed" if result["changed"] else "unchanged"),
            "digest %s" % result["digest"],
        ]
    )
    return 0


def _diff(asked: argparse.Namespace) -> int:
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.difference import DIFFERS, EQUAL, compare, origin

    locked = _locked(asked, this_node()[0])
    prefix = _prefix(asked)
    found = compare(locked, prefix, files=asked.files)
    if asked.json:
        about = {"prefix": prefix, "lock": str(asked.lock), "platform": locked.platform, "lock_digest": locked.digest}
        print(json.dumps({**about, **found.as_dict(), "origin": origin(prefix)}))
    else:
        verdict = {EQUAL: "equals", DIFFERS: "differs from"}.get(found.state, "may equal")
        show([*found.lines(), "%s %s %s" % (prefix, verdict, asked.lock)])
        if found.unhashed:
            show(["Known by name and version alone, as no hash was kept: %s" % ", ".join(found.unhashed)])
        elif found.state == EQUAL:
            show(["digest %s" % found.digest])
    return {EQUAL: 0, DIFFERS: 1}.get(found.state, UNKNOWN)


def _shell(asked: argparse.Namespace) -> int:
    from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.difference import DIFFERS, compare
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.shell import enter

    prefix = _prefix(asked)
    places.require_usable(prefix)
    if not os.path.isdir(os.path.join(prefix, "conda-meta")):
        raise EvenkeelError("There is no environment at %s" % prefix, "Build it with evenkeel env sync")
    made = generations.read(os.path.realpath(prefix))
    moved = generations.moved(made) if made else []
    warn("%s was %s, and its programs may act there: evenkeel env sync corrects it" % (prefix, one) for one in moved)
    if asked.lock and not moved and compare(_locked(asked, this_node()[0]), prefix, files=False).state == DIFFERS:
        warn(["%s differs from %s: evenkeel env diff shows how, evenkeel env sync corrects it" % (prefix, asked.lock)])
    enter(prefix, asked.argv[1:] if asked.argv[:1] == ["--"] else asked.argv)


def _place(asked: argparse.Namespace) -> Place:
    if asked.prefix:
        return places.at(asked.prefix)
    return places.of_lock(_lock(asked))


def _prefix(asked: argparse.Namespace) -> str:
    """Return the path of any environment, whatever made it."""
    return os.path.abspath(os.path.expanduser(asked.prefix)) if asked.prefix else _place(asked).prefix


def _locked(asked: argparse.Namespace, platform: str, pip_index: str = "") -> Locked:
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import locked

    return locked.read(_lock(asked), platform, pip_index)


def _lock(asked: argparse.Namespace) -> Path:
    if asked.lock is None:
        asked.refuse("--lock is missing; add it, such as --lock environments/ai-dev/conda-lock.yml")
    path: Path = asked.lock
    return path


def _file(value: str) -> Path:
    return Path(text(value))


def _generation(value: str) -> str:
    if re.fullmatch("-0*", value):
        raise argparse.ArgumentTypeError("%s: no build is meant; give how many to go back, such as -1" % value)
    return text(value)


def _count(value: str) -> int:
    if not value.isdecimal():
        raise argparse.ArgumentTypeError("%s: give a number" % value)
    return int(value)


if __name__ == "__main__":
    sys.exit(main())
