# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import watched_run
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.watched_run import EXPANSION, Seen, run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.transfer import MOST_BYTES, SLACK_BYTES, SLOWEST

NUMPY = Package("numpy", "2.3.1", "0", "cd" * 32, url="https://m.example/linux-64/numpy-2.3.1-0.conda", size=10)
EINOPS = Package("einops", "0.8.1", "", "12" * 32, PIP, size=10)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_run, "POLL_SECONDS", 0.01)


def sparse(path: Path, size: int) -> None:
    """Make a file that has a size and takes no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.truncate(size)


@pytest.mark.parametrize(
    ("size", "brought", "outgrown"),
    [(10, 10 + SLACK_BYTES, False), (10, 11 + SLACK_BYTES, True), (0, MOST_BYTES, False), (0, MOST_BYTES + 1, True)],
)
def test_conda(tmp_path: Path, size: int, brought: int, outgrown: bool) -> None:
    package = replace(NUMPY, size=size)
    assert watched_run.seen_of_conda(str(tmp_path), [package]) == Seen()
    sparse(tmp_path / "numpy-2.3.1-0.conda.partial", brought)
    seen = watched_run.seen_of_conda(str(tmp_path), [package])
    assert seen.unfinished == {NUMPY.url: brought}
    assert seen.outgrown.startswith(f"{NUMPY.url} sends more than the " if outgrown else "")
    assert bool(seen.outgrown) == outgrown


@pytest.mark.parametrize(
    ("size", "brought", "outgrown"),
    [
        (10, 10 * EXPANSION + SLACK_BYTES, False),
        (10, 10 * EXPANSION + SLACK_BYTES + 1, True),
        (0, MOST_BYTES, False),
        (0, MOST_BYTES + 1, True),
    ],
)
def test_uv(tmp_path: Path, size: int, brought: int, outgrown: bool) -> None:
    package = replace(EINOPS, size=size)
    sparse(tmp_path / "archive-v0" / "whole" / "file", MOST_BYTES * 2)
    assert watched_run.seen_of_uv(str(tmp_path), [package], "").unfinished == {}
    sparse(tmp_path / ".tmpAbC" / "deep" / "file", brought)
    seen = watched_run.seen_of_uv(str(tmp_path), [package], "https://index.example/simple")
    assert list(seen.unfinished.values()) == [brought]
    said = "einops from https://index.example/simple, unpacked, sends more than the "
    assert seen.outgrown.startswith(said if outgrown else "")
    assert bool(seen.outgrown) == outgrown


def test_without_a_cache_nothing_is_seen(tmp_path: Path) -> None:
    assert watched_run.seen_of_uv(str(tmp_path / "none"), [EINOPS], "").unfinished == {}


def test_a_program_that_ends_is_told_in_its_own_words() -> None:
    argv = ["sh", "-c", 'echo "$word"; echo err >&2; exit 3']
    assert run(argv, {"word": "out"}, 2, 60) == (3, "out\n", "err\n")


def growing(step: int) -> Iterator[Seen]:
    """Yield a download that brings ``step`` bytes at a time."""
    size = 0
    while True:
        yield Seen({"https://m.example/a.conda": size})
        size += step


def test_a_download_that_is_too_slow_ends_its_program() -> None:
    seen = growing(1)
    status, _, error = run(["sleep", "60"], {}, 2, 0.1, lambda: next(seen))
    assert status != 0
    assert error.startswith("https://m.example/a.conda sent ")
    assert error.endswith(": check the mirror, or choose another one")
    assert f"less than {SLOWEST} bytes a second is given up" in error


def test_a_download_that_outgrows_its_package_ends_its_program() -> None:
    status, _, error = run(["sleep", "60"], {}, 2, 60, lambda: Seen({"a": 1}, outgrown="a brings more"))
    assert status != 0
    assert error == "a brings more: check the mirror, or choose another one"


def test_what_is_slow_is_named_for_people() -> None:
    _, _, error = run(["sleep", "60"], {}, 2, 0.05, lambda: Seen({"/pkgs/uv/.tmpAbC": 5}, "einops from the index"))
    assert error.startswith("einops from the index ")


@pytest.mark.parametrize("step", [None, SLOWEST])
def test_a_program_that_downloads_nothing_or_fast_may_take_its_time(tmp_path: Path, step: int | None) -> None:
    looks, seen = 0, growing(step or 0)

    def look() -> Seen:
        nonlocal looks
        looks += 1
        if looks == 20:
            (tmp_path / "go").touch()
        return next(seen) if step else Seen()

    argv = ["sh", "-c", f"until test -e {tmp_path}/go; do sleep 0.01; done; echo done"]
    assert run(argv, {}, 2, 0.05, look) == (0, "done\n", "")
