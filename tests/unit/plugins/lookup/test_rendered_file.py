# SPDX-License-Identifier: GPL-3.0-or-later
"""A rendered file is what Ansible's own lookup makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template
from ansible_collections.evenkeel.gpu.plugins.lookup.rendered_file import LookupModule

ROLE = Path(__file__).parents[4] / "roles" / "jupyter"


def ansibles(**arguments: Any) -> Any:
    return lookup_loader.get("template", **arguments)


def rendered(lookup: Callable[..., Any], place: Path, name: str, **variables: Any) -> list[str]:
    values = {"ansible_search_path": [str(place)], **variables}
    loader = DataLoader()
    plugin = lookup(loader=loader, templar=Templar(loader=loader, variables=values))
    found: list[str] = plugin.run([name], variables=values)
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in (ROLE / "templates").glob("jupyter*.j2")))
@pytest.mark.parametrize("full", [True, False])
def test_the_roles_units_are_those_of_ansibles_own_lookup(name: str, full: bool) -> None:
    variables = {
        "jupyter_total_memory_max": "8G" if full else "",
        "jupyter_writable_paths": ["/srv", "/srv"] if full else [],
        "jupyter_ready_timeout": 60,
        "__jupyter_environment": trust_as_template("{{ root }}/envs/jupyter"),
        "__jupyter_config": "/etc/evenkeel/jupyter",
        "root": "/opt/evenkeel",
    }
    found = rendered(LookupModule, ROLE, name, **variables)
    assert found == rendered(ansibles, ROLE, name, **variables)
    assert found[0].endswith("\n")


@pytest.mark.parametrize(
    "text",
    ["a\n\n", "a", "{% if true %}\na\n{% endif %}\n", r"{{ 'a\\n' | length }} \n", "{{ value }}\n", "\n{{ number }}\n"],
)
def test_any_text_is_rendered_as_by_ansibles_own_lookup(text: str, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "one.j2").write_text(text)
    variables = {"value": "{{ untrusted }}", "number": 7}
    assert rendered(LookupModule, tmp_path, "one.j2", **variables) == rendered(
        ansibles, tmp_path, "one.j2", **variables
    )


def test_variables_are_not_copied(tmp_path: Path) -> None:
    class Single:
        def __deepcopy__(self, memo: object) -> None:
            raise AssertionError

    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "one.j2").write_text("{{ value }}\n")
    assert rendered(LookupModule, tmp_path, "one.j2", value="a", other=Single()) == ["a\n"]


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match=r"There is no file one\.j2 in the role's folder templates"):
        rendered(LookupModule, tmp_path, "one.j2")
