# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks say about names, places and values of variables, and about runs without hosts. No node is reached."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.faults.conftest import ROOT, Answer

HINT = "Names that belong to something else can be added to evenkeel_known_variables."
PLAYBOOKS = sorted(path.name for path in (ROOT / "playbooks").glob("*.yml"))
#: What the playbooks require; the names of hosts answer to nobody.
REQUIRED = ["-e", "export_env=a", "-e", "rollback_env=a", "-e", "drift_reports=a", "-e", "image_base=a"]
REQUIRED += ["-e", "seal_hosts=gpu01.example.org"]
REQUIRED += ["-e", "bundle_install_from=a", "-e", '{"bundle_copy": {}}']
#: What the playbooks for mirrors require.
MIRRORS = "package_mirrors: {hosts: {gpu01.example.org: , gpu02.example.org: }}\n"
#: They are for the control node alone.
LOCAL = ("bundle.yml", "compile.yml", "drift_merge.yml", "image.yml", "lock.yml", "review.yml")


class Inventory:
    """A copy of the example's inventory, which tests change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "inventories" / "example", folder)

    def put(self, file: str, text: str) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def play(self, playbook: str, *options: str) -> Answer:
        return play(playbook, f"--inventory={self.folder}", *options)


def play(playbook: str, *options: str) -> Answer:
    """Run a playbook as an operator does, from the project's folder; the shown paragraphs are in one line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    settings = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_NOCOLOR": "1", "COLUMNS": "10000"}
    settings |= {"ANSIBLE_STDOUT_CALLBACK": "default"}
    # Without facts, site.yml's first task comes before its first connection.
    settings |= {"ANSIBLE_GATHERING": "explicit", "ANSIBLE_CACHE_PLUGIN": "memory"}
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", playbook, *options],
        check=False,
        cwd=ROOT,
        env={**environment, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return Answer(done.returncode, done.stdout)


def refused(answer: Answer, *lines: str) -> bool:
    """Whether a run ended at its validation with exactly these lines; shows the run where it did not."""
    assert answer.status != 0, answer.output
    assert answer.output.count("TASK [") == 2, answer.output
    assert '"msg": "{}"}}'.format("\\n".join(lines)) in answer.output, answer.output
    return True


def warned(answer: Answer) -> list[str]:
    """Return the warnings of a run."""
    mark = "[WARNING]: "
    return [line.removeprefix(mark) for line in answer.output.splitlines() if line.startswith(mark)]


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """An inventory without mistakes, of nodes that do not exist."""
    return Inventory(tmp_path / "mine")


# names


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_misspelt_variables_of_groups_stop_every_playbook(inventory: Inventory, playbook: str) -> None:
    inventory.put("mirrors.yml", MIRRORS)
    inventory.put("group_vars/all/typo.yml", "jupyter_prot: 9999\nconda_environment_list: [{name: ai-dev}]\n")
    assert refused(
        inventory.play(f"playbooks/{playbook}", *REQUIRED),
        "There is no variable conda_environment_list. Use conda_environments_list instead.",
        "There is no variable jupyter_prot. Use jupyter_port instead.",
        HINT,
    )


def test_a_variable_of_one_host_is_reported_with_the_host(inventory: Inventory) -> None:
    inventory.put("host_vars/gpu02.example.org.yml", "jupyter_prot: 9999\n")
    assert refused(
        inventory.play("site.yml"),
        "There is no variable jupyter_prot. Use jupyter_port instead. It is set for gpu02.example.org.",
        HINT,
    )


def test_variables_of_others_are_allowed_and_errors_can_be_warnings(inventory: Inventory) -> None:
    inventory.put("group_vars/all/typo.yml", "jupyter_prot: 1\nnvidia_driver_skip_reboot: true\n")
    allowed = ["-e", '{"evenkeel_known_variables": ["jupyter_pr*", "nvidia_driver_skip_reboot"]}']
    silent = inventory.play("playbooks/compare.yml", *allowed)
    assert "UNREACHABLE" in silent.output, silent.output
    assert warned(silent) == []
    loose = inventory.play("playbooks/compare.yml", "-e", "evenkeel_unknown_variables=warn")
    assert "UNREACHABLE" in loose.output, loose.output
    assert warned(loose) == [
        "There is no variable jupyter_prot. Use jupyter_port instead.",
        "There is no variable nvidia_driver_skip_reboot. Use nvidia_driver_reboot instead.",
    ]


def test_a_role_alone_refuses_its_misspelt_variables(inventory: Inventory, tmp_path: Path) -> None:
    inventory.put("group_vars/all/typo.yml", "remote_access_gruop: people\nmirror_timeuot: 5\n")
    tasks = [{"ansible.builtin.import_role": {"name": "evenkeel.gpu.remote_access"}}]
    own = [{"name": "Mine", "hosts": "gpu_nodes", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "own.yml").write_text(yaml.safe_dump(own))
    answer = inventory.play(str(tmp_path / "own.yml"))
    assert answer.failed_saying("There is no variable remote_access_gruop. Use remote_access_group instead.")
    assert "mirror_timeuot" not in answer.output


def test_a_playbook_that_imports_ours_hands_it_no_misspelt_variable(inventory: Inventory, tmp_path: Path) -> None:
    own = [{"import_playbook": "evenkeel.gpu.compare", "vars": {"jupyter_prot": 1}}]
    (tmp_path / "own.yml").write_text(yaml.safe_dump(own))
    answer = inventory.play(str(tmp_path / "own.yml"))
    assert refused(answer, "There is no variable jupyter_prot. Use jupyter_port instead.", HINT)


# places


def test_a_variable_inside_another_is_refused(inventory: Inventory) -> None:
    inventory.put("group_vars/gpu_nodes/typo.yml", "jupyter_settings: {ServerApp: {condarc_channels: [a]}}\n")
    assert refused(
        inventory.play("playbooks/verify.yml"),
        "jupyter_settings holds condarc_channels, which is a variable of its own."
        " Set it beside jupyter_settings, not inside.",
        HINT,
    )


def test_a_variable_among_the_hosts_is_refused(inventory: Inventory) -> None:
    inventory.put("hosts.yml", "gpu_nodes:\n  hosts:\n    gpu01:\n    jupyter_port:\n")
    assert refused(
        inventory.play("playbooks/verify.yml"),
        "The inventory has a host jupyter_port, which is the name of a variable. Set it below vars, not below hosts.",
    )


def test_an_inventory_cannot_say_how_many_nodes_are_upgraded_at_a_time(inventory: Inventory) -> None:
    inventory.put("group_vars/all/typo.yml", "upgrade_serial: 2\n")
    assert refused(
        inventory.play("playbooks/upgrade_driver.yml"),
        "upgrade_serial is set in the inventory, which Ansible reads too late for it. Set it with -e upgrade_serial.",
    )


def test_what_nothing_reads_is_a_warning_that_appears_once(inventory: Inventory) -> None:
    inventory.put("group_vars/gpu_node.yml", "jupyter_port: 1\n")
    inventory.put("host_vars/gpu03/x.yml", "jupyter_port: 1\n")
    inventory.put(
        "group_vars/gpu_nodes/typo.yml", "gpu_nodes: {jupyter_port: 1}\njupyterhub_port: 1\nlock_platforms: [a]\n"
    )
    shown = warned(inventory.play("playbooks/compare.yml"))
    expected = {
        "group_vars/gpu_node.yml has no effect: the inventory has no group gpu_node. Rename it to gpu_nodes.yml.",
        "host_vars/gpu03 has no effect: the inventory has no host gpu03. Rename it, or add the host to the inventory.",
        "jupyterhub_port looks like jupyter_port, which is another variable."
        " Use jupyter_port if you mean that; otherwise add jupyterhub_port to evenkeel_known_variables.",
        "jupyter_port is set inside gpu_nodes, where no role reads it. Set jupyter_port outside of gpu_nodes.",
        "lock_platforms is set for nodes, but lock.yml runs on the control node and does not read it."
        " Set it in the group all.",
    }
    assert sorted(line.removeprefix(f"{inventory.folder}/") for line in shown) == sorted(expected)


def test_only_machines_that_are_named_are_sealed(inventory: Inventory) -> None:
    assert inventory.play("playbooks/seal.yml").failed_saying("seal_hosts is not set")
    for hosts, problem in {
        "seal_hosts=gpu_nodes": "names gpu_nodes, which the group gpu_nodes does not have",
        "seal_hosts=gpu01.example.org,gpu0*": "names gpu0*, which the group gpu_nodes does not have",
        '{"seal_hosts": []}': "is empty",
    }.items():
        answer = inventory.play("playbooks/seal.yml", "-e", hosts)
        assert answer.failed_saying(f"seal_hosts {problem}. Name each machine to seal")
        assert "UNREACHABLE" not in answer.output


# values


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("maybe", "evenkeel_offline is 'maybe'. Set it to true or false."),
        ("'{{ 3 * \"a\" }}'", "evenkeel_offline is 'aaa'. Set it to true or false."),
        ("[1]", "evenkeel_offline is a list. Set it to true or false."),
        ("'{{ nowhere }}'", "evenkeel_offline can't be read: 'nowhere' is undefined"),
    ],
)
def test_a_wrong_value_is_one_line(inventory: Inventory, value: str, line: str) -> None:
    inventory.put("group_vars/all/wrong.yml", f"evenkeel_offline: {value}\n")
    assert refused(inventory.play("playbooks/verify.yml"), line)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_wrong_value_of_one_host_is_refused_by_every_playbook(inventory: Inventory, playbook: str) -> None:
    inventory.put("mirrors.yml", MIRRORS)
    inventory.put("host_vars/gpu02.example.org.yml", "evenkeel_offline: maybe\n")
    inventory.put("host_vars/localhost.yml", "evenkeel_offline: maybe\n")
    host = "" if playbook in LOCAL else "gpu02.example.org: "
    answer = inventory.play(f"playbooks/{playbook}", *REQUIRED)
    assert refused(answer, f"{host}evenkeel_offline is 'maybe'. Set it to true or false.")


