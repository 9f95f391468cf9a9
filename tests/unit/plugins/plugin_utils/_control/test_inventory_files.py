# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.inventory_files import unread

OURS = "jupyter_port: 8888\n"


def put(path: Path, text: str = OURS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def found(sources: list[str], playbooks: Path) -> list[str]:
    groups = ["all", "ungrouped", "gpu_nodes", "notebooks"]
    return unread(sources, playbooks, groups, ["gpu01.example.org"], ["jupyter_", "lock_env"])


@pytest.mark.parametrize(
    ("name", "kind", "of", "remedy"),
    [
        ("group_vars/gpu_node.yml", "group", "gpu_node", "Rename it to gpu_nodes.yml"),
        ("group_vars/gpu_node", "group", "gpu_node", "Rename it to gpu_nodes"),
        ("group_vars/jupyter.yaml", "group", "jupyter", "Rename it, or add the group to the inventory"),
        ("host_vars/gpu1.example.org.json", "host", "gpu1.example.org", "Rename it to gpu01.example.org.json"),
    ],
)
def test_a_file_that_belongs_to_nobody_is_reported(tmp_path: Path, name: str, kind: str, of: str, remedy: str) -> None:
    path = put(tmp_path / "inventory" / name)
    hosts = put(tmp_path / "inventory" / "hosts.yml")
    line = f"{path} has no effect: the inventory has no {kind} {of}. {remedy}."
    assert found([str(hosts)], tmp_path) == [line]
    assert found([str(hosts.parent)], tmp_path) == [line]
    assert found([], hosts.parent) == [line]


def test_a_directory_is_looked_into(tmp_path: Path) -> None:
    put(tmp_path / "group_vars" / "gpu_node" / "deep" / "x.yml")
    assert found([str(tmp_path)], tmp_path) == [
        f"{tmp_path}/group_vars/gpu_node has no effect: the inventory has no group gpu_node. Rename it to gpu_nodes."
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("group_vars/gpu_nodes.yml", OURS),
        ("group_vars/all/x.yml", OURS),
        ("host_vars/gpu01.example.org.yml", OURS),
        ("host_vars/localhost.yml", OURS),
        ("group_vars/web.yml", "web_port: 80\nnot_jupyter_port: 1\n"),
        ("group_vars/web.yml", "# jupyter_port: 1\n"),
        ("group_vars/.gpu_node.yml", OURS),
        ("group_vars/notes.txt", OURS),
        ("other_vars/gpu_node.yml", OURS),
    ],
)
def test_other_files_are_no_concern(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path / name, text)
    assert found([str(tmp_path), "a,b", "/nonexistent"], tmp_path) == []


def test_what_cannot_be_read_is_no_concern(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "gpu_node.yml").symlink_to("nowhere")
    assert found([str(tmp_path)], tmp_path) == []
