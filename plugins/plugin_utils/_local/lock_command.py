# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The command ``evenkeel lock``: what CI asks about locks before anything is built, without Ansible and the network."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import this_node
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.command_line import Parser, failure, show, text
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import tools

if TYPE_CHECKING:
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.changed_locks import Found

#: Statuses: an environment has no lock, or one that does not answer it; and what can't be read.
STALE, UNKNOWN = 1, 2
WITHOUT_ACCESS = "Run this as a user with access to"
#: Where environments are unless the user says otherwise.
FOLDER = "environments"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say, and return the exit status."""
    asked = _parser().parse_args(arguments)
    try:
        tools.require(asked.needs)
        status: int = asked.run(asked)
    except (EvenkeelError, OSError) as error:
        failed = failure(error, WITHOUT_ACCESS)
        print(failed, file=sys.stderr)
        if getattr(asked, "json", False):
            print(json.dumps({"error": str(failed)}))
        return UNKNOWN
    return status


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="evenkeel", description="Evenkeel's command for locks.")
    lock = parser.add_subparsers(required=True).add_parser("lock", help="locks, before anything is built of them")
    commands = lock.add_subparsers(required=True)

    digest = commands.add_parser("digest", help="print the digest of a lock's environment, such as for a cache")
    digest.add_argument("lock", type=_file, metavar="FILE", help="the conda-lock.yml")
    digest.add_argument("--platform", type=text, metavar="NAME", help="such as linux-aarch64; otherwise this machine's")
    digest.set_defaults(run=_digest, needs=tools.READERS)

    check = commands.add_parser(
        "check",
        help="show which environment files have no lock, or one that does not answer them",
        epilog="Exit status: 0 all have theirs, 1 one has not, 2 one can't be read.",
    )
    check.add_argument("paths", nargs="*", type=_file, metavar="PATH", help="folders or files (%s)" % FOLDER)
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.set_defaults(run=_check, needs={**tools.READERS, **tools.SOLVER})

    diff = commands.add_parser(
        "diff",
        help="show what changes in locks",
        epilog="Exit status: 0 whatever changes, 2 a lock can't be read.",
    )
    diff.add_argument("paths", nargs="*", type=text, metavar="PATH", help="folders or files (%s)" % FOLDER)
    diff.add_argument("--since", type=text, metavar="REVISION", help="what to compare with, as git knows it")
    diff.add_argument(
        "--until", type=text, metavar="REVISION", help="what is compared; otherwise the files as they are"
    )
    diff.add_argument("--from", dest="before", type=_file, metavar="FILE", help="a lock, in place of a revision")
    diff.add_argument("--to", dest="after", type=_file, metavar="FILE", help="the lock to compare with that one")
    diff.add_argument("--markdown", action="store_true", help="print Markdown, such as for a comment")
    diff.set_defaults(run=_diff, needs=tools.READERS, refuse=diff.error)
    return parser


def _digest(asked: argparse.Namespace) -> int:
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import locked

    show([locked.read(asked.lock, asked.platform or this_node()[0]).digest])
    return 0


def _check(asked: argparse.Namespace) -> int:
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import standing

    found = [standing.of(path) for path in standing.files(asked.paths or [Path(FOLDER)])]
    if asked.json:
        print(
            json.dumps(
                {"locks": [{**vars(one), "environment": str(one.environment), "lock": str(one.lock)} for one in found]}
            )
        )
    else:
        show(line for one in found for line in ("%s %s" % (one.state.ljust(7), one.environment), *one.why))
    states = {one.state for one in found}
    return UNKNOWN if standing.UNKNOWN in states else STALE if states - {standing.FRESH} else 0


def _diff(asked: argparse.Namespace) -> int:
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import changed_locks

    changed = changed_locks.between(*_compared(asked))
    if asked.markdown:
        sys.stdout.write(changed_locks.markdown(changed))
    else:
        show(changed_locks.text(changed) or ["No lock changes."])
    return 0


def _compared(asked: argparse.Namespace) -> tuple[Mapping[str, Found], Mapping[str, Found]]:
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import at_revision, conda_lock

    files, revisions = (asked.before, asked.after), (asked.since, asked.until)
    if all(files) and not any((*revisions, asked.paths)):
        return {str(asked.after): conda_lock.read(asked.before)}, {str(asked.after): conda_lock.read(asked.after)}
    if any(files) or not asked.since:
        asked.refuse("name --since REVISION, or --from FILE and --to FILE")
    here, paths = Path.cwd(), asked.paths or [FOLDER]
    before, after = (at_revision.locks(here, one or at_revision.NOW, paths) for one in revisions)
    return before, after


def _file(value: str) -> Path:
    return Path(text(value))


if __name__ == "__main__":
    sys.exit(main())
