# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import unicodedata
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line, sanitise, sanitised

FILE = os.fsdecode(b"z\x1b]0;pwned\x07\x1b[2K\r\x1b[32mok: [n1]\x1b[0m.yml")
LATIN_1 = os.fsdecode(b"caf\xe9.txt")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/ana/Zoë/数据.txt", "/home/ana/Zoë/数据.txt"),
        ("a\tb\nc", "a\tb\nc"),
        (FILE, r"z\x1b]0;pwned\x07\x1b[2K\x0d\x1b[32mok: [n1]\x1b[0m.yml"),
        (LATIN_1, r"caf\xe9.txt"),
        ("\x7f \x9b2K \x85", r"\x7f \u009b2K \u0085"),
        ("a\u202eb\u2066c\u2069d\u2028e\u2029", r"a\u202eb\u2066c\u2069d\u2028e\u2029"),
        ("\ud800", r"\ud800"),
        (r"as it is: \x1b", r"as it is: \x1b"),
        ("\ufe0f\u200d👩", "\ufe0f\u200d👩"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out_once(text: str, shown: str) -> None:
    assert sanitise(text) == shown
    assert sanitise(shown) == shown
    assert str(EvenkeelError(text, "Remove it")) == f"{shown.strip()}. Remove it."


def test_no_control_character_is_left() -> None:
    every = "".join(map(chr, range(0x110000)))
    left = {character for character in sanitise(every) if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")}
    assert left == {"\t", "\n"}


def test_names_of_keys_and_all_that_is_nested() -> None:
    found: dict[str, Any] = {FILE: [{"kept": ({LATIN_1: True},)}], "count": 3, "none": None, "ratio": 0.5}
    shown = sanitised(found)
    assert shown == {
        sanitise(FILE): [{"kept": [{r"caf\xe9.txt": True}]}],
        "count": 3,
        "none": None,
        "ratio": 0.5,
    }
    json.dumps(shown, ensure_ascii=False).encode()
    assert sanitised(shown) == shown


def test_data_of_programs_stays_what_json_can_hold() -> None:
    found = {"found": {"files": [{"text": "\x1b\u202e", "path": LATIN_1}]}, "shown": "\x1b"}
    assert sanitised(found, ("found",)) == {
        "found": {"files": [{"text": "\x1b\u202e", "path": r"caf\xe9.txt"}]},
        "shown": r"\x1b",
    }


def test_a_message_of_one_line_can_not_pass_for_two() -> None:
    assert in_one_line("in a\nok: [n1]\x1b[0m") == r"in a ok: [n1]\x1b[0m"
