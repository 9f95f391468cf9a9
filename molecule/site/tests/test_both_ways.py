# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that is surveyed as a whole before its roles begin, and one whose roles survey themselves.

The scenario brings one node each way to the declared state.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

from lab.nodes import nodes, playbooks

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
SURVEYED, OTHER = (node.name for node in nodes.find(GROUP))
#: A task's name is between these words of a run's output; those of a log come with a time.
TASK = re.compile(r"^(?:\S+ \S+ p=\d+ .*\| )?TASK \[(.*)\] \*", re.MULTILINE)
CONDARC = "/etc/conda/condarc.d/evenkeel.yml"
KERNEL = "/usr/local/share/jupyter/kernels/minimal"
#: Up to the end of a node that is as declared; and of one whose roles survey themselves.
MOST_TASKS_OF_SURVEY, MOST_TASKS = 6, 40


@dataclass(frozen=True)
class Report:
    """What a run said of a node: the names of the tasks that ran, and of those that changed it with their items."""

    ran: set[str]
    changed: list[tuple[str, str]]

    @property
    def roles(self) -> set[str]:
        """The roles of which a task ran; the mirror's always do."""
        found = (re.match(r"evenkeel\.gpu\.(\w+) : ", name) for name in self.ran)
        return {match[1] for match in found if match} - {"mirror"}


def about(node: str, output: str) -> Report:
    """Return what a run's output says of a node."""
    _before, *rest = TASK.split(output)
    ran, changed = set(), []
    for name, text in zip(rest[::2], rest[1::2], strict=True):
        for state, item in re.findall(rf"\b(ok|changed): \[{node}\](.*)$", text, re.MULTILINE):
            ran.add(name)
            if state == "changed":
                changed.append((name, item))
    return Report(ran, changed)


def play(playbook: str, *options: str, surveyed: tuple[str, ...] = (SURVEYED, OTHER)) -> dict[str, Report]:
    """Run a playbook on both nodes, some of which are surveyed as a whole, and return what it says of each."""
    way = {"evenkeel_survey": f"{{{{ inventory_hostname in {list(surveyed)} }}}}"}
    output = playbooks.ansible("playbook", GROUP, playbook, *options, "-e", json.dumps(way)).well().output
    return {node: about(node, output) for node in (SURVEYED, OTHER)}


def host_of(node: str) -> Host:
    return testinfra.get_host(f"ansible://{node}", ansible_inventory=str(playbooks.INVENTORY), sudo=True)


@pytest.fixture(scope="module")
def first() -> Host:
    return host_of(SURVEYED)


@pytest.fixture(scope="module")
def second() -> Host:
    return host_of(OTHER)


def own_survey(role: str) -> str:
    """Return the name of the task in which a role surveys itself."""
    return f"evenkeel.gpu.{role} : Validate | Survey what would change"


def edit(host: Host) -> None:
    host.check_output(f"echo '# by hand' >>{CONDARC}")


def edited(host: Host) -> bool:
    return "# by hand" in str(host.file(CONDARC).content_string)


def test_both_ways_report_the_same_changes() -> None:
    log = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "site.log").read_text()
    runs = log.split("PLAY [Bring every node to the declared state]")[-3:]
    for kind, run in zip(("check", "converge", "idempotence"), runs, strict=True):
        assert about(SURVEYED, run).changed == about(OTHER, run).changed, kind
        assert bool(about(OTHER, run).changed) == (kind != "idempotence"), kind


def test_each_way_finds_nothing_to_change_in_what_the_other_has_made() -> None:
    report = play("evenkeel.gpu.site", surveyed=(OTHER,))
    assert report[SURVEYED].changed == report[OTHER].changed == []
    assert report[OTHER].roles == set()
    assert len(report[OTHER].ran) <= MOST_TASKS_OF_SURVEY
    assert len(report[SURVEYED].roles) > 1
    assert len(report[SURVEYED].ran) <= MOST_TASKS


def test_only_the_roles_with_something_to_do_run(first: Host, second: Host) -> None:
    edit(first)
    second.check_output("systemctl stop jupyter@jupyter")
    report = play("site.yml")
    assert report[SURVEYED].roles == {"condarc"}
    assert report[OTHER].roles == {"jupyter"}
    assert not edited(first)
    assert second.service("jupyter@jupyter").is_running


def test_tags_select_what_is_surveyed(first: Host) -> None:
    edit(first)
    first.check_output(f"rm -r {KERNEL}")
    # What is not surveyed has no problems.
    mistake = {"condarc_settings": {"chanels": ["a"]}}
    report = play("site.yml", "--tags", "jupyter", "-e", json.dumps(mistake))
    assert (report[SURVEYED].roles, report[OTHER].roles) == ({"jupyter"}, set())
    assert first.file(KERNEL).exists
    assert edited(first)

    first.check_output(f"rm -r {KERNEL}")
    report = play("site.yml", "--skip-tags", "jupyter")
    assert (report[SURVEYED].roles, report[OTHER].roles) == ({"condarc"}, set())
    assert not edited(first)
    assert not first.file(KERNEL).exists


def test_a_run_that_starts_at_a_role_has_its_survey(first: Host) -> None:
    first.run(f"rm -r {KERNEL}")
    edit(first)
    report = play("site.yml", "--start-at-task", "Converge jupyter")
    roles = {"jupyter", "remote_access", "front_door"}
    assert report[SURVEYED].roles == report[OTHER].roles == roles
    assert {own_survey(role) for role in roles} <= report[SURVEYED].ran
    assert first.file(KERNEL).exists
    assert (len(report[SURVEYED].changed), report[OTHER].changed) == (1, [])
    assert edited(first)


def test_a_role_in_a_playbook_of_ones_own_surveys_itself(first: Host) -> None:
    edit(first)
    report = play("molecule/site/role_alone.yml")
    assert report[SURVEYED].roles == report[OTHER].roles == {"condarc"}
    assert own_survey("condarc") in report[SURVEYED].ran
    assert (len(report[SURVEYED].changed), report[OTHER].changed) == (1, [])
    assert not edited(first)
