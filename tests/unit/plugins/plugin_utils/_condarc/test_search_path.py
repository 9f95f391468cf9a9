# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.file import HEADER
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.options import Desired
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.plan import Plan, plan
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.search_path import defeats, files_for

PATH = "/etc/conda/condarc.d/evenkeel.yml"
ABSENT: dict[str, Any] = {
    "path": PATH,
    "scope": "system",
    "user": "",
    "exists": False,
    "text": "",
    "problem": "",
    "mode": 0,
    "link": "",
}


def there(text: str, problem: str = "") -> dict[str, Any]:
    return {**ABSENT, "exists": True, "text": text, "mode": 0o644, "problem": problem}


def planned(state: str, found: dict[str, Any] = ABSENT, **settings: Any) -> Plan:
    return plan(found, Desired(state, settings))


NODE = [
    {**there("channels: [a]\nquiet: true\n"), "path": "/opt/miniconda3/.condarc", "scope": "distribution"},
    there("offline: true\n"),
    {**there("channels: [c]\n"), "path": "/prefix/.condarc", "scope": "environment"},
    {**there("offline: false\n"), "path": "/home/ann/.condarc", "scope": "user", "user": "ann"},
    {**there("offline: [\n"), "path": "/home/ben/.condarc", "scope": "user", "user": "ben"},
    {**there("copy: true\nalways_copy: true\n"), "path": "/home/ben/.conda/condarc", "scope": "user", "user": "ben"},
    {**there("", problem="Permission denied"), "path": "/home/cat/.condarc", "scope": "user", "user": "cat"},
]


@pytest.mark.parametrize(
    ("user", "paths", "problems"),
    [
        ("", [PATH, "/opt/miniconda3/.condarc", "/prefix/.condarc"], {}),
        ("ann", [PATH, "/opt/miniconda3/.condarc", "/home/ann/.condarc", "/prefix/.condarc"], {}),
        ("ben",
         [PATH, "/opt/miniconda3/.condarc", "/home/ben/.condarc", "/home/ben/.conda/condarc", "/prefix/.condarc"],
         {"/home/ben/.condarc": ".condarc, line 2", "/home/ben/.conda/condarc": "holds copy and always_copy"}),
        ("cat", [PATH, "/opt/miniconda3/.condarc", "/home/cat/.condarc", "/prefix/.condarc"],
         {"/home/cat/.condarc": "Permission denied"}),
    ],
)  # fmt: skip
def test_the_search_path_of_a_user(user: str, paths: list[str], problems: dict[str, str]) -> None:
    files, found = files_for(NODE, user)
    assert [file.path for file in files] == paths
    assert found.keys() == problems.keys()
    assert all(words in found[path] for path, words in problems.items())


def test_who_defeats_the_fleets_file_is_told_once() -> None:
    made = planned("exact", offline=True, channels=["a"])
    assert defeats([ABSENT, *NODE[:1], *NODE[2:]], made, ["ann", "ben", "cat"]) == [
        {"user": "", "path": "/prefix/.condarc", "keys": ["channels"]},
        {"user": "ann", "path": "/home/ann/.condarc", "keys": ["offline"]},
    ]
    assert defeats([ABSENT], made, ["ann"]) == []
    assert defeats(NODE, planned("absent", there(f"{HEADER}\noffline: true\n")), ["ann"]) == []
    assert defeats([], made, ["ann"]) == []
