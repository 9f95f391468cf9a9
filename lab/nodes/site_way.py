# SPDX-License-Identifier: GPL-3.0-or-later
"""A scenario's converge.yml the other way: its roles and variables through site.yml, which surveys all roles first.

``python -m lab.nodes.site_way jupyter`` writes such a playbook and prints its path, for Molecule to converge with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lab import paths

ROOT = Path(__file__).parents[2]
COLLECTION = "evenkeel.gpu."
#: site.yml runs it on its own, before the survey.
MIRROR = "mirror"


def main(scenario: str) -> int:
    """Write the playbook of a scenario, and print its path."""
    place = ROOT / "molecule" / scenario
    plays = yaml.safe_load((place / "converge.yml").read_text())
    playbook = paths.STATE / "site_way" / f"{scenario}.yml"
    playbook.parent.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    playbook.write_text(json.dumps([run for play in plays for run in runs(play, place)], indent=2))
    print(playbook)
    return 0


def runs(play: Mapping[str, Any], place: Path) -> Iterator[dict[str, Any]]:
    """Yield the runs of site.yml that do what a play with roles does.

    Parameters
    ----------
    play
        It may name a role twice, with other variables, which are two runs.
    place
        The directory that the play's files of variables are relative to.
    """
    variables: dict[str, Any] = {}
    for file in play.get("vars_files", []):
        variables |= yaml.safe_load((place / file).read_text())
    variables |= play.get("vars", {})
    for roles in _without_repetition(play["roles"]):
        of_roles = {name: value for role in roles for name, value in role.get("vars", {}).items()}
        names = [role["role"].removeprefix(COLLECTION) for role in roles]
        yield {
            "import_playbook": str(ROOT / "site.yml"),
            "vars": {**variables, **of_roles, "__site_roles": [name for name in names if name != MIRROR]},
        }


def _without_repetition(roles: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the roles in groups, each of which names a role once."""
    group: list[Mapping[str, Any]] = []
    for role in roles:
        if role["role"] in [other["role"] for other in group]:
            yield group
            group = []
        group.append(role)
    yield group


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