def test_a_value_that_no_password_opens_is_one_line(inventory: Inventory, tmp_path: Path) -> None:
    for name in ("right", "wrong"):
        (tmp_path / name).write_text(f"{name}\n")
    made = subprocess.run(
        [
            sys.executable,
            "-m",
            "ansible",
            "vault",
            "encrypt_string",
            "--vault-password-file",
            tmp_path / "right",
            "8888",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    inventory.put("group_vars/all/wrong.yml", f"verify_timeout: {made.stdout}")
    answer = inventory.play("playbooks/verify.yml", f"--vault-password-file={tmp_path / 'wrong'}")
    assert answer.failed_saying("verify_timeout can't be read: ")
    (shown,) = [line for line in answer.output.splitlines() if line.startswith("fatal: ")]
    assert "\\n" not in shown


# hosts


@pytest.mark.parametrize("playbook", ["site.yml", "upgrade_driver.yml"])
def test_without_nodes_every_playbook_fails_with_one_sentence(inventory: Inventory, playbook: str) -> None:
    inventory.put("hosts.yml", "others:\n  hosts:\n    bastion:\n")
    answer = inventory.play(f"playbooks/{playbook}", *REQUIRED)
    what = f"The inventory {inventory.folder} has no host in the group gpu_nodes."
    remedy = "Name yours with -i, and list the nodes in its group gpu_nodes."
    assert answer.failed_saying(f'"msg": "{what} {remedy}"')


@pytest.mark.parametrize("playbook", ["site.yml", "client_config.yml", "lock.yml"])
def test_a_limit_to_other_hosts_fails_with_one_sentence(inventory: Inventory, playbook: str) -> None:
    inventory.put("others.yml", "others:\n  hosts:\n    bastion:\n")
    answer = inventory.play(f"playbooks/{playbook}", "--limit=bastion", *REQUIRED)
    first = "localhost" if playbook == "lock.yml" else "gpu01.example.org"
    line = f"--limit bastion leaves out all hosts of this playbook. Name a host such as {first}."
    assert answer.failed_saying(f'"msg": "{line}"')


@pytest.mark.parametrize("options", [[], ["--limit=gpu01"], ["--tags=jupyter"], ["--check"]], ids=" ".join)
def test_a_run_without_an_inventory_fails(options: list[str]) -> None:
    assert play("site.yml", *options).failed_saying("The inventory ", "has no host", "with -i")


def test_a_node_that_is_named_is_enough(inventory: Inventory) -> None:
    answer = inventory.play("playbooks/compare.yml", "--limit=gpu02.example.org")
    assert "UNREACHABLE" in answer.output
    assert "gpu01.example.org" not in answer.output
