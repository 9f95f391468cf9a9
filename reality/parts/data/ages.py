# SPDX-License-Identifier: GPL-3.0-or-later
"""Dates: how old the data files are, and whether others give the same ends of support."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.json_values import json_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import data_ages
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import installers

from reality.claims import Result, SkippedError, differs, judged, proven
from reality.parts.data.question import Question, question
from reality.world import World

AGES = "Age of the data files"
ENDS = "Ends of support as endoflife.date has them"
#: Older data are worth another look.
_MOST_DAYS = 180
_SITE = "https://endoflife.date/api"
_PRODUCTS = {
    "Debian": "debian",
    "Ubuntu": "ubuntu",
    "RedHat": "rhel",
    "Rocky": "rocky-linux",
    "AlmaLinux": "almalinux",
}
_PYTHON = "python"
#: The fields of a release that may hold a day on which some support of it ends.
_KINDS = ("support", "eol", "lts", "extendedSupport")


def questions(world: World) -> Iterator[Question]:
    """Yield the questions of all data files that say when they were read, and of each release's end."""
    for one in data_ages.ages(world.today):
        text = f"The data file {one['name']} was read within {_MOST_DAYS} days"
        yield question(AGES, f"ages/{one['name']}", text, partial(_age, one["name"]))
    ends = read_mapping(data_ages.DATA / "distribution_support.yml")["releases"]
    for distribution, product in _PRODUCTS.items():
        for release, days in ends[distribution].items():
            text = f"Support of {distribution} {release} ends as the data says"
            key = f"ends/{product}/{release}"
            yield question(ENDS, key, text, partial(_end, product, release, {str(day) for day in days.values()}))
    for release, month in read_mapping(installers.SUPPORT).items():
        if release != data_ages.READ:
            text = f"Support of Python {release} ends as the data says"
            yield question(ENDS, f"ends/{_PYTHON}/{release}", text, partial(_end, _PYTHON, release, {str(month)}))


def _age(name: str, world: World) -> Result:
    one = next(one for one in data_ages.ages(world.today) if one["name"] == name)
    if one["days"] < 0:
        raise SkippedError(
            f"this machine's clock is wrong: it says {world.today}, and {name} was read in {one['read']}"
        )
    said = f"it was read in {one['read']}, {one['days']} days ago"
    return proven("", said) if one["days"] <= _MOST_DAYS else differs("", said)


def _end(product: str, release: str, days: set[str], world: World) -> Result:
    url = f"{_SITE}/{product}.json"
    text = world.once(url, lambda: world.reach.text(world.at(url)))
    try:
        cycles = {str(one["cycle"]): one for one in json_of(text)}
    except (ValueError, TypeError, KeyError):
        return differs(url, "it answered with no list of releases")
    if release not in cycles:
        return differs(url, "it does not list that release")
    given = days_of(cycles[release])
    missing = [day for day in sorted(days) if not any(one.startswith(day) for one in given)]
    return judged(url, [f"{day} is not among {', '.join(sorted(given))}" for day in missing])


def days_of(cycle: Mapping[str, Any]) -> set[str]:
    """Return the days on which some support of a release ends."""
    return {day for key in _KINDS if isinstance(day := cycle.get(key), str)}
