# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.mistakes import SHOWN, Mistakes

FILE = Path("environment.yml")


def collected(*texts: str) -> Mistakes:
    mistakes = Mistakes(FILE)
    for text in texts:
        with mistakes.collected():
            raise EvenkeelError(f"{FILE}: {text} is wrong", f"Leave {text} out")
    return mistakes


def test_none() -> None:
    collected().require_none()


def test_one_is_raised_as_it_was() -> None:
    with pytest.raises(EvenkeelError, match=r"^environment\.yml: a is wrong\. Leave a out\.$"):
        collected("a", "a").require_none()


def test_several_are_a_list() -> None:
    with pytest.raises(EvenkeelError) as error:
        collected("a", "b", "a").require_none()
    assert str(error.value) == (
        "environment.yml has 2 mistakes:\n- a is wrong. Leave a out.\n- b is wrong. Leave b out. "
        "Correct them, then run again."
    )


def test_a_list_fits_a_screen() -> None:
    with pytest.raises(EvenkeelError) as error:
        collected(*map(str, range(SHOWN + 7))).require_none()
    assert str(error.value).splitlines()[-1] == "- and 7 more. Correct them, then run again."


def test_other_errors_are_not_kept() -> None:
    with pytest.raises(ValueError, match="x"), Mistakes(FILE).collected():
        raise ValueError("x")
