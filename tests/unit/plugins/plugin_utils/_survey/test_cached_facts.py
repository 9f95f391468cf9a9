# SPDX-License-Identifier: GPL-3.0-or-later
"""When the facts of an earlier run are still those of the node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey import cached_facts

NODE = {"machine_id": "a1", "architecture": "x86_64", "name": "Debian GNU/Linux", "versions": ["12", "12.11"]}
FACTS = {"machine_id": "a1", "architecture": "x86_64", "distribution": "Debian", "distribution_version": "12.11"}


@pytest.mark.parametrize(
    ("known", "kept"),
    [
        ({}, {"n1": {"ansible_machine_id": "a1"}}),
        (
            {"n1": {"ansible_machine_id": "b2", "own": 1}, "n2": {}},
            {"n1": {"ansible_machine_id": "a1", "own": 1}, "n2": {}},
        ),
    ],
)
def test_facts_are_kept_beside_what_is_known_of_the_host(
    known: dict[str, Any], kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = SimpleNamespace(get=known.__getitem__, set=known.__setitem__)
    monkeypatch.setattr(cached_facts.cache_loader, "get", lambda name: cache)
    cached_facts.keep("n1", {"ansible_machine_id": "a1"})
    assert known == kept


@pytest.mark.parametrize(
    ("name", "version", "distribution"),
    [
        ("Debian GNU/Linux", "12", "Debian"),
        ("Ubuntu", "24.04", "Ubuntu"),
        ("Rocky Linux", "9.6", "Rocky"),
        ("AlmaLinux", "9.6", "AlmaLinux"),
        ("Red Hat Enterprise Linux", "9.6", "RedHat"),
        ("Oracle Linux Server", "9.6", "OracleLinux"),
        ("CentOS Stream", "9", "CentOS"),
        ("openSUSE Leap", "15.6", "openSUSE Leap"),
    ],
)
def test_ansible_shortens_names(name: str, version: str, distribution: str) -> None:
    node = {**NODE, "name": name, "versions": [version]}
    facts = {**FACTS, "distribution": distribution, "distribution_version": version}
    assert cached_facts.are_of(node, facts)
    assert not cached_facts.are_of({**node, "name": "Another"}, facts)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"machine_id": "b2"}, id="another machine under the same name"),
        pytest.param({"machine_id": ""}, id="a machine without an id"),
        pytest.param({"architecture": "aarch64"}, id="another architecture"),
        pytest.param({"versions": ["13", "13.1"]}, id="another release"),
        pytest.param({"versions": ["12", "12.12"]}, id="another point release"),
        pytest.param({"versions": []}, id="no release"),
        pytest.param({"name": "Ubuntu"}, id="another distribution"),
    ],
)
def test_facts_of_another_node_are_found(changed: dict[str, Any]) -> None:
    assert cached_facts.are_of(NODE, FACTS)
    assert not cached_facts.are_of({**NODE, **changed}, FACTS)


@pytest.mark.parametrize("lacking", sorted(FACTS))
def test_facts_that_lack_something_are_of_no_node(lacking: str) -> None:
    assert not cached_facts.are_of(NODE, {name: value for name, value in FACTS.items() if name != lacking})


def test_a_machine_may_have_no_id() -> None:
    facts = {name: value for name, value in FACTS.items() if name != "machine_id"}
    assert cached_facts.are_of({**NODE, "machine_id": ""}, facts)
