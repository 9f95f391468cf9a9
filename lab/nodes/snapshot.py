# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on a node's root file system, but for what programs write there for themselves; ``snapshot.yml`` lists that.

``python -m lab.nodes.snapshot GROUP FILE`` writes it down for each node of a group.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from lab.nodes.fleet import Fleet

_PASSED_OVER = [path for one in yaml.safe_load(Path(__file__).with_suffix(".yml").read_text()) for path in one["paths"]]
_PRUNED = " -o ".join(f"-path {shlex.quote(path)}" for path in _PASSED_OVER)
#: Prints a line for each file, with its path, mode, owner, and size or target; of settings also the hash of each.
COMMAND = (
    f"find / -xdev \\( {_PRUNED} \\) -prune -o ! -type d -printf '%p %m %U:%G %s %l\\n' -o -printf '%p/ %m %U:%G\\n'"
    f" && find /etc -xdev \\( {_PRUNED} \\) -prune -o -type f -exec sha256sum {{}} +"
    " | sed -E 's/^([0-9a-f]+)  (.*)/\\2 \\1/'"
)


def of(group: str) -> dict[str, frozenset[str]]:
    """Return the lines of each node of a group."""
    return Fleet(group).listed(COMMAND)


def read(file: Path) -> dict[str, frozenset[str]]:
    """Return what was written down."""
    return {name: frozenset(lines) for name, lines in json.loads(file.read_text()).items()}


def difference(before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the lines of each node that have come and gone, as a difference."""
    changes = [(name, "-", line) for name, lines in before.items() for line in lines - after[name]]
    changes += [(name, "+", line) for name, lines in after.items() for line in lines - before[name]]
    return [" ".join(change) for change in sorted(changes)]


def main(group: str, file: str) -> int:
    """Write them down."""
    Path(file).write_text(json.dumps({name: sorted(lines) for name, lines in of(group).items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
