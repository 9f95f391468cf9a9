# SPDX-License-Identifier: GPL-3.0-or-later
"""The review of one environment's lock, with what an update and the sources would answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock, environment_file
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.locking import Plan
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.relocking import Relocked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import distributions, locks, newest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.advisories import Advisories, Advisory
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.distributions import Distribution
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors

CHANNEL = "https://channel.example/main"
INDEX = "https://index.example/simple"
SILENT = EvenkeelError("The channel is silent", "Wait")


def package(name: str, version: str) -> Package:
    url = f"{CHANNEL}/noarch/{name}-{version}-0.conda"
    return Package(name, version, "0", "1a" * 32, url=url, md5="1a" * 16)


def wheel(name: str, version: str, sha256: str = "1b" * 32) -> Package:
    return Package(name, version, "", sha256, PIP, url=f"{INDEX}/{name}-{version}-py3-none-any.whl")


TOOL, JINJA = package("tool", "1.0"), wheel("jinja2", "3.1")
LOCK = Lock((CHANNEL,), ("environment.yml",), {"linux-64": (JINJA, TOOL)}, {"linux-64": "0"}, {"linux-64": {}})
FLAW = Advisory("A", ("CVE-1",), "Bad", "high", ((("introduced", "0"), ("fixed", "3.2")),), frozenset())


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "ai-dev"
    folder.mkdir()
    (folder / "environment.yml").write_text(f"channels: [{CHANNEL}]\ndependencies: [tool]\n")
    (folder / "conda-lock.yml").write_text(conda_lock.render(LOCK, "ai-dev"))
    return folder / "environment.yml"


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What channels, indexes and metadata say."""
    said: dict[str, Any] = {"conda": {}, "pip": {}}

    def saying(which: str) -> Callable[..., Any]:
        def answer(*_unused: object) -> Any:
            if isinstance(said[which], EvenkeelError):
                raise said[which]
            return said[which]

        return answer

    def known(packages: Any, _mirrors: Mirrors) -> tuple[list[Distribution], str]:
        return [Distribution(one, one.name, one.version, "index") for one in packages if one.manager == PIP], ""

    monkeypatch.setattr(newest, "of_conda", saying("conda"))
    monkeypatch.setattr(newest, "of_pip", saying("pip"))
    monkeypatch.setattr(distributions, "of", known)
    return said


def updated(environment: Path, *packages: Package) -> Relocked:
    path = environment.with_name("conda-lock.yml")
    after = replace(LOCK, packages={"linux-64": packages})
    return Relocked(
        environment_file.read(environment), path, Plan({path: conda_lock.render(after, "ai-dev")}, LOCK, after), ()
    )


def sources(*said: Advisory, index: str = INDEX) -> locks.Sources:
    return locks.Sources(Mirrors(), index, Advisories({"jinja2": list(said)}) if said else None)


def reviewed(environment: Path, *after: Package, by: locks.Sources | None = None) -> dict[str, Any]:
    return locks.review(environment, lambda: updated(environment, *after), by or sources()).entry


def test_a_lock_that_an_update_leaves_is_current(environment: Path, answers: dict[str, Any]) -> None:
    answers["conda"] = {"tool": [(CHANNEL, "2.0")]}
    entry = reviewed(environment, JINJA, TOOL)
    assert (entry["name"], entry["state"], entry["note"], entry["diff"]) == ("ai-dev", "current", "", "")
    assert entry["platforms"]["linux-64"] == {
        "count": 2,
        "changes": 0,
        "packages": [
            {
                "name": "tool",
                "manager": "conda",
                "version": "1.0",
                "update": "1.0",
                "newest": [{"where": CHANNEL, "version": "2.0"}],
            }
        ],
        "unknown": [],
        "advisories": None,
    }


def test_a_lock_that_an_update_changes_is_outdated(environment: Path) -> None:
    entry = reviewed(environment, package("tool", "1.1"))
    assert entry["state"] == "outdated"
    assert entry["diff"] == "linux-64\n  - jinja2 3.1\n  ~ tool 1.0 -> 1.1\n"
    platform = entry["platforms"]["linux-64"]
    assert platform["changes"] == 2
    assert [(one["name"], one["update"]) for one in platform["packages"]] == [("jinja2", ""), ("tool", "1.1")]


def test_what_can_not_be_asked_is_unknown(environment: Path, answers: dict[str, Any]) -> None:
    answers.update(conda=SILENT, pip=SILENT)

    def silent() -> Relocked:
        raise SILENT

    found = locks.review(environment, silent, sources(FLAW))
    assert found.entry["state"] == "unknown"
    assert "The channel is silent" in found.entry["note"]
    platform = found.entry["platforms"]["linux-64"]
    assert (platform["changes"], platform["packages"]) == (None, [])
    assert platform["unknown"] == [f"Newer packages of {one} are unknown: {SILENT.what}" for one in ("conda", "pip")]
    assert platform["advisories"]["vulnerabilities"][0]["ended_by_update"] is None


@pytest.mark.parametrize(
    ("packages", "index", "words"),
    [
        ((wheel("committed", "1", ""),), INDEX, "where no index has the locked one: committed"),
        ((JINJA,), "", "as lock_pip_index is not set: jinja2"),
    ],
)
def test_of_what_no_newer_one_can_be_known(
    environment: Path, packages: tuple[Package, ...], index: str, words: str
) -> None:
    lock = replace(LOCK, packages={"linux-64": packages})
    found = locks._platform(lock, "linux-64", packages, sources(index=index))
    assert [words in one for one in found["unknown"]] == [True]


@pytest.mark.parametrize(
    ("after", "ended"),
    [((JINJA, TOOL), False), ((wheel("jinja2", "3.2"), TOOL), True), ((TOOL,), True)],
)
def test_an_update_may_end_a_vulnerability(environment: Path, after: tuple[Package, ...], ended: bool) -> None:
    said = reviewed(environment, *after, by=sources(FLAW))["platforms"]["linux-64"]["advisories"]
    assert said["vulnerabilities"] == [
        {
            "package": "jinja2",
            "distribution": "jinja2",
            "version": "3.1",
            "ids": ["CVE-1", "A"],
            "summary": "Bad",
            "severity": "high",
            "fixed": "3.2",
            "known_by": "index",
            "ended_by_update": ended,
        }
    ]
    assert said["uncovered"] == 1


def test_an_environment_without_a_lock_and_a_malformed_lock_are_unknown(environment: Path) -> None:
    lock = environment.with_name("conda-lock.yml")
    lock.write_text("version: 1\n")
    malformed = reviewed(environment)
    lock.unlink()
    missing = reviewed(environment)
    assert (malformed["state"], missing["state"]) == ("unknown", "unknown")
    assert "is malformed" in malformed["note"]
    assert "It has no lock. Run lock.yml with lock_env=ai-dev" in missing["note"]
