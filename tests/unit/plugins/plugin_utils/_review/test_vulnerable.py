# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions advisories are about."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import vulnerable
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.advisories import Advisory, Event


def advisory(
    *ranges: tuple[Event, ...], versions: tuple[str, ...] = (), id_: str = "A", aliases: tuple[str, ...] = ()
) -> Advisory:
    return Advisory(id_, aliases, f"Of {id_}", "", ranges, frozenset(versions))


def events(**given: str) -> tuple[Event, ...]:
    return tuple(given.items())


def pairs(*given: tuple[str, str]) -> tuple[Event, ...]:
    return given


TWO = pairs(("introduced", "1.0"), ("fixed", "1.5"), ("introduced", "2.0"), ("fixed", "2.3"))


@pytest.mark.parametrize(
    ("said", "affected", "not_affected"),
    [
        (advisory(events(introduced="0", fixed="3.1.6")), ["0.1", "0.dev0", "3.1.5", "3.1.6rc1"], ["3.1.6", "4"]),
        (advisory(events(introduced="1.0", last_affected="1.4")), ["1.0", "1.4", "1.4+cu124"], ["0.9", "1.4.1"]),
        (advisory(events(introduced="1.0")), ["1.0", "99"], ["0.9"]),
        (advisory(TWO), ["1.0", "1.4.9", "2.0", "2.2"], ["0.9", "1.5", "1.9", "2.3", "3"]),
        (advisory(tuple(reversed(TWO))), ["1.0", "2.2"], ["0.9", "1.9", "2.3"]),
        (advisory(pairs(("introduced", "1"), ("fixed", "2"), ("introduced", "2"), ("fixed", "3"))), ["1", "2"], ["3"]),
        (advisory(events(introduced="0", limit="2.0")), ["1.9"], ["2.0", "3"]),
        (advisory(events(introduced="0", limit="*")), ["1.9", "3"], []),
        (advisory(events(introduced="1"), events(introduced="0", fixed="0.5")), ["0.4", "1"], ["0.5", "0.9"]),
        (advisory(versions=("1.0", "1.1")), ["1.0", "1.0.0", "1.1+cpu"], ["1.0.1"]),
        (advisory(events(introduced="2", fixed="3"), versions=("1.0",)), ["1.0", "2.5"], ["1.1", "3"]),
        (advisory(versions=("2024a", "1.0")), ["2024a", "1.0"], ["1.1"]),
        (advisory(events(introduced="0", fixed="2.5.1")), ["2.5.0+cu124"], ["2.5.1+cu124"]),
        (advisory(events(introduced="0", fixed="1!2")), ["1!1", "5"], ["1!2"]),
    ],
)
def test_ranges_and_versions(said: Advisory, affected: list[str], not_affected: list[str]) -> None:
    for version in (*affected, *not_affected):
        verdict = vulnerable.judge(version, [said])
        assert (version, bool(verdict.vulnerabilities)) == (version, version in affected)
        assert verdict.undecided == ()


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.1.1w", advisory(events(introduced="0", fixed="2"))),
        ("1.0", advisory(events(introduced="0", fixed="1.0-beta.x"))),
        ("1.0", advisory()),
        ("1.0", advisory(())),
        ("1.0", advisory(events(fixed="2"))),
        ("1.0", advisory(events(introduced="2"), events(last_affected="1.5"))),
    ],
)
def test_what_can_not_be_compared_is_undecided(version: str, said: Advisory) -> None:
    assert vulnerable.judge(version, [said]) == vulnerable.Verdict((), ("A",))


def test_one_vulnerability_of_several_databases_is_one() -> None:
    said = [
        advisory(events(introduced="0", fixed="2.1"), id_="GHSA-1", aliases=("CVE-1",)),
        advisory(events(introduced="0", fixed="2.0"), id_="PYSEC-9"),
        advisory(events(introduced="0", fixed="2.0"), id_="PYSEC-1", aliases=("CVE-1", "GHSA-1")),
        advisory(events(introduced="0", fixed="0.5"), id_="PYSEC-2", aliases=("CVE-2",)),
    ]
    found = vulnerable.judge("1.0", said).vulnerabilities
    assert [one["ids"] for one in found] == [["CVE-1", "GHSA-1", "PYSEC-1"], ["PYSEC-9"]]
    assert found[0]["fixed"] == "2.1"
    assert found[0]["summary"] == "Of GHSA-1"


@pytest.mark.parametrize(
    ("version", "fixed"),
    [("1.2", "1.5"), ("2.1", "2.3")],
)
def test_the_first_version_without_it_is_a_later_one(version: str, fixed: str) -> None:
    (found,) = vulnerable.judge(version, [advisory(TWO)]).vulnerabilities
    assert found["fixed"] == fixed


@pytest.mark.parametrize(
    ("others", "fixed"),
    [
        ([advisory(events(introduced="0", fixed="2.0"), id_="B", aliases=("A",))], "2.0"),
        ([advisory(events(introduced="1.5", fixed="1.8"), id_="B", aliases=("A",))], "1.8"),
        ([advisory(versions=("1.0", "1.5"), id_="B", aliases=("A",))], ""),
        ([advisory(events(introduced="0"), id_="B", aliases=("A",))], ""),
        ([advisory(events(fixed="9"), id_="B", aliases=("A",))], ""),
        ([advisory(events(introduced="0", fixed="2.0"), id_="B")], "1.5"),
    ],
)
def test_the_first_version_without_it_is_affected_by_no_advisory_of_it(others: list[Advisory], fixed: str) -> None:
    said = [advisory(events(introduced="0", fixed="1.5")), *others]
    assert vulnerable.judge("1.0", said).vulnerabilities[0]["fixed"] == fixed


def test_a_fix_within_another_range_is_none() -> None:
    said = advisory(events(introduced="0", fixed="1.5"), events(introduced="1.4", fixed="2.0"))
    assert vulnerable.judge("1.0", [said]).vulnerabilities[0]["fixed"] == "2.0"
