# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.solver_report import COLUMNS, LINES, report

CONFLICT = """\
The following packages are incompatible
├─ b * can be installed with any of the following options:
│  └─ b 1.0 would require
│     └─ idna >=3.11, which can be installed with any of the following options:
│        └─ idna 3.20
└─ a * cannot be installed because there are no viable options:
   └─ a 1.0 would require
      └─ idna <3.11, which cannot be installed because there are no viable options:
         └─ idna 3.10, which conflicts with the versions reported above."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "evenkeel" / "unsolved"


@pytest.mark.parametrize(
    ("explanation", "shown"),
    [
        (
            "Cannot solve the request because of: No candidates were found for nope *.\n",
            "No candidates were found for nope *.",
        ),
        (f"Cannot solve the request because of: {CONFLICT}\n", CONFLICT),
        (
            "torch * cuda* cannot be installed because there are no viable options:\n"
            "├─ torch 2.4 | 2.5 would require\n"
            "│  └─ python >=3.8,<3.9.0a0, for which no candidates were found.\n"
            "├─ torch 2.4 | 2.5 would require\n"
            "│  └─ numpy <2, for which no candidates were found.\n"
            "├─ torch 2.4 | 2.5 would require\n"
            "│  └─ __cuda *, for which no candidates were found.\n"
            "└─ torch 2.4 | 2.5 would require\n"
            "   └─ python >=3.9,<3.10.0a0, for which no candidates were found.\n",
            "torch * cuda* cannot be installed because there are no viable options:\n"
            "└─ torch 2.4 | 2.5 would require\n"
            "   ├─ __cuda *, for which no candidates were found.\n"
            "   ├─ numpy <2, for which no candidates were found.\n"
            "   └─ python >=3.8,<3.9.0a0 (and 1 more), for which no candidates were found.",
        ),
        (
            "a * cannot be installed:\n├─ a 1 would require\n│  └─ python <3, which python 3.12.* excludes.\n"
            "└─ a 2 would require\n   └─ b, for which no candidates were found.\n",
            "a * cannot be installed:\n├─ a 2 would require\n│  └─ b, for which no candidates were found.\n"
            "└─ a 1 would require\n   └─ python <3, which python 3.12.* excludes.",
        ),
    ],
    ids=["one line", "conflict", "repetitions", "order"],
)
def test_what_fits_on_a_screen_is_shown_without_repetitions(explanation: str, shown: str, cache: Path) -> None:
    assert report(explanation, "x") == shown
    assert not cache.exists()


@pytest.mark.parametrize(
    "explanation",
    ["a * cannot be installed:\n" + "".join(f"├─ a {n} is excluded\n" for n in range(LINES)), f"a {'1.0 | ' * 100}1.0"],
    ids=["long", "wide"],
)
def test_the_rest_is_in_a_file(explanation: str, cache: Path) -> None:
    *lines, last = report(explanation, "x").splitlines()
    assert len(lines) <= LINES
    assert all(len(line) <= COLUMNS + len(" ... ") for line in lines)
    assert last == f"All that the solver says is in {cache / 'x.txt'}"
    assert (cache / "x.txt").read_text() == f"{explanation.rstrip()}\n"


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert report("x " * COLUMNS, "x").splitlines()[-1] == "..."
