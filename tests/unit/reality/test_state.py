# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from reality.claims import Claim, Result
from reality.state import STATE, State

ONE, TWO = (Claim(f"made/{name}", "made", f"{name} holds", "Made") for name in ("one", "two"))
OTHER = Claim("other/one", "other", "one holds", "Other")
RESULT = asdict(Result("proven", "a site", "", "2026-11-29T10:00:00+00:00", "1.0.0", 0.5))


def of(result: Any) -> str:
    return json.dumps({"format": 1, "parts": {"made": {"results": {"made/one": result}}}})


def test_a_state_is_read(tmp_path: Path) -> None:
    path = tmp_path / STATE
    path.write_text(of({**RESULT, "text": ONE.text}))
    assert State(path).of([ONE, TWO]) == {"made/one": Result(**RESULT)}
    path.write_text(of({**RESULT, "text": ONE.text, "more": 1}))
    assert State(path).of([ONE, TWO]) == {"made/one": Result(**RESULT)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"format": 2, "parts": {}}', "is of the form 2, and this version of Evenkeel reads 1"),
        ('{"format": 1', "is no state of a reality check: all of it"),
        ("[]", "is no state of a reality check: all of it"),
        ("[" * 100_000, "is no state of a reality check: all of it"),
        ("\udcff", "is no state of a reality check: all of it"),
        ('{"format": true, "parts": {}}', "is no state of a reality check: format"),
        ('{"format": 1, "parts": []}', "is no state of a reality check: parts"),
        ('{"format": 1, "parts": {"made": {}}}', "is no state of a reality check: parts.made"),
        ('{"format": 1, "parts": {"made": {"results": []}}}', "reality check: parts.made.results"),
        ('{"format": 1, "parts": {"a\\u001b": []}}', r"reality check: parts.a\\x1b"),
        ('{"format": 1, "parts": {}, "run": []}', "is no state of a reality check: run"),
        ('{"format": 1, "parts": {}, "run": {"parts": 3, "done": []}}', "is no state of a reality check: run.parts"),
        (of({"state": "proven"}), "is no state of a reality check: parts.made.results.made/one"),
        ('{"format": 1, "parts": {}, "run": {"parts": [], "done": [], "only": 1}}', "reality check: run.only"),
        (of({**RESULT, "text": 5}), "is no state of a reality check: parts.made.results.made/one.text"),
        (of({**RESULT, "on": 5}), "is no state of a reality check: parts.made.results.made/one.on"),
        (of({**RESULT, "state": "red"}), "is no state of a reality check: parts.made.results.made/one.state"),
        (of({**RESULT, "when": "soon"}), "is no state of a reality check: parts.made.results.made/one.when"),
        (of({**RESULT, "seconds": -1}), "is no state of a reality check: parts.made.results.made/one.seconds"),
    ],
)
def test_a_state_of_others_is_refused_and_can_be_forgotten(tmp_path: Path, text: str, said: str) -> None:
    path, content = tmp_path / STATE, text.encode("utf-8", "surrogateescape")
    path.write_bytes(content)
    with pytest.raises(EvenkeelError, match=said):
        State(path)
    assert path.read_bytes() == content
    assert State.anew(path, []).of([ONE]) == {}


def test_a_result_is_of_what_its_claim_said(tmp_path: Path) -> None:
    state, other = State(tmp_path / STATE), replace(ONE, text="one holds more")
    state.begin("made", [ONE], [ONE])
    state.keep(ONE, Result(**RESULT))
    assert (list(state.of([ONE])), list(state.settled([ONE]))) == (["made/one"], ["made/one"])
    assert (state.of([other]), state.settled([other])) == ({}, {})
    assert state.begin("made", [other, TWO], [other, TWO])
    assert state.of([ONE]) == {}


def test_some_claims_alone_are_forgotten(tmp_path: Path) -> None:
    state = State(tmp_path / STATE)
    state.begin("made", [ONE, TWO], [ONE, TWO])
    for claim in (ONE, TWO):
        state.keep(claim, Result(**RESULT))
    assert list(State.anew(tmp_path / STATE, [TWO]).of([ONE, TWO])) == ["made/one"]
    assert list(State.anew(tmp_path / STATE, [OTHER]).of([ONE, TWO])) == ["made/one", "made/two"]


def test_a_run_of_other_claims_is_another_run(tmp_path: Path) -> None:
    state = State(tmp_path / STATE)
    state.start(["made", "other"], "*/one")
    state.end("made")
    state.start(["made", "other"], "*/one")
    assert state.is_done("made")
    state.start(["made", "other"], "*/two")
    assert not state.is_done("made")
