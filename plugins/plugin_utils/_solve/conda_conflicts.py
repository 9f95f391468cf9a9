# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What conda's packages and pip's requirements disagree on, with both sides named."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import stub_wheels
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Provided, Question

with optional():
    from packaging.requirements import Requirement
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.utils import canonicalize_name

#: In place of a range: what is at a URL is never what conda brings.
_OTHER = "elsewhere"
#: As in ``all versions of app depend on numpy>=3``.
_NEEDS = re.compile(r"(?P<who>\w\S*) depends? on (?P<name>[\w.-]+?)(?P<range>[<>=!~]\S*)(?=\s|$)")


def conflicts(question: Question, failure: str) -> list[str]:
    """Return one line for each conflict that keeps ``question`` from an answer, each side named; pure.

    Parameters
    ----------
    question
        What uv was asked.
    failure
        Why nothing fits, in uv's words; empty for what shows without them.
    """
    environment = question.target.environment
    asked = [
        (requirement, who)
        for requirements, who in ((question.requirements, "pip"), (question.constraints, "a constraint of pip"))
        for requirement in map(Requirement, requirements)
        if requirement.marker is None or requirement.marker.evaluate(environment)
        if who == "pip" or named(requirement.name, failure)
    ]
    found = [
        *(
            (canonicalize_name(one.name), _OTHER if one.url else str(one.specifier), f"{who} asks for {one}")
            for one, who in asked
        ),
        *(
            (canonicalize_name(match["name"]), ranges, f"{match['who']} needs {match['name']}{ranges}")
            for match in _NEEDS.finditer(failure)
            for ranges in [match["range"].rstrip(",.")]
        ),
    ]
    lines = [
        f"conda brings {name} {question.provided[name].version}, {who}"
        for name, ranges, who in found
        if name in question.provided and (ranges == _OTHER or not _allow(ranges, question.provided[name]))
    ]
    return list(dict.fromkeys(lines))


def beside(provided: Mapping[str, Provided], explanation: str) -> str:
    """Name what conda brings of the names in an explanation; empty where it brings none of them."""
    brought = [f"{name} {of_conda.version}" for name, of_conda in sorted(provided.items()) if named(name, explanation)]
    return f" beside conda's {', '.join(brought)}" if brought else ""


def named(name: str, explanation: str) -> bool:
    """Whether an explanation is about a distribution."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-]*\w)", explanation) is not None


def _allow(ranges: str, of_conda: Provided) -> bool:
    version = stub_wheels.normal(of_conda.version)
    try:
        return not version or SpecifierSet(ranges).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True
