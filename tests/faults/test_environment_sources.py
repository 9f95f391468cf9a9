# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role conda_environments does with sources that are wrong: it reports them, and no node changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.conftest import CHANNEL, Answer, Node

IDNA = f"{CHANNEL}/noarch/idna-3.10-py_0.conda"
HASH, MD5 = "ab" * 32, "cd" * 16
ENVIRONMENT = "channels: [defaults]\ndependencies: [python=3.11]\n"


def lock(**metadata: object) -> str:
    """Return a lock that conda-lock could have written, with other ``metadata``."""
    platform = metadata.pop("platform", "linux-64")
    entry = {
        "name": "idna",
        "version": "3.10",
        "manager": "conda",
        "platform": platform,
        "dependencies": {},
        "url": IDNA,
        "hash": {"sha256": HASH},
    }
    known = {"content_hash": {platform: HASH}, "channels": [{"url": CHANNEL}], "platforms": [platform], "sources": []}
    return json.dumps({"version": 1, "metadata": {**known, **metadata}, "package": [entry]})


def pip(requirement: str) -> str:
    """Return an environment.yml that asks pip for something."""
    dependencies = ["python=3.11", {"pip": [requirement]}]
    return json.dumps({"channels": ["defaults"], "dependencies": dependencies})


class Bad(NamedTuple):
    """A source that is wrong."""

    #: ``environment``, ``lock`` or ``explicit``; the file of the environment's name when empty.
    kind: str
    #: By name, in the folder of the environment.
    files: dict[str, str]
    #: What the message holds.
    words: tuple[str, ...]


MALFORMED = {
    "missing": Bad("", {}, ("missing/environment.yml",)),
    "no-yaml": Bad("", {"environment.yml": "channels: [defaults\n"}, ("no-yaml/environment.yml", "line 2")),
    "no-mapping": Bad("", {"environment.yml": "- python\n"}, ("no-mapping/environment.yml",)),
    "unknown-key": Bad("", {"environment.yml": ENVIRONMENT + "platform: linux-64\n"}, ("'platform' is unknown",)),
    "twice": Bad("", {"environment.yml": ENVIRONMENT + "channels: [r]\n"}, ("'channels' twice",)),
    "a-number": Bad("", {"environment.yml": "channels: [defaults]\ndependencies: [3.11]\n"}, ("dependencies", "3.11")),
    "editable": Bad("", {"environment.yml": pip("-e ../tool")}, ("is an editable project",)),
    "branch": Bad(
        "", {"environment.yml": pip("tool @ git+https://git.example/tool@main")}, ("'main', which may move",)
    ),
    "several": Bad(
        "",
        {"environment.yml": "channels: [pytorch]\ndependencies: [pywin32, pip: [-r missing.txt]]\n"},
        ("has 3 mistakes", "channels names only pytorch", "missing.txt", "which only Windows has"),
    ),
    "path": Bad("", {"environment.yml": pip("tool @ file:///srv/tool")}, ("is a path on one machine",)),
    "lock-no-yaml": Bad("lock", {"conda-lock.yml": "version: 1\nmetadata: {\n"}, ("lock-no-yaml/conda-lock.yml",)),
    "lock-cut": Bad("lock", {"conda-lock.yml": "version: 1\npackage: []\n"}, ("lock-cut/conda-lock.yml", "malformed")),
    "lock-new": Bad("lock", {"conda-lock.yml": "version: 2\n"}, ("lock-new/conda-lock.yml: version is 2",)),
    "lock-other": Bad("lock", {"conda-lock.yml": lock(platform="osx-64")}, ("is for osx-64, not for linux-64",)),
    "lock-tampered": Bad(
        "lock",
        {"conda-lock.yml": lock(custom_metadata={"evenkeel-digest": json.dumps({"linux-64": HASH})})},
        ("lock-tampered/conda-lock.yml", "the file was edited"),
    ),
    "lock-unhashed": Bad("lock", {"conda-lock.yml": lock().replace(HASH, "")}, (IDNA, "has no hash")),
    "stale": Bad(
        "",
        {"environment.yml": ENVIRONMENT, "conda-lock.yml": lock()},
        ("stale/conda-lock.yml is older than", "stale/environment.yml", "asks for python=3.11"),
    ),
    "pixi-other": Bad(
        "lock",
        {"pixi.lock": "version: 6\nenvironments: {default: {channels: [], packages: {osx-64: []}}}\npackages: []\n"},
        ("pixi-other/pixi.lock", "osx-64"),
    ),
    "explicit-none": Bad("explicit", {"packages.txt": f"{IDNA}#{MD5}\n"}, ("has no line @EXPLICIT",)),
    "explicit-other": Bad(
        "explicit",
        {"packages.txt": f"@EXPLICIT\n{CHANNEL}/linux-aarch64/xz-5.2-0.conda#{MD5}\n"},
        ("is for linux-aarch64, not for linux-64",),
    ),
}


