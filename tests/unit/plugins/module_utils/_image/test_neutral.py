# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes of equal environments are equal, wherever their packages came from and whenever."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._image import neutral

SIX = Package(
    "six", "1.17.0", "py_0", "ab" * 32, url="https://repo.anaconda.com/pkgs/main/noarch/six-1.17.0-py_0.conda"
)
MADE = 1_700_000_000


def built(prefix: Path, mirror: str, time: str) -> Path:
    """Make an environment as a mirror gives it."""
    meta = prefix / "conda-meta"
    meta.mkdir(parents=True)
    url = f"{mirror}/noarch/six-1.17.0-py_0.conda"
    fields = {"name": "six", "version": "1.17.0", "build": "py_0", "sha256": SIX.sha256}
    (meta / "six-1.17.0-py_0.json").write_text(json.dumps({**fields, "url": url, "channel": f"{mirror}/noarch"}))
    (meta / "history").write_text(
        f"==> {time} <==\n# cmd: evenkeel\n+{mirror}/noarch::six-1.17.0-py_0\n# update specs: six\n"
    )
    origin = {"file": "conda-lock.yml", "commit": "c0ffee", "sources": [mirror]}
    made = Generation(str(prefix), (SIX,), created=time, installer="rattler", number=1, origin=origin)
    generation.write(made, str(prefix))
    return prefix


def named(texts: dict[str, str], prefix: Path) -> dict[str, str]:
    return {str(Path(path).relative_to(prefix)): text for path, text in texts.items()}


def test_time_and_mirror_leave_nothing(tmp_path: Path) -> None:
    one = built(tmp_path / "one", "http://10.0.0.1/main", "2026-01-01 10:00:00")
    two = built(tmp_path / "two", "https://mirror.example/anaconda/main", "2026-02-02 20:00:00")
    found = named(neutral.environment(str(one), MADE), one)
    assert found == named(neutral.environment(str(two), MADE), two)
    text = "".join(found.values())
    assert "10.0.0.1" not in text
    assert "2026-" not in text
    assert "+https://repo.anaconda.com/pkgs/main/noarch::six-1.17.0-py_0" in found["conda-meta/history"]


def test_the_notes_are_those_of_an_intact_environment(tmp_path: Path) -> None:
    prefix = built(tmp_path / "one", "http://10.0.0.1/main", "2026-01-01 10:00:00")
    before = generation.read(str(prefix))
    for path, text in neutral.environment(str(prefix), MADE).items():
        Path(path).write_text(text)
    after = generation.read(str(prefix))
    assert before is not None
    assert after is not None
    assert generation.intact(after, generation.inspect(after))
    assert after.created == "2023-11-14T22:13:20+00:00"
    assert after.origin == {"file": "conda-lock.yml", "commit": "c0ffee"}
    assert after.records != before.records
    changed = {"created": "", "origin": {}, "records": None}
    assert replace(after, **changed) == replace(before, **changed)  # type: ignore[arg-type]


def test_a_distribution_says_not_where_it_came_from(tmp_path: Path) -> None:
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    noted = {"number": 1, "url": "http://me:secret@10.0.0.1/Miniconda3.sh", "without_terms": ["http://10.0.0.1/main"]}
    (meta / "evenkeel").write_text(json.dumps(noted))
    (meta / "history").write_text("==> 2026-01-01 10:00:00 <==\n")
    found = neutral.distribution(str(tmp_path), MADE)
    assert json.loads(found[str(meta / "evenkeel")]) == {"number": 1}
    assert found[str(meta / "history")] == "==> 2023-11-14 22:13:20 <==\n"
