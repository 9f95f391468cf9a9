# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection beside ansible-core: without its Python packages it says how to get them, and with them it works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.artifact.control_node import ControlNode
from tests.artifact.wheels import ROOT

PLUGINS = {
    kind: sorted(path.stem for path in (ROOT / "plugins" / kind).glob("*.py"))
    for kind in ("action", "filter", "lookup")
}
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
#: ansible-core brings the others.
MISSING = "has no argon2-cffi, py-rattler, ruamel.yaml, uv"
INVENTORY = "gpu_nodes:\n  hosts:\n    localhost:\n      ansible_connection: local\n"


#: Arguments of the lookups.
LOOKED_UP = {
    "environment_files": ", directory='/nowhere'",
    "environment_problems": ", directory='/nowhere'",
    "environments_lacking": ", package='none', directory='/nowhere'",
    "rendered_file": ", 'nothing.j2'",
}


def called(kind: str, name: str) -> dict[str, Any]:
    """Return a task that uses one plugin; in check mode, in which nothing changes."""
    full = f"evenkeel.gpu.{name}"
    tasks: dict[str, dict[str, Any]] = {
        "action": {full: {}, "check_mode": True},
        "filter": {"ansible.builtin.debug": {"msg": f"{{{{ 'x' | {full} }}}}"}},
        "lookup": {"ansible.builtin.debug": {"msg": f"{{{{ query('{full}'{LOOKED_UP.get(name, '')}) }}}}"}},
    }
    return {"name": full, "register": f"{kind}_{name}", "ignore_errors": True, **tasks[kind]}


def play(node: ControlNode, venv: str, *tasks: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    """Run tasks on the control node itself; return what they registered."""
    kept = {task["register"]: f"{{{{ {task['register']} }}}}" for task in tasks}
    reported = {"ansible.builtin.copy": {"content": kept, "dest": f"{node.place}/results.json"}}
    play = {"hosts": "localhost", "gather_facts": False, **keywords, "tasks": [*tasks, reported]}
    playbook = node.write("playbook.yml", yaml.safe_dump([play]))
    node.succeeds("ansible-playbook", playbook, venv=venv)
    results: dict[str, Any] = json.loads(node.succeeds("cat", f"{node.place}/results.json"))
    return results


def test_every_plugin_names_the_missing_packages_and_the_command(node: ControlNode) -> None:
    tasks = [called(kind, name) for kind, names in PLUGINS.items() for name in names]
    results = play(node, "core", *tasks)
    command = f"bin/python -m pip install -r {node.place}/collections/ansible_collections/evenkeel/gpu/requirements.txt"
    said = {name: " ".join(str(result["msg"]).split()) for name, result in results.items()}
    silent = {name: text for name, text in said.items() if MISSING not in text or command not in text}
    assert silent == {}
    assert len(results) == sum(len(names) for names in PLUGINS.values())


def test_the_site_ends_before_its_first_change(node: ControlNode) -> None:
    inventory = node.write("hosts.yml", INVENTORY)
    done = node.run("ansible-playbook", "--check", f"--inventory={inventory}", "evenkeel.gpu.site")
    assert done.returncode != 0
    assert MISSING in done.stdout
    assert "changed=0" in done.stdout


def test_the_command_needs_no_package(node: ControlNode) -> None:
    done = node.run(f"{node.place}/collections/ansible_collections/evenkeel/gpu/bin/evenkeel", "drift", "/nowhere")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("/nowhere: No such file or directory. ")


def test_a_drift_report_needs_no_further_flags(node: ControlNode) -> None:
    """Of the control node itself, which has less than a role wants; what of that is unknown depends on the machine."""
    little = {"conda_environments_list": [], "cuda_toolkit_versions": [], "nvidia_container_toolkit_enabled": False}
    declared = {**little, "ansible_become": False, "drift_timeout": 1}
    hosts = {"localhost": {"ansible_connection": "local"}}
    inventory = node.write("drift.yml", json.dumps({"gpu_nodes": {"hosts": hosts, "vars": declared}}))
    done = node.run("ansible-playbook", f"--inventory={inventory}", "evenkeel.gpu.drift", venv="complete")
    report = json.loads(node.succeeds("cat", f"{node.place}/drift/report.json"))
    host = report["hosts"]["localhost"]
    assert (done.returncode, host["message"]) == (2, ""), done.stdout
    assert host["layers"]["condarc"]["state"] == "drifted"
    command = f"{node.place}/collections/ansible_collections/evenkeel/gpu/bin/evenkeel"
    shown = node.run(command, "drift", "drift/report.json")
    assert shown.returncode == {"drifted": 2, "unknown": 3}[report["status"]]
    assert shown.stdout.strip() in done.stdout


def test_with_its_requirements_it_works(node: ControlNode) -> None:
    filtered = "{{ {'channels': ['conda-forge']} | evenkeel.gpu.condarc_settings }}"
    results = play(
        node,
        "complete",
        {"ansible.builtin.debug": {"msg": filtered}, "register": "settings"},
        {
            "ansible.builtin.debug": {
                "msg": "{{ query('evenkeel.gpu.environment_problems', {'name': 'none'}, directory='/nowhere') }}"
            },
            "register": "problems",
        },
        {"evenkeel.gpu.gpu_facts": {}, "register": "facts"},
    )
    assert results["settings"]["msg"] == {"channels": ["conda-forge"]}
    assert results["problems"]["msg"][0].startswith("There is no folder /nowhere. ")
    assert "evenkeel_gpu" in results["facts"]["ansible_facts"]


def test_its_playbooks_are_found_and_read(node: ControlNode) -> None:
    inventory = node.write("hosts.yml", INVENTORY)
    for playbook in sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml")):
        listing = ["--list-tasks", f"--inventory={inventory}", f"evenkeel.gpu.{playbook}"]
        node.succeeds("ansible-playbook", *listing, venv="complete")


def test_defaults_for_all_modules(node: ControlNode) -> None:
    module = {"evenkeel.gpu.sysctl_floor": {"name": "none"}, "register": "floor", "check_mode": True}
    defaults: dict[str, Any] = {"group/evenkeel.gpu.all": {"values": {}}}
    assert not play(node, "core", module, module_defaults=defaults)["floor"]["changed"]


def test_everything_is_documented_by_its_own_name(node: ControlNode) -> None:
    for kind, names in (("filter", PLUGINS["filter"]), ("lookup", PLUGINS["lookup"]), ("module", MODULES)):
        full = [f"evenkeel.gpu.{name}" for name in names]
        documents = json.loads(node.succeeds("ansible-doc", "--type", kind, "--json", *full))
        own = {name: document["doc"] for name, document in documents.items()}
        assert {name: doc.get("name") or doc["module"] for name, doc in own.items()} == dict(
            zip(full, names, strict=True)
        )
        assert len({doc["short_description"] for doc in own.values()}) == len(full)


def test_every_role_is_documented(node: ControlNode) -> None:
    roles = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
    documents = json.loads(node.succeeds("ansible-doc", "--type", "role", "--list", "--json"))
    assert sorted(name.removeprefix("evenkeel.gpu.") for name in documents) == roles


def test_an_execution_environment_gets_its_requirements(node: ControlNode) -> None:
    collection = f"{node.place}/collections/ansible_collections/evenkeel/gpu"
    meta = yaml.safe_load(node.succeeds("cat", f"{collection}/meta/execution-environment.yml"))
    for kind, needed in (("python", "py-rattler"), ("system", "openssh-client")):
        named = Path(collection, meta["dependencies"][kind])
        assert needed in node.succeeds("cat", str(named))
