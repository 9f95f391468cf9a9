# SPDX-License-Identifier: GPL-3.0-or-later
"""Jupyter's protocol: what a kernel's messages say about a cell."""

from __future__ import annotations

from typing import Any

import pytest

from lab.errors import LabError
from lab.people import notebook

REQUEST = notebook.execute_request("print(1)")
OURS = REQUEST["header"]["msg_id"]


def message(kind: str, parent: str = OURS, **content: Any) -> dict[str, Any]:
    return {"header": {"msg_type": kind}, "parent_header": {"msg_id": parent} if parent else {}, "content": content}


BUSY = message("status", execution_state="busy")
IDLE = message("status", execution_state="idle")


@pytest.mark.parametrize(
    ("messages", "output"),
    [
        pytest.param([BUSY, IDLE], "", id="silent"),
        pytest.param([message("stream", name="stdout", text="1\n"), IDLE], "1\n", id="a line"),
        pytest.param(
            [message("stream", name="stdout", text=text) for text in ("a", "b")] + [IDLE], "ab", id="in two pieces"
        ),
        pytest.param([message("stream", name="stderr", text="warning"), IDLE], "", id="standard error"),
        pytest.param(
            [message("status", "", execution_state="idle"), message("stream", name="stdout", text="1"), IDLE],
            "1",
            id="idle before the cell",
        ),
        pytest.param(
            [message("stream", "another", name="stdout", text="no"), message("error", "another"), IDLE],
            "",
            id="another cell's",
        ),
    ],
)
def test_output(messages: list[dict[str, Any]], output: str) -> None:
    assert notebook.output_of(REQUEST, iter(messages)) == output


@pytest.mark.parametrize(
    ("messages", "failure"),
    [
        pytest.param([message("error", ename="ValueError", evalue="no"), IDLE], "ValueError: no", id="exception"),
        pytest.param([message("status", "", execution_state="dead")], "the kernel died", id="death"),
        pytest.param([message("status", "", execution_state="restarting"), IDLE], "the kernel died", id="restart"),
        pytest.param([BUSY], "the kernel died", id="end of messages"),
    ],
)
def test_failure(messages: list[dict[str, Any]], failure: str) -> None:
    with pytest.raises(LabError, match=failure):
        notebook.output_of(REQUEST, iter(messages))


def test_requests_can_be_told_apart() -> None:
    assert notebook.execute_request("print(1)")["header"]["msg_id"] != OURS
