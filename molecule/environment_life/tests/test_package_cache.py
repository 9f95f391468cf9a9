# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of the package caches, and environments whose files are linked from there."""

from __future__ import annotations

from lab.nodes.fleet import Fleet

CACHE = "evenkeel.gpu.conda_package_cache"
PKGS = "/opt/evenkeel/pkgs"
PYTHON = "python=3.11"


def cache_entries(fleet: Fleet, name: str, package: str) -> set[str]:
    """Return what the caches have of one package of an environment."""
    record = f"/opt/evenkeel/envs/{name}/conda-meta/{package}-*.json"
    unpacked = fleet.run(f"basename {record} .json")
    sha256 = fleet.run(f"""python3 -c 'import json, sys; print(json.load(sys.stdin)["sha256"])' <$(echo {record})""")
    return {f"rattler/{unpacked}", f"bytecode/cpython-311/{sha256}"}


def test_what_no_generation_needs_goes_when_it_is_old(fleet: Fleet) -> None:
    fleet.environment("brief", PYTHON, "six=1.16.0")
    old = cache_entries(fleet, "brief", "six")
    fleet.environment("brief", state="absent")
    fleet.run(f"cd {PKGS} && touch --date='10 days ago' {' '.join(old)}")

    assert set(fleet.module(CACHE, max_days=5, check=True)["removed"]) == old
    removed = fleet.module(CACHE, max_days=5)
    assert set(removed["removed"]) == old
    assert removed["freed_bytes"] > 0
    fleet.run(f"cd {PKGS} && ! ls --directory {' '.join(old)} 2>/dev/null")
    assert not fleet.module(CACHE, max_days=5)["changed"]


def test_what_no_generation_needs_goes_when_it_is_too_large(fleet: Fleet) -> None:
    fleet.environment("large", PYTHON, "babel")
    large = cache_entries(fleet, "large", "babel")
    assert large.isdisjoint(fleet.module(CACHE, max_megabytes=1)["removed"])
    fleet.environment("large", state="absent")
    assert large & set(fleet.module(CACHE, max_megabytes=1)["removed"])


def test_environments_do_not_need_the_cache(fleet: Fleet) -> None:
    fleet.run(f"find {PKGS} -mindepth 2 -maxdepth 3 -exec touch --date='10 days ago' {{}} +")
    fleet.module(CACHE, max_days=5)
    found = fleet.module("evenkeel.gpu.conda_environment_info", name="team", verify="files").of_node
    assert [one["drift"] for fields in found.values() for one in fields["environments"]] == [[]] * len(found)
    fleet.run("/opt/evenkeel/envs/team/bin/python -c 'import idna'", "nobody")
