# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.selectors import (
    NAMES,
    are_used,
    holds,
    is_selector,
    of_key,
    selected,
)


@pytest.mark.parametrize(
    ("selector", "platforms"),
    [
        ("linux", "linux-64 linux-aarch64 linux-ppc64le"),
        ("linux64", "linux-64"),
        ("linux-64", "linux-64"),
        ("aarch64", "linux-aarch64"),
        ("unix", "linux-64 linux-aarch64 linux-ppc64le osx-64 osx-arm64"),
        ("osx", "osx-64 osx-arm64"),
        ("arm64", "osx-arm64"),
        ("win", "win-64"),
        ("not win", "linux-64 linux-aarch64 linux-ppc64le osx-64 osx-arm64"),
        ("linux and x86_64", "linux-64"),
        ("osx or win", "osx-64 osx-arm64 win-64"),
        ("linux and not aarch64 or win", "linux-64 linux-ppc64le win-64"),
    ],
)
def test_where_a_selector_holds(selector: str, platforms: str) -> None:
    assert is_selector(selector)
    assert " ".join(platform for platform in NAMES if holds(selector, platform)) == platforms


@pytest.mark.parametrize("text", ["", "1", "gpu", "py>=3.8", "linux osx", "not", "linux and", "or win", "not (win)"])
def test_what_is_no_selector(text: str) -> None:
    assert not is_selector(text)


@pytest.mark.parametrize(("key", "selector"), [("sel(linux)", "linux"), ("sel()", ""), ("pip", None), (1, None)])
def test_keys_of_mamba(key: object, selector: str | None) -> None:
    assert of_key(key) == selector


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("  - numpy", True),
        ("  - numpy  # [linux]", True),
        ("  - numpy # fast [linux64] indeed", True),
        ("  - numpy #[unix]", True),
        ("  - numpy # [win]", False),
        ("  - numpy # [not linux]", False),
        # comments of another kind, as for conda
        ("  - numpy # see [1]", True),
        ("  - numpy # [gpu]", True),
        ("  - numpy # [win] (not yet)", True),
        ("  # - numpy # [win]", True),
        ("  - numpy#[win]", True),
        ("  - tool @ git+https://git.example/tool#egg=tool[win]", True),
    ],
)
def test_lines(line: str, stays: bool) -> None:
    assert selected(line, "linux-64") == (f"{line}\n" if stays else "\n")


def test_what_is_nested_below_goes_with_its_line_and_lines_keep_their_numbers() -> None:
    text = "dependencies:\n  - a\n  - pip:  # [win]\n    - b\n\n    - c\n  - d  # [linux]\n"
    assert selected(text, "linux-64") == "dependencies:\n  - a\n\n\n\n\n  - d  # [linux]\n"
    assert selected(text, "win-64") == "dependencies:\n  - a\n  - pip:  # [win]\n    - b\n\n    - c\n\n"


def test_whether_a_file_has_any() -> None:
    assert are_used("a\nb # [osx]\n")
    assert not are_used("a\nb # [1]\n")
