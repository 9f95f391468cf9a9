# SPDX-License-Identifier: GPL-3.0-or-later
"""What is run in a child: its answer, its errors, and what is said when it dies or hangs."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.child import has_threads_of_its_own, in_child

CANNOT = f"The Python of Ansible on the control node, {sys.executable}, can't import what it has"
WHAT = "The index of https://mirror.example/main could not be read"


@pytest.mark.parametrize("answer", [None, [], {"a": Package("hello", "1", "0", "", "")}, "x" * (1 << 20)])
def test_an_answer_comes_back(answer: object) -> None:
    assert in_child(lambda: answer, WHAT, 60) == answer


def fail() -> NoReturn:
    raise EvenkeelError("There is no channel main", "Name another")


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def go_wrong() -> NoReturn:
    raise KeyError("sha256")


def lack() -> NoReturn:
    raise ImportError("cannot import name 'Gateway' from 'rattler'")


def hang() -> None:
    time.sleep(600)


@pytest.mark.parametrize(
    ("function", "seconds", "words"),
    [
        (fail, 60, "There is no channel main. Name another."),
        (die, 60, f"{WHAT}: what read it was ended by signal 9"),
        (go_wrong, 60, "KeyError: 'sha256'"),
        (lack, 60, f"{CANNOT} (ImportError: cannot import name 'Gateway' from 'rattler'). Install"),
        (hang, 0.1, f"{WHAT} within 0 seconds"),
    ],
)
def test_what_went_wrong_is_an_error_here(function: object, seconds: float, words: str) -> None:
    with pytest.raises(EvenkeelError) as error:
        in_child(function, WHAT, seconds)  # type: ignore[arg-type]
    assert str(error.value).startswith(words)


def test_threads_are_known_by_their_names() -> None:
    assert has_threads_of_its_own(Path("/proc/self/comm").read_text().strip())
    assert not has_threads_of_its_own("no thread of this name")
