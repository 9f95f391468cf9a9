# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios of Molecule, and why one of them failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from reality.claims import Result, differs, proven
from reality.world import World

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
#: The frame that Molecule draws around what it runs.
_FRAME = re.compile(r"^[ \t]*│ ?", re.MULTILINE)
_FAILURE = re.compile(r"^(?:fatal: |E  |FAILED |ERROR )", re.MULTILINE)
_LONGEST = 1500


def tested(name: str, env: Mapping[str, str], on: str, log: Path, world: World) -> Result:
    """Return how a scenario has ended; ``log`` keeps all that it said."""
    log.parent.mkdir(parents=True, exist_ok=True)
    done = world.run(["molecule", "test", "--scenario-name", name], env=env, log=log)
    return differs(on, why(done.stdout)) if done.returncode else proven(on)


def why(said: str) -> str:
    """Return the first failure of a run, from what it said; its end where none is known."""
    plain = _FRAME.sub("", _COLOURS.sub("", said))
    found = _FAILURE.search(plain)
    return plain[found.start() :][:_LONGEST].strip() if found else plain[-_LONGEST:].strip()
