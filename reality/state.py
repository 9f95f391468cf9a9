# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has found so far, on disk, so that the next one goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.json_values import json_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.schema import breach

from reality.claims import DIFFERS, PROVEN, STATES, Claim, Result

STATE = "state.json"
#: The version of its form.
FORMAT = 1
#: These answers are kept by a run that goes on; the others are asked again.
_SETTLED = (PROVEN, DIFFERS)


def _object(rules: Mapping[str, Any], *optional: str) -> dict[str, Any]:
    return {"type": "object", "required": [name for name in rules if name not in optional], "properties": rules}


def _each(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": rule}


_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_RESULT = {
    **{one.name: _TEXT for one in fields(Result)},
    "state": {"enum": STATES},
    "when": {"type": "string", "format": "date-time"},
    "seconds": {"type": "number", "minimum": 0},
}
#: A JSON schema.
_FORM = _object(
    {
        "format": {"const": FORMAT},
        "run": _object({"parts": _TEXTS, "done": _TEXTS}),
        "parts": _each(_object({"whole": {"type": "boolean"}, "results": _each(_object(_RESULT))})),
    },
    "run",
)


class State:
    """The results so far, on disk after each claim."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found: dict[str, Any] = read(path) if path.exists() else {"parts": {}, "run": _no_run()}
        self._parts: dict[str, dict[str, Any]] = found["parts"]
        self._run: dict[str, list[str]] = found["run"]

    @classmethod
    def anew(cls, path: Path, names: Iterable[str]) -> State:
        """Return a state that has forgotten some parts; one that can't be read is forgotten as a whole."""
        try:
            found = cls(path)
        except EvenkeelError:
            path.unlink()
            return cls(path)
        for name in names:
            found._parts.pop(name, None)
        found._run = _no_run()
        return found

    def start(self, names: Iterable[str]) -> None:
        """Start a run of some parts, or go on with the last one, where it was of the same parts and was stopped."""
        parts = list(names)
        if self._run["parts"] != parts or set(self._run["done"]) == set(parts):
            self._run = {"parts": parts, "done": []}

    def is_done(self, part: str) -> bool:
        """Return whether the run that goes on has asked all of a part."""
        return part in self._run["done"]

    def begin(self, part: str) -> bool:
        """Begin a part, and return whether that is anew: it has not run, or its last run was whole."""
        kept = self._parts.get(part)
        new = kept is None or kept["whole"]
        if new:
            self._parts[part] = {"whole": False, "results": {}}
            self._write()
        return new

    def settled(self, part: str) -> dict[str, Result]:
        """Return the results of a part that a run which goes on does not ask for again."""
        return {key: result for key, result in self.results([part]).items() if result.state in _SETTLED}

    def keep(self, claim: Claim, result: Result) -> None:
        """Keep a result."""
        self._parts[claim.part]["results"][claim.id] = asdict(result)
        self._write()

    def end(self, part: str) -> None:
        """Keep that all claims of a part have been asked, so that its next run begins anew."""
        self._parts[part]["whole"] = True
        self._run["done"] += [part] if part in self._run["parts"] else []
        self._write()

    def results(self, names: Iterable[str] = ()) -> dict[str, Result]:
        """Return all results, or those of some parts."""
        wanted = set(names) or set(self._parts)
        return {
            key: Result(**{name: one[name] for name in _RESULT})
            for name, part in self._parts.items()
            if name in wanted
            for key, one in part["results"].items()
        }

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": FORMAT, "run": self._run, "parts": self._parts})
        new = self._path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._path)


def _no_run() -> dict[str, list[str]]:
    return {"parts": [], "done": []}


def read(path: Path) -> dict[str, Any]:
    """Return the state in a file.

    Raises
    ------
    EvenkeelError
        It is none, or of a newer version.
    """
    found: Any = None
    with suppress(OSError, ValueError):
        found = json_of(path.read_bytes())
    version = found.get("format") if isinstance(found, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise EvenkeelError(
            f"{path} is of the form {version}, and this version of Evenkeel reads {FORMAT}",
            "Use the version that wrote it, or begin anew, with --fresh",
        )
    place = breach(found, _FORM)
    if place is not None:
        raise EvenkeelError(
            f"{path} is no state of a reality check: {in_one_line(place) or 'all of it'}", "Begin anew, with --fresh"
        )
    return {"run": _no_run(), **found}