@pytest.fixture(scope="module")
def malformed(prepared: Node, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """One run for an environment of each kind, which must not change the node."""
    directory = tmp_path_factory.mktemp("environments")
    environments = []
    for name, bad in MALFORMED.items():
        (directory / name).mkdir()
        for file, text in bad.files.items():
            (directory / name / file).write_text(text)
        environments.append({"name": name, **({bad.kind: f"{name}/{next(iter(bad.files))}"} if bad.kind else {})})
    before = prepared.fingerprint()
    answer = prepared.play(
        tags="conda_environments",
        conda_environments_directory=str(directory),
        conda_environments_list=environments,
    )
    assert prepared.fingerprint() == before
    return answer


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_source_is_told(malformed: Answer, name: str) -> None:
    message = problem_of(malformed, name)
    for word in MALFORMED[name].words:
        assert word in message


def problem_of(answer: Answer, name: str) -> str:
    """Return what a run said of one environment."""
    assert answer.failed_saying("conda_environments_list: ")
    start = answer.output.index(f" {name}: ")
    others = [answer.output.find(f" {other}: ", start + 1) for other in MALFORMED]
    return answer.output[start : min((place for place in others if place > 0), default=None)]


NAMES = ("a/b", "a b", "..", "-a", "")


def test_names_that_are_none_are_told(prepared: Node) -> None:
    before = prepared.fingerprint()
    environments = [{"name": name, "packages": ["python"]} for name in (*NAMES, "base", "twice", "twice")]
    answer = prepared.play(tags="conda_environments", conda_environments_list=environments)
    invalid = (f"name is '{name}', which is not a valid name of an environment" for name in NAMES)
    assert answer.failed_saying(*invalid, "name is 'base', which is the distribution's own", "name is 'twice' 2 times")
    assert prepared.fingerprint() == before


UNSOLVABLE = {
    "unknown": ("no-such-package-xyz", "No candidates were found"),
    "conflict": ("conflict-a", "idna <3.11", "conflict-b", "idna >=3.11"),
    "vanished": ("/_fault/404/anaconda/pkgs/main", "could not be read", "404"),
    "web-page": ("/_fault/html/anaconda/pkgs/main", "could not be read"),
    "cut-short": ("/_fault/truncate/anaconda/pkgs/main", "could not be read"),
    "no-wheel": ("no-such-wheel-xyz", "cannot be resolved"),
    "newer-wheel": ("humanize>=99", "cannot be resolved"),
    "unknown-md5": (IDNA, f"has the MD5 {MD5}, and in its channel"),
    "unknown-file": (f"{CHANNEL}/noarch/idna-99-py_0.conda", "has no SHA-256 of packages"),
    "unhashed-file": ("unhashed-file", f"{CHANNEL}/noarch/idna-98-py_0.conda", "conda list --explicit --sha256 > "),
}


@pytest.fixture(scope="module")
def unsolvable(prepared: Node, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """One run for an environment of each kind, which must not change the node."""
    directory = tmp_path_factory.mktemp("environments")
    (directory / "no-wheel.yml").write_text(pip("no-such-wheel-xyz"))
    (directory / "newer-wheel.yml").write_text(pip("humanize>=99"))
    (directory / "unknown-md5.txt").write_text(f"@EXPLICIT\n{IDNA}#{MD5}\n")
    (directory / "unhashed-file.txt").write_text(f"@EXPLICIT\n{IDNA.replace('3.10', '98')}\n")
    (directory / "unknown-file.txt").write_text(f"@EXPLICIT\n{IDNA.replace('3.10', '99')}#{MD5}\n")
    small = ["python=3.11"]
    sources: dict[str, dict[str, object]] = {
        "unknown": {"packages": [*small, "no-such-package-xyz"]},
        "conflict": {"packages": [*small, "conflict-a", "conflict-b"]},
        "vanished": {"packages": small, "channels": [f"{prepared.faulty_mirror('404')}/pkgs/main"]},
        "web-page": {"packages": small, "channels": [f"{prepared.faulty_mirror('html')}/pkgs/main"]},
        "cut-short": {"packages": small, "channels": [f"{prepared.faulty_mirror('truncate')}/pkgs/main"]},
        "no-wheel": {"environment": "no-wheel.yml"},
        "newer-wheel": {"environment": "newer-wheel.yml"},
        "unknown-md5": {"explicit": "unknown-md5.txt"},
        "unknown-file": {"explicit": "unknown-file.txt"},
        "unhashed-file": {"explicit": "unhashed-file.txt"},
    }
    before = prepared.fingerprint()
    answer = prepared.play(
        tags="conda_environments",
        conda_environments_directory=str(directory),
        conda_environments_list=[{"name": name, **source} for name, source in sources.items()],
    )
    assert prepared.fingerprint() == before
    return answer


@pytest.mark.parametrize("name", UNSOLVABLE)
def test_what_cannot_be_solved_is_explained(unsolvable: Answer, name: str) -> None:
    said = unsolvable.problems()
    assert [line for line in said if all(word in line for word in UNSOLVABLE[name])], said


def test_an_index_that_is_down_is_told(prepared: Node, tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(pip("humanize"))
    index = prepared.faulty("flaky/1000/down", prepared.pip_index)
    before = prepared.fingerprint()
    answer = prepared.play(
        tags="conda_environments",
        conda_environments_directory=str(tmp_path),
        conda_environments_list=[{"name": "down", "environment": "environment.yml"}],
        conda_environments_pip_index=index,
    )
    assert answer.failed_saying("humanize", index, "503")
    assert prepared.fingerprint() == before
