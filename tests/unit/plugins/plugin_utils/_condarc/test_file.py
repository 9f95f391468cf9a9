# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.file import exact, is_ours, parse
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.merge import merged

DATA = Path(__file__).parents[1] / "data" / "condarc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# nothing\n", {}),
        ("offline: true\n", {"offline": True}),
        ("channels:\n- a\n- b\n", {"channels": ["a", "b"]}),
        ("channels:\n", {"channels": None}),
        ("x: &x [a]\nchannels: *x\n", {"x": ["a"], "channels": ["a"]}),
        ("default_python: '3.10'\nauto_stack: 1\n", {"default_python": "3.10", "auto_stack": 1}),
        ("1: 2.5\n", {"1": 2.5}),
    ],
)
def test_values_are_plain(text: str, expected: dict[str, Any]) -> None:
    assert {name: setting.value for name, setting in parse(text, "f").items()} == expected


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("offline: true  #!final\n", "final"),
        ("offline: true  #final\n", "final"),
        ("offline: true  #!final\n\n", "final"),
        ("offline: true  # !final\n", ""),
        ("offline: true  # final\n", ""),
        # conda takes the line below for a part of the mark, and then sees none.
        ("offline: true  #!final\n# why\nquiet: true\n", ""),
        ("offline: #!final\n  - a\n", "final"),
        ("offline: #!final\n  # why\n  - a\n", ""),
        ("offline: [a]  #!final\n", "final"),
    ],
)
def test_a_pin_is_seen_where_conda_sees_it(text: str, flag: str) -> None:
    assert parse(text, "f")["offline"].flag == flag


def test_items_and_entries_have_flags_of_their_own() -> None:
    found = parse("channels:\n  - a  #!top\n  - b\ncustom_channels:\n  a: http://x  #!final\n", "f")
    assert [part.flag for part in found["channels"].parts.values()] == ["top", ""]
    assert found["custom_channels"].parts["a"].flag == "final"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("channels: [a\n b: c\n", r"^/f, line 2: "),
        ("offline: true: false\n", r"^/f, line 1: mapping values are not allowed"),
        ("offline: true\noffline: false\n", r'^/f, line 2: found duplicate key "offline"'),
        ("- a\n", r"^/f does not hold keys and values"),
        ("hello\n", r"^/f does not hold keys and values"),
        ("a: \x07\n", r"^/f: "),
        ("a: 1\n---\nb: 2\n", r"^/f, line 2: "),
        ("a: http://ann:hush@p\na: http://ann:hush@q\n", r"^/f, line 2: found duplicate key"),
    ],
)
def test_what_is_no_configuration_is_told_with_its_line(text: str, words: str) -> None:
    with pytest.raises(EvenkeelError, match=words) as error:
        parse(text, "/f")
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param((DATA / "bomb.condarc").read_text(), "line 4: it holds more than 5000 values", id="bomb"),
        pytest.param((DATA / "cycle.condarc").read_text(), "line 1: an alias refers to a value that", id="cycle"),
        pytest.param((DATA / "deep.condarc").read_text(), "line 1: it is nested too deeply", id="deep in one line"),
        pytest.param("a: " + "[\n" * 400 + "]" * 400, "it is nested", id="deep in many lines"),
        pytest.param("- " * 400, "it is nested more than 20 deep", id="deep in a block"),
        pytest.param("a: " + "[" * 20 + "]" * 20, "line 1: it is nested more than 20 deep", id="too deep"),
        pytest.param(
            "".join(f"a{n}: &a{n} [{f'*a{n - 1}' if n else 'x'}]\n" for n in range(30)),
            "it is nested more than 20 deep",
            id="deep through aliases",
        ),
        pytest.param("a: &a\n  <<: *a\n", "an alias refers to a value that contains it", id="a map of itself"),
        pytest.param("a:\n" + "- x\n" * 5000, "line 2: it holds more than 5000 values", id="long list"),
        pytest.param(f"a: {'x' * 2049}", "line 1: a value has more than 2048 characters", id="long text"),
        pytest.param(f"a: {'9' * 5000}", "line 1: a value has more than 2048 characters", id="long number"),
        pytest.param("a: !!set {b}\n", "line 1: it has the tag !!set", id="tag"),
        pytest.param("a: !<tag:x,2000:y> b\n", "line 1: it has the tag tag:x,2000:y", id="somebody's tag"),
        pytest.param("a: !!int b\n", "invalid literal", id="tag of a wrong value"),
        pytest.param("a: 2001-99-99\n", "month must be in", id="no date"),
        pytest.param("? [a, {b: c}]\n: d\n", "unhashable", id="key that is none"),
    ],
)
def test_what_would_grow_beyond_limits_is_refused(text: str, words: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^/f.*{re.escape(words)}"):
        parse(text, "/f")


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda text: parse(text, "/f"), id="read"),
        pytest.param(lambda text: merged(text, "/f", {"c": 1}, [], []), id="merged"),
    ],
)
@pytest.mark.parametrize(
    "text", ["a: &x b\nc: &x d\u202e\n", "%YAML 1.1\n---\na: 1e5\n"], ids=["anchor twice", "number of an old YAML"]
)
def test_the_library_writes_nothing_of_the_text_to_the_terminal(read: Callable[[str], Any], text: str) -> None:
    with warnings.catch_warnings(record=True) as written:
        warnings.simplefilter("always")
        read(text)
    assert not written


def test_aliases_within_limits_are_filled_in() -> None:
    found = parse("x: &x {a: 1}\ny:\n  <<: *x\n  b: 2\nz: [*x, *x]\n", "f")
    assert found["z"].value == [{"a": 1}, {"a": 1}]
    assert dict(found["y"].value) == {"a": 1, "b": 2}


def test_an_exact_file_says_whose_it_is_and_is_read_back() -> None:
    settings = {"channels": ["a", "b"], "custom_channels": {}, "offline": True, "default_python": "3.10"}
    text = exact(settings, ["channels", "offline"])
    assert is_ours(text)
    assert not is_ours("channels: []\n")
    found = parse(text, "f")
    assert {name: setting.value for name, setting in found.items()} == settings
    assert [name for name, setting in found.items() if setting.flag] == ["channels", "offline"]
