# SPDX-License-Identifier: GPL-3.0-or-later
"""Name, time and labels of an image."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image import labels
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image.buildah import Base

BASE = Base("debian:12", "1d", "sha256:d1")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("ai", ("ai", "latest")),
        ("ai:1", ("ai", "1")),
        ("localhost:5000", ("localhost", "5000")),
        ("team__a/b--c.d", ("team__a/b--c.d", "latest")),
        ("localhost/team/ai:1.2", ("localhost/team/ai", "1.2")),
        ("registry.example:5000/ai", ("registry.example:5000/ai", "latest")),
        ("registry.example:5000/ai:1", ("registry.example:5000/ai", "1")),
    ],
)
def test_a_name_and_its_tag(reference: str, expected: tuple[str, str]) -> None:
    assert labels.split(reference) == expected


@pytest.mark.parametrize(
    "reference", ["", "AI", "a b", "ai:", "ai@sha256:ab", "../ai", "ai/", "docker://ai", "a..b", "a._b"]
)
def test_what_names_no_image(reference: str) -> None:
    with pytest.raises(EvenkeelError, match="image_name is"):
        labels.split(reference)


def test_the_time_is_that_of_the_newest_commit_of_the_locks(tmp_path: Path) -> None:
    locks = []
    for number, when in enumerate(("2026-01-01T00:00:00+00:00", "2026-01-03T00:00:00+00:00", "2026-01-02T00:00:00Z")):
        locks.append(tmp_path / str(number) / "conda-lock.yml")
        locks[-1].parent.mkdir()
        locks[-1].write_text(str(number))
        for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=x"]):
            subprocess.run(
                ["git", "-C", locks[-1].parent, *arguments],
                check=True,
                env={
                    "GIT_AUTHOR_NAME": "Ana",
                    "GIT_AUTHOR_EMAIL": "ana@site.example",
                    "GIT_COMMITTER_NAME": "Ana",
                    "GIT_COMMITTER_EMAIL": "ana@site.example",
                    "GIT_COMMITTER_DATE": when,
                    "HOME": str(tmp_path),
                    "PATH": "/usr/bin:/bin",
                },
            )
    assert labels.made(locks, {}) == 1767398400
    assert labels.made(locks, {"SOURCE_DATE_EPOCH": "5"}) == 5
    assert labels.made([tmp_path / "nowhere" / "conda-lock.yml"], {}) == 0


@pytest.mark.parametrize("given", ["now", "-1", "1e9", " 5", "\N{ARABIC-INDIC DIGIT THREE}", "253402300800"])
def test_a_time_that_no_image_can_have(given: str) -> None:
    with pytest.raises(EvenkeelError, match="SOURCE_DATE_EPOCH is "):
        labels.made([], {"SOURCE_DATE_EPOCH": given})


def test_environments_are_described_and_the_operator_wins() -> None:
    origin = {"sha256": "10c4", "commit": "c0", "dirty": True, "sources": ["http://10.0.0.1"]}
    found = labels.of(
        {"org.opencontainers.image.title": "AI", "n": 1, "none": None},
        BASE,
        [{"name": "ai", "digest": "d", "origin": origin}],
        0,
    )
    assert found == {
        "org.opencontainers.image.created": "1970-01-01T00:00:00Z",
        "org.opencontainers.image.base.name": "debian:12",
        "org.opencontainers.image.base.digest": "sha256:d1",
        "org.opencontainers.image.title": "AI",
        "io.evenkeel.environment.ai.digest": "d",
        "io.evenkeel.environment.ai.lock": "10c4",
        "io.evenkeel.environment.ai.commit": "c0",
        "io.evenkeel.environment.ai.dirty": "true",
        "n": "1",
        "none": "",
    }
