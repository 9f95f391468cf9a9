# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.upstream import recorded

ABOUT = {"kind": recorded.KIND, "format": recorded.FORMAT, "name": "a", "source": "b", "date": "c"}


def put(folder: Path, content: bytes | str) -> Path:
    path = folder / "a.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("content", ["", "[]", "null", "[" * 100_000, '{"data":' * 100_000, b"\xff", json.dumps(ABOUT)])
def test_what_is_no_record_is_named(tmp_path: Path, content: bytes | str) -> None:
    with pytest.raises(LabError, match=r"a\.json is no record of the real thing"):
        recorded.read(put(tmp_path, content))


@pytest.mark.parametrize(
    ("data", "says"),
    [({}, "it lacks 'b'"), ([], "list indices must be"), ({"b": "1\n"}, "'1\\\\n' is no line of text")],
)
def test_a_record_that_can_not_be_used_is_named(tmp_path: Path, data: object, says: str) -> None:
    path = put(tmp_path, json.dumps({**ABOUT, "data": data}))
    with pytest.raises(LabError, match=rf"a\.json can't be used: {says}"):
        recorded.used(path, lambda seen: recorded.checked(recorded.LINE, seen["b"], "line of text"))
    assert recorded.used(tmp_path / "none.json", str) is None
