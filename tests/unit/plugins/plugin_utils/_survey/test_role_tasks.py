# SPDX-License-Identifier: GPL-3.0-or-later
"""What a survey reads out of a role's files of tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.role_tasks import Reference, RoleTask, read

ONE = "evenkeel.gpu.one"


def task(module: str = "one", **others: Any) -> RoleTask:
    known: dict[str, Any] = {"options": {}, "conditions": (), "loop": None, "loop_var": "item", "variables": {}}
    return RoleTask(module, **{**known, **others})


def tasks(tmp_path: Path, converge: str, **files: str) -> list[RoleTask]:
    """Return what is read of a role whose converge.yml, and other files, have these texts."""
    (tmp_path / "tasks").mkdir()
    for name, text in {"converge": converge, **files}.items():
        (tmp_path / "tasks" / f"{name}.yml").write_text(text)
    return read(tmp_path, lambda file: yaml.safe_load(file.read_text()))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("[]", [], id="no task"),
        pytest.param("- evenkeel.gpu.one:", [task()], id="no option"),
        pytest.param(
            "- {name: x, evenkeel.gpu.one: {a: '{{ b }}', c: [1]}}",
            [task(options={"a": "{{ b }}", "c": [1]})],
            id="options as they stand in the file",
        ),
        pytest.param(
            "[{evenkeel.gpu.one:, when: a}, {evenkeel.gpu.one:, when: [b, c]}, {evenkeel.gpu.one:, when: false}]",
            [task(conditions=("a",)), task(conditions=("b", "c")), task(conditions=(False,))],
            id="conditions",
        ),
        pytest.param(
            "- {evenkeel.gpu.one: {}, loop: '{{ l }}', loop_control: {loop_var: x, label: y}, vars: {v: 1}}",
            [task(loop="{{ l }}", loop_var="x", variables={"v": 1})],
            id="a loop and variables",
        ),
        pytest.param("- {evenkeel.gpu.one: {}, loop: []}", [task(loop=[])], id="an empty loop is one"),
        pytest.param("- {evenkeel.gpu.one: {}, loop: [1]}", [task(loop=[1])], id="an item has its usual name"),
        pytest.param(
            "[{ansible.builtin.debug: {msg: x}}, {evenkeel.gpu.two: {}}, {evenkeel.gpu.one: {}}]",
            [task("two"), task()],
            id="others are left out, the order stays",
        ),
        pytest.param(
            """
            - when: [a]
              vars: {v: 1, w: 1}
              block:
                - {evenkeel.gpu.one: {}, when: b, vars: {w: 2}}
                - when: c
                  block: [{evenkeel.gpu.two: {}}]
            - evenkeel.gpu.one:
            """,
            [
                task(conditions=("a", "b"), variables={"v": 1, "w": 2}),
                task("two", conditions=("a", "c"), variables={"v": 1, "w": 1}),
                task(),
            ],
            id="blocks within each other",
        ),
    ],
)
def test_tasks_as_they_stand(tmp_path: Path, text: str, found: list[RoleTask]) -> None:
    assert tasks(tmp_path, text) == found


def test_static_imports_are_followed_with_their_conditions_and_variables(tmp_path: Path) -> None:
    found = tasks(
        tmp_path,
        "[{evenkeel.gpu.one:}, {ansible.builtin.import_tasks: more.yml, when: a, vars: {v: 1}}, {evenkeel.gpu.one:}]",
        more="[{evenkeel.gpu.two: {}, when: b}, {ansible.builtin.import_tasks: most.yml, when: c}]",
        most="[{evenkeel.gpu.three: {}}]",
    )
    assert found == [
        task(),
        task("two", conditions=("a", "b"), variables={"v": 1}),
        task("three", conditions=("a", "c"), variables={"v": 1}),
        task(),
    ]


def test_what_is_included_while_the_role_runs_is_not_followed(tmp_path: Path) -> None:
    assert tasks(tmp_path, "[{ansible.builtin.include_tasks: more.yml}]", more="[{evenkeel.gpu.one: {}}]") == []


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("{{ r.path }}", Reference(0, "path")),
        ("{{r.path}}", Reference(0, "path")),
        ("{{ second.path }}", Reference(1, "path")),
        ("{{ r.path.name }}", None),
        ("{{ r.path }}/bin", None),
        ("x{{ r.path }}", None),
        ("{{ r.path | upper }}", None),
        ("{{ other.path }}", None),
        ("{{ later.path }}", None),
        (["{{ r.path }}"], None),
        (5, None),
    ],
)
def test_an_option_refers_to_an_earlier_result_in_one_form(
    tmp_path: Path, option: Any, meant: Reference | None
) -> None:
    text = [
        {ONE: {}, "register": "r"},
        {ONE: {}, "register": "second"},
        {ONE: {"a": option}},
        {ONE: {}, "register": "later"},
    ]
    assert tasks(tmp_path, yaml.safe_dump(text))[2].options == {"a": meant or option}


def test_the_number_of_a_task_is_its_place_among_the_modules(tmp_path: Path) -> None:
    text = [
        {"ansible.builtin.debug": {"msg": "x"}, "register": "r"},
        {ONE: {}},
        {"block": [{ONE: {}, "register": "r"}]},
        {ONE: {"a": "{{ r.key }}"}},
    ]
    assert tasks(tmp_path, yaml.safe_dump(text))[2].options == {"a": Reference(1, "key")}
