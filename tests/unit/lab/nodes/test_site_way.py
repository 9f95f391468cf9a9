# SPDX-License-Identifier: GPL-3.0-or-later
"""A scenario's play, as runs of site.yml."""

from __future__ import annotations

from pathlib import Path

from lab.nodes import site_way


def test_roles_and_all_variables_are_one_run(tmp_path: Path) -> None:
    (tmp_path / "people.yml").write_text("a: file\nb: file\n")
    play = {
        "vars_files": ["people.yml"],
        "vars": {"b": "play", "c": "play"},
        "roles": [
            {"role": "evenkeel.gpu.mirror"},
            {"role": "evenkeel.gpu.condarc", "vars": {"c": "role"}},
            {"role": "evenkeel.gpu.jupyter"},
        ],
    }
    assert list(site_way.runs(play, tmp_path)) == [
        {
            "import_playbook": str(site_way.ROOT / "site.yml"),
            "vars": {"a": "file", "b": "play", "c": "role", "__site_roles": ["condarc", "jupyter"]},
        }
    ]


def test_a_role_that_is_named_twice_is_two_runs(tmp_path: Path) -> None:
    roles = [{"role": "evenkeel.gpu.condarc", "vars": {"a": number}} for number in (1, 2)]
    found = [run["vars"] for run in site_way.runs({"roles": roles}, tmp_path)]
    assert found == [{"a": number, "__site_roles": ["condarc"]} for number in (1, 2)]
