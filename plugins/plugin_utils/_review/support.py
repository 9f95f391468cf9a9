# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""How long a version of what nodes run is supported, and which newer one of its line is known: by data files."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.cuda_choice import DATA as TOOLKITS
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.data_ages import DATA, READ
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.driver_choice import BRANCHES
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import installers

with optional():
    from packaging.version import InvalidVersion, Version

#: ``undated``: its makers publish no end. ``longer``: after the regular support, everybody still gets security updates.
SUPPORTED, ENDING, LONGER, ENDED, UNDATED, UNKNOWN = STATES = (
    "supported",
    "ending",
    "longer",
    "ended",
    "undated",
    "unknown",
)
PYTHON, DRIVER, CUDA, CONDA, MINICONDA, MINIFORGE = "Python", "NVIDIA driver", "CUDA", "conda", "Miniconda", "Miniforge"
#: So many days before the end, what is supported is ending: two quarterly reviews.
SOON = 180

_DISTRIBUTIONS = DATA / "distribution_support.yml"
_NO_END = "Its makers publish no end of support"


@dataclass(frozen=True)
class Support:
    """What is known of one version."""

    state: str
    #: The last day of the support, or its month; empty where none is known.
    ends: str = ""
    note: str = ""
    #: The newest known version of its line; empty where none is known.
    newest: str = ""
    #: Whether that is newer.
    newer: bool = False
    #: The data file, and when its sources were read; empty where that is not known.
    source: str = ""
    read: str = ""


def of(product: str, version: str, today: date) -> Support:
    """Return what is known of a version of a product: one of the names above, or a distribution as Ansible names it."""
    rule = _RULES.get(product)
    return rule(version, today) if rule else _distribution(product, version, today)


def _python(version: str, today: date) -> Support:
    known = read_mapping(installers.SUPPORT)
    ends = known.get(".".join(version.split(".")[:2]), "")
    return Support(_state(today, ends), ends, source=installers.SUPPORT.name, read=known[READ])


def _driver(version: str, today: date) -> Support:
    known = read_mapping(BRANCHES)
    number = version.partition(".")[0]
    branch: Mapping[str, Any] = known["branches"].get(number) or {"ends": known["ended"].get(number, "")}
    ends, newest = branch.get("ends", ""), branch.get("version", "")
    newer = "." in version and _is_newer(newest, version)
    return Support(_state(today, ends), ends, "", newest, newer, BRANCHES.name, known[READ])


def _cuda(version: str, _today: date) -> Support:
    known = read_mapping(TOOLKITS)
    of_major = [minor for minor in known["toolkits"] if minor.partition(".")[0] == version.partition(".")[0]]
    if not of_major:
        return Support(UNKNOWN, source=TOOLKITS.name, read=known[READ])
    newest = max(of_major, key=Version)
    minor = ".".join(version.split(".")[:2])
    return Support(UNDATED, "", _NO_END, newest, _is_newer(newest, minor), TOOLKITS.name, known[READ])


def _conda(version: str, _today: date) -> Support:
    newest = max((one.version.partition("-")[0] for one in installers.known()), key=Version)
    note = f"{_NO_END}; one version follows another every two months"
    return Support(UNDATED, "", note, newest, _is_newer(newest, version), installers.INSTALLERS.name)


def _installer(name: str) -> Callable[[str, date], Support]:
    def rule(version: str, today: date) -> Support:
        found = installers.parse(f"{installers.DISTRIBUTIONS[name]}-{version}-Linux-x86_64.sh")
        if not found:
            return Support(UNKNOWN, source=installers.INSTALLERS.name)
        newest = installers.choose(name, found.python or installers.LATEST, found.architecture, installers.known())
        shown = f"{newest.python}_{newest.version}" if newest.python else newest.version
        support = Support(UNDATED, "", _NO_END, shown, newest.age > found.age, installers.INSTALLERS.name)
        if not found.python:
            return support
        python = f"{found.python[2]}.{found.python[3:]}"
        of_python = _python(python, today)
        note = f"By the support of its Python {python}"
        return Support(of_python.state, of_python.ends, note, shown, support.newer, of_python.source, of_python.read)

    return rule


def _distribution(name: str, version: str, today: date) -> Support:
    known = read_mapping(_DISTRIBUTIONS)
    releases = known["releases"].get(name, {})
    release = releases.get(version) or releases.get(version.partition(".")[0]) or {}
    ends, regular, contract = (str(release.get(key, "")) for key in ("ends", "regular", "contract"))
    notes = [
        f"The regular support ends on {regular}, {known['longer'].get(name, 'a longer one')} later" if regular else "",
        f"With a contract until {contract}" if contract else "",
    ]
    note = ". ".join(filter(None, notes))
    return Support(_state(today, ends, regular), ends, note, source=_DISTRIBUTIONS.name, read=known[READ])


_RULES: Mapping[str, Callable[[str, date], Support]] = {
    PYTHON: _python,
    DRIVER: _driver,
    CUDA: _cuda,
    CONDA: _conda,
    MINICONDA: _installer("miniconda"),
    MINIFORGE: _installer("miniforge"),
}


def _state(today: date, ends: str, regular: str = "") -> str:
    if not ends:
        return UNKNOWN
    if today > _last_day(ends):
        return ENDED
    if regular and today > _last_day(regular):
        return LONGER
    return ENDING if (_last_day(ends) - today).days <= SOON else SUPPORTED


def _last_day(text: str) -> date:
    """Return the last day that a date may mean, such as ``2026-10`` or ``2026-10-31``."""
    year, month, *day = map(int, text.split("-"))
    return date(year, month, day[0] if day else calendar.monthrange(year, month)[1])


def _is_newer(known: str, version: str) -> bool:
    try:
        return bool(known) and Version(known) > Version(version)
    except InvalidVersion:
        return False
