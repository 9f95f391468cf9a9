# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.run_summary import COLUMNS, Node, lines

ROLES = ["condarc", "conda_environments", "jupyter"]
WAITING = {"waiting": [{"unit": "jupyter@ana.service", "why": ["environment"]}]}


def surveyed(*to_do: str, roles: list[str] = ROLES, **layers: Any) -> Node:
    node = Node()
    node.surveyed({"roles": roles, "to_do": list(to_do), "layers": layers})
    return node


def ran(node: Node, role: str, *results: tuple[str, dict[str, Any]], module: str = "condarc") -> Node:
    node.ran(role, module, results)
    return node


def built(*environments: str, **result: Any) -> Node:
    results = [(name, {"changed": True, **result}) for name in environments]
    return ran(surveyed("conda_environments", "jupyter"), "conda_environments", *results, module="conda_environment")


def failed(node: Node, where: str, why: str) -> Node:
    node.failed.append((where, why))
    return node


@pytest.mark.parametrize(
    ("node", "shown"),
    [
        (Node(), []),
        (surveyed(), ["a: as declared"]),
        (
            surveyed(jupyter={"restarts": ["jupyter@ana.service (environment)"], "user_problems": {"bo": ["full"]}}),
            ["a: as declared", "  waits: the restart of jupyter@ana.service (environment)", "  left: bo: full"],
        ),
        (ran(surveyed("condarc"), "condarc", ("", {"changed": True})), ["a: changed condarc"]),
        (ran(surveyed("condarc"), "condarc", ("", {"changed": False})), ["a: as declared"]),
        (ran(surveyed("condarc"), "condarc", ("", {"skipped": True})), ["a: not done: condarc"]),
        (
            ran(built("ai-dev", "llm"), "jupyter", ("", {"changed": True, **WAITING})),
            [
                "a: changed conda_environments (ai-dev, llm), jupyter",
                "  waits: the restart of jupyter@ana.service (environment)",
            ],
        ),
        (
            built("ai-dev", built_ahead=True),
            ["a: built, and not switched to: ai-dev", "  not done: conda_environments, jupyter"],
        ),
        (built("ai-dev", ansible_job_id="1"), ["a: not done: conda_environments, jupyter"]),
        (
            ran(
                surveyed("nvidia_driver", roles=["nvidia_driver"], nvidia_driver={"reboot": ["as surveyed"]}),
                "nvidia_driver",
                ("", {"changed": True, "reboot": ["the new module"], "left": ["kept"], "unknown": ["dark"]}),
            ),
            [
                "a: changed nvidia_driver",
                "  waits: a reboot: the new module",
                "  left: nvidia_driver: kept",
                "  left: nvidia_driver: dark",
            ],
        ),
        (
            failed(built("ai-dev"), "jupyter", "no port\nmore"),
            ["a: failed in jupyter: no port", "  changed conda_environments (ai-dev)", "  not done: jupyter"],
        ),
        (
            failed(Node(), "Survey", "condarc: no\njupyter: no"),
            ["a: failed in Survey: condarc: no", "  nothing was changed"],
        ),
        (Node(unreachable="no\x1b[2J route"), [r"a: unreachable: no\x1b[2J route", "  nothing was changed"]),
        (
            Node(unreachable="gone", changed={"condarc": {"": None}}, to_do=["jupyter"]),
            ["a: unreachable: gone", "  changed condarc", "  not done: jupyter"],
        ),
    ],
)  # fmt: skip
def test_a_node(node: Node, shown: list[str]) -> None:
    assert lines({"a": node}) == shown


def test_a_later_survey_says_what_is_left() -> None:
    node = ran(built("ai-dev"), "jupyter", ("", WAITING))
    node.surveyed({"roles": ROLES, "to_do": [], "layers": {}})
    assert lines({"a": node}) == ["a: changed conda_environments (ai-dev)"]
    node.surveyed({"roles": ["jupyter"], "to_do": ["jupyter"], "layers": {"jupyter": {"unknown": ["dark"]}}})
    assert lines({"a": node})[-2:] == ["  not done: jupyter", "  left: jupyter: dark"]


def test_what_was_built_ahead_and_then_switched_to_is_changed() -> None:
    node = built("ai-dev", built_ahead=True)
    node.ran("conda_environments", "conda_environment", [("ai-dev", {"changed": True, "built_ahead": False})])
    assert lines({"a": node})[0] == "a: changed conda_environments (ai-dev)"


def test_check_mode_and_some_roles() -> None:
    node = ran(surveyed("condarc", "jupyter"), "condarc", ("", {"changed": True}))
    assert lines({"a": node}, check=True) == ["a: would change condarc"]
    assert lines({"a": surveyed()}, only_some_roles=True) == ["a: as declared in condarc, conda_environments, jupyter"]


def test_equal_nodes_stand_together_and_the_gravest_last() -> None:
    nodes = {f"gpu{number}": surveyed() for number in range(200, 0, -1)}
    nodes |= {f"gpu{number}": Node(unreachable="no route to host") for number in (7, 70)}
    nodes["gpu3"] = ran(surveyed("condarc"), "condarc", ("", {"changed": True}))
    nodes["gpu4"] = failed(Node(), "condarc", "no " * 200)
    nodes["gpu5"] = surveyed("jupyter")
    shown = lines(nodes)
    assert shown[:3] == [
        "gpu1, gpu2, gpu6, gpu8, gpu9, gpu10, gpu11, gpu12 and 187 more (195 nodes): as declared",
        "gpu3: changed condarc",
        "gpu5: not done: jupyter",
    ]
    assert shown[3].startswith("gpu4: failed in condarc: no no")
    assert shown[-2:] == ["gpu7, gpu70 (2 nodes): unreachable: no route to host", "  nothing was changed"]
    assert max(map(len, shown)) <= COLUMNS
    assert len(shown) < 12
