# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has found so far, on disk, so that the next one goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
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
        "run": _object({"parts": _TEXTS, "only": _TEXT, "done": _TEXTS}, "only"),
        "parts": _each(_object({"results": _each(_object({**_RESULT, "text": _TEXT}, "text"))})),
    },
    "run",
)


class State:
    """The results so far, on disk after each claim."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found: dict[str, Any] = read(path) if path.exists() else {"parts": {}, "run": _no_run()}
        self._parts: dict[str, dict[str, Any]] = found["parts"]
        self._run: dict[str, Any] = {**_no_run(), **found["run"]}

    @classmethod
    def anew(cls, path: Path, claims: Iterable[Claim]) -> State:
        """Return a state that has forgotten some claims; one that can't be read is forgotten as a whole."""
        try:
            found = cls(path)
        except EvenkeelError:
            path.unlink()
            return cls(path)
        for claim in claims:
            found._parts.get(claim.part, {"results": {}})["results"].pop(claim.id, None)
        found._run = _no_run()
        return found

    def start(self, names: Iterable[str], only: str = "*") -> None:
        """Start a run of some parts, or go on with the last one, where it asked for the same and was stopped."""
        parts = list(names)
        if (self._run["parts"], self._run["only"]) != (parts, only) or set(self._run["done"]) == set(parts):
            self._run = {"parts": parts, "only": only, "done": []}

    def is_done(self, part: str) -> bool:
        """Return whether the run that goes on has asked all of a part."""
        return part in self._run["done"]

    def begin(self, part: str, claims: Sequence[Claim], asked: Sequence[Claim]) -> bool:
        """Begin to ask some claims of a part, and return whether that is anew: none or all of them have an answer.

        The others keep their results, but for those of claims that say something else by now.
        """
        texts = {claim.id: claim.text for claim in claims}
        kept = self._parts.get(part, {}).get("results", {})
        results = {key: one for key, one in kept.items() if one.get("text") == texts.get(key, "")}
        answered = [claim.id for claim in asked if claim.id in results]
        new = len(answered) in (0, len(asked))
        if new:
            results = {key: one for key, one in results.items() if key not in answered}
        self._parts[part] = {"results": results}
        self._write()
        return new

    def settled(self, claims: Iterable[Claim]) -> dict[str, Result]:
        """Return the results that a run which goes on does not ask for again."""
        return {key: result for key, result in self.of(claims).items() if result.state in _SETTLED}

    def keep(self, claim: Claim, result: Result) -> None:
        """Keep a result."""
        self._parts[claim.part]["results"][claim.id] = {**asdict(result), "text": claim.text}
        self._write()

    def end(self, part: str) -> None:
        """Keep that a run has asked all of a part, so that it does not ask again when it goes on with the next one."""
        self._run["done"] += [part] if part in self._run["parts"] else []
        self._write()

    def of(self, claims: Iterable[Claim]) -> dict[str, Result]:
        """Return the results of claims that say what they said when they were asked."""
        kept = {key: one for part in self._parts.values() for key, one in part["results"].items()}
        return {
            claim.id: Result(**{name: kept[claim.id][name] for name in _RESULT})
            for claim in claims
            if kept.get(claim.id, {}).get("text") == claim.text
        }

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": FORMAT, "run": self._run, "parts": self._parts})
        new = self._path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._path)


def _no_run() -> dict[str, Any]:
    return {"parts": [], "only": "*", "done": []}


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
