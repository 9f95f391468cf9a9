# SPDX-License-Identifier: GPL-3.0-or-later
"""Part gpu: facts, checks and frameworks on the GPUs of this machine, without what names machines or people.

``EVENKEEL_GPU_ENVIRONMENT`` is the prefix of an environment with frameworks, which has a claim of its own; else the
part conda builds a shipped one.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from reality.claims import OWN, Claim, Result, SkippedError, judged
from reality.parts import conda
from reality.record import Record, Sight
from reality.world import ROOT, World

TITLE = "Real GPUs"
NETWORK = False
AT_ONCE = 1
SECONDS = 3600.0
PART = "gpu"

SUBJECT = "Real GPUs"
#: A key, what holds, and what of a run's record says whether it does.
_CLAIMS = {
    "facts": "Facts and CUDA agree on the GPUs of a machine",
    "computation": "The check computes on every GPU of a machine",
    "frameworks": "Frameworks out of a locked environment find every GPU",
}
_RUN = ROOT / "tests" / "gpu" / "run.py"
_NO_GPU = 77
#: What people name; an environment is called by it, as its prefix may name that person.
_OWN = "EVENKEEL_GPU_ENVIRONMENT"
#: The shipped environment whose frameworks are tried.
_ENVIRONMENT = "ai-dev"


def claims(world: World) -> Iterable[Claim]:
    """Return the claims on the GPUs of a machine.

    Raises
    ------
    EvenkeelError
        The environment variable names no environment.
    """
    found = [Claim(f"{PART}/{key}", PART, text, SUBJECT) for key, text in _CLAIMS.items()]
    if own := world.environment.get(_OWN):
        if not (Path(own) / "bin" / "python").exists():
            raise EvenkeelError(f"{_OWN} names {own}, which has no bin/python", "Name the prefix of an environment")
        found[-1] = Claim(f"{PART}/{OWN}/{_OWN}/frameworks", PART, f"{_OWN}: its frameworks find every GPU", SUBJECT)
    return found


def check(claim: Claim, world: World) -> Result:
    """Ask one of them."""
    key = claim.id.rpartition("/")[2]
    if key == "frameworks":
        _require_gpu(world)
        environment = _environment(world)
        return verdict(key, world.once("GPUs with frameworks", lambda: _record(world, environment)))
    return verdict(key, _require_gpu(world))


def sights(_world: World) -> Iterable[Sight]:
    """Return what the lab can learn: the GPUs of this machine."""
    return [Sight("facts", _facts)]


def _facts(world: World) -> Record:
    """Return the facts of this machine's GPUs, without what names a machine or a person."""
    found = _require_gpu(world)
    name = re.sub(r"[^a-z0-9]+", "-", named(found).lower()).strip("-")
    return Record(f"{PART}/{name}", named(found), world.today.isoformat(), dict(found))


def _require_gpu(world: World) -> Mapping[str, Any]:
    return world.once("GPUs", lambda: _record(world, ""))


def _environment(world: World) -> str:
    return world.environment.get(_OWN) or str(
        world.once(f"environment {_ENVIRONMENT}", lambda: conda.built(_ENVIRONMENT, world))[0]
    )


def _record(world: World, environment: str) -> Mapping[str, Any]:
    """Return what ``make test-gpu`` finds.

    Raises
    ------
    SkippedError
        This machine has no GPU.
    EvenkeelError
        It ended without a record.
    """
    path = world.folder / PART / ("frameworks.json" if environment else "facts.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    argv: list[str | Path] = [sys.executable, _RUN, "--record", path]
    done = world.run([*argv, "--environment", environment] if environment else argv)
    if done.returncode == _NO_GPU:
        raise SkippedError("this machine has no GPU on its PCI bus")
    if not path.exists():
        raise EvenkeelError(
            f"{_RUN.name} ended with status {done.returncode}: {done.stdout[-1000:]}", "Read what it says"
        )
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def verdict(key: str, record: Mapping[str, Any]) -> Result:
    """Return what a record says of a claim; pure."""
    on = named(record)
    problems = list(record["problems"])
    if key == "frameworks":
        if not record["frameworks"]:
            return judged(on, [*problems, "the environment has no framework that is known"])
        return judged(on, problems, ", ".join(_words(one) for one in record["frameworks"]))
    if key == "computation" and not record["gpus"]:
        problems = problems or ["CUDA found no GPU"]
    driver = record["facts"]["driver"].get("loaded") or "no driver"
    return judged(on, problems, f"driver {driver}, CUDA {record['cuda']}")


def named(record: Mapping[str, Any]) -> str:
    """Return the names of a record's GPUs, each once with its number."""
    names = [
        str(gpu.get("name") or gpu.get("device_id") or "a GPU") for gpu in record["gpus"] or record["facts"]["gpus"]
    ]
    return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))


def _words(framework: Mapping[str, Any]) -> str:
    return f"{framework.get('name', '?')} {framework.get('version', '')}".strip()
