# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.taggable import Taggable
from ansible_collections.evenkeel.gpu.plugins.filter.roles_of_tags import FilterModule


class Tagged(Taggable):  # type: ignore[misc]
    """Something of Ansible's with one tag."""

    tags: list[str]
    _parent = None

    def __init__(self, tag: str) -> None:
        self._loader = DataLoader()
        self.tags = [tag]

    def get_play(self) -> None:
        """Return the play that it is in."""


ROLES = ["miniconda", "condarc", "jupyter"]


@pytest.mark.parametrize(
    ("run", "skip", "selected"),
    [
        (["all"], [], ROLES),
        (["condarc"], [], ["condarc"]),
        (["jupyter", "miniconda"], [], ["miniconda", "jupyter"]),
        (["tagged"], [], ROLES),
        (["untagged"], [], []),
        (["other"], [], []),
        (["never"], [], []),
        (["always"], [], []),
        (["all"], ["condarc"], ["miniconda", "jupyter"]),
        (["all"], ["tagged"], []),
        (["all"], ["all"], []),
        (["all"], ["always"], ROLES),
        (["all"], ["other"], ROLES),
        (["condarc", "jupyter"], ["jupyter"], ["condarc"]),
    ],
)
def test_roles_are_selected_as_ansible_selects_their_tasks(
    run: list[str], skip: list[str], selected: list[str]
) -> None:
    select = FilterModule().filters()["roles_of_tags"]
    assert select(ROLES, run, skip) == selected
    assert [role for role in ROLES if Tagged(role).evaluate_tags(run, skip, {})] == selected
