# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.evenkeel.gpu.plugins.action import validate_inputs as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import inputs

OPTIONS = {"gate_port": {"type": "int", "default": 443}, "gate_hosts": {"type": "list", "elements": "str"}}
CHECKS = [
    {"ok": trust_as_template("{{ gate_port > 0 }}"), "problem": "gate_port is too small."},
    {"ok": trust_as_template("{{ gate_hosts | length > 0 }}"), "problem": "gate_hosts is empty."},
]
UNDEFINED = "can't be read: 'port' is undefined"
MISSPELT = "There is no variable gate_prot. Use gate_port instead."
HINT = "Names that belong to something else can be added to evenkeel_known_variables."
CHANGES = {"roles": {"gate": {"gate_names": "gate_hosts"}}, "playbooks": {}, "changed_defaults": {}}


@pytest.fixture
def role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a role with a specification."""
    folder = tmp_path / "gate"
    (folder / "meta").mkdir(parents=True)
    specification = {"argument_specs": {"inputs": {"options": OPTIONS}}}
    (folder / "meta" / "argument_specs.yml").write_text(yaml.safe_dump(specification))
    monkeypatch.setattr(inputs, "changes", lambda: CHANGES)
    return folder


def run(role: Path, **variables: Any) -> dict[str, Any]:
    task_vars = {"role_path": str(role), "__gate_checks": CHECKS, "gate_port": 443, "gate_hosts": ["a"], **variables}
    return act({"checks": "__gate_checks"}, task_vars)


def act(arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
    plugin = action.ActionModule(
        task=SimpleNamespace(args=arguments, async_val=0, check_mode=False, diff=False),
        connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
        play_context=None,
        loader=DataLoader(),
        templar=Templar(DataLoader(), task_vars),
        shared_loader_obj=None,
    )
    result: dict[str, Any] = plugin.run(task_vars=task_vars)
    return result


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, None),
        ({"gate_port": "abc"}, "gate_port is 'abc'. Set it to a whole number."),
        ({"gate_port": trust_as_template("{{ 4 * 'a' }}")}, "gate_port is 'aaaa'. Set it to a whole number."),
        (
            {"gate_port": trust_as_template("{{ port }}")},
            f"gate_port {UNDEFINED}",
        ),
        (
            {"gate_hosts": [trust_as_template("{{ port }}")]},
            f"gate_hosts {UNDEFINED}",
        ),
        (
            {"gate_port": "abc", "gate_hosts": [trust_as_template("{{ port }}")]},
            "gate_port is 'abc'. Set it to a whole number.",
        ),
        ({"gate_port": 0, "gate_hosts": []}, "gate_port is too small.\ngate_hosts is empty."),
        ({"gate_names": ["a"]}, "gate_names has another name now. Set gate_hosts instead."),
        ({"gate_prot": 1}, f"{MISSPELT}\n{HINT}"),
        ({"gate_prot": 1, "evenkeel_known_variables": ["gate_pr*"]}, None),
        ({"gate_prot": 1, "evenkeel_known_variables": trust_as_template("{{ port }}")}, f"{MISSPELT}\n{HINT}"),
        ({"evenkeel_unknown_variables": "warn", "gate_prot": 1}, None),
    ],
)
def test_a_role_is_refused_with_a_line_for_each_problem(
    role: Path, variables: dict[str, Any], message: str | None
) -> None:
    result = run(role, **variables)
    assert (result.get("failed", False), result.get("msg")) == (message is not None, message)


def test_rules_are_looked_at_when_all_types_are_right(role: Path) -> None:
    assert run(role, gate_hosts="", gate_port=0)["msg"] == "gate_hosts is ''. Set it to a list."


def test_what_a_filter_refuses_is_a_line(role: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object, value: Any) -> Any:
        if value is not CHECKS[0]["ok"]:
            return value
        try:
            raise EvenkeelError("gate_hosts holds a twice", "Name it once")
        except EvenkeelError as error:
            raise AnsibleFilterError("in a filter") from error

    monkeypatch.setattr(action.ActionModule, "_template", refuse)
    assert run(role)["msg"] == "gate_hosts holds a twice. Name it once."


def test_a_changed_default_is_a_warning(role: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    changed = {"gate": {"gate_port": {"before": 80, "now": 443, "since": "0.2.0"}}}
    monkeypatch.setattr(inputs, "changes", lambda: {**CHANGES, "changed_defaults": changed})
    monkeypatch.setattr(action, "warn", warnings.append)
    assert not run(role).get("failed")
    assert warnings == ["gate_port is 443 by default since 0.2.0. Set it to 80 to keep what it was."]
    assert not run(role, gate_port=8443).get("failed")
    assert len(warnings) == 1


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings of a run."""
    lines: list[str] = []
    monkeypatch.setattr(action, "warn", lines.append)
    return lines


class Hosts:
    """The variables of hosts, as Ansible hands them to a task."""

    def __init__(self, hosts: dict[str, dict[str, Any]]) -> None:
        self._hosts = hosts

    def raw_get(self, host: str) -> dict[str, Any]:
        return self._hosts.get(host, {})

    def __getitem__(self, host: str) -> dict[str, Any]:
        return self._hosts[host]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """A run of the action for a playbook, with the variables of each host; ``given`` are the command line's."""

    def run_playbook(
        name: str,
        given: dict[str, Any] | None = None,
        *,
        batch: list[str] | None = None,
        play_vars: dict[str, Any] | None = None,
        **hosts: dict[str, Any],
    ) -> dict[str, Any]:
        every = {host: {**variables, **(given or {})} for host, variables in hosts.items()}
        monkeypatch.setattr(action, "load_extra_vars", lambda _loader: given or {})
        first = next(iter(every))
        groups = {"all": list(every), "gpu_nodes": list(every)}
        magic = {
            "groups": groups,
            "hostvars": Hosts(every),
            "playbook_dir": str(tmp_path),
            "inventory_hostname": first,
            "ansible_play_hosts_all": list(every),
            "ansible_play_hosts": list(every),
            "ansible_play_batch": batch or list(every),
            "ansible_inventory_sources": [str(tmp_path)],
        }
        return act({"playbook": name}, {**every[first], **(play_vars or {}), **magic})

    return run_playbook


def test_names_of_all_hosts_are_looked_at(play: Callable[..., dict[str, Any]], warnings: list[str]) -> None:
    result = play("site", a={}, b={"jupyter_prot": 1, "conda_path": "/opt"})
    assert result["msg"].startswith("There is no variable jupyter_prot. Use jupyter_port instead. It is set for b.")
    assert [line.partition(",")[0] for line in warnings] == ["conda_path looks like condarc_path"]


def test_names_of_the_play_are_looked_at(play: Callable[..., dict[str, Any]]) -> None:
    result = play("site", play_vars={"jupyter_prot": 1}, a={}, b={})
    assert result["msg"].splitlines()[0] == "There is no variable jupyter_prot. Use jupyter_port instead."


def test_names_are_looked_at_with_the_first_batch_alone(play: Callable[..., dict[str, Any]]) -> None:
    hosts: dict[str, Any] = {"a": {}, "b": {"jupyter_prot": 1}}
    assert play("upgrade_driver", batch=["a"], **hosts)["failed"]
    assert not play("upgrade_driver", batch=["b"], **hosts).get("failed")


def test_a_value_of_any_host_has_the_right_type(play: Callable[..., dict[str, Any]]) -> None:
    wrong = {"verify_min_gpus": "many", "evenkeel_offline": "maybe"}
    lines = [
        "evenkeel_offline is 'maybe'. Set it to true or false.",
        "verify_min_gpus is 'many'. Set it to a whole number.",
    ]
    assert play("verify", a=wrong, b=wrong)["msg"].splitlines() == lines
    assert play("verify", a={}, b=wrong, c=wrong)["msg"].splitlines() == [f"b: {line}" for line in lines]
    assert not play("verify", a={"verify_min_gpus": 1}, b={"verify_min_gpus": "2"}).get("failed")


def test_what_only_the_command_line_can_set_is_refused_elsewhere(play: Callable[..., dict[str, Any]]) -> None:
    line = "upgrade_serial is set in the inventory, which Ansible reads too late for it. Set it with -e upgrade_serial."
    assert play("upgrade_driver", a={"upgrade_serial": 2})["msg"] == line
    assert not play("upgrade_driver", {"upgrade_serial": 2}, a={"upgrade_serial": 2}).get("failed")
    assert not play("upgrade_driver", play_vars={"upgrade_serial": 3}, a={"upgrade_serial": 2}).get("failed")
    assert not play("upgrade_driver", play_vars={"upgrade_serial": 3}, a={}).get("failed")
    assert not play("site", a={"upgrade_serial": 2}).get("failed")


def test_canaries_are_a_group(play: Callable[..., dict[str, Any]]) -> None:
    assert play("rollout", {"rollout_canary": "a"}, a={})["msg"].startswith("rollout_canary is 'a', and the inventory")
    assert not play("rollout", {"rollout_canary": "gpu_nodes"}, a={}).get("failed")
    assert not play("rollout", a={}).get("failed")


def test_what_lock_would_not_read_is_a_warning(play: Callable[..., dict[str, Any]], warnings: list[str]) -> None:
    assert not play("site", a={"lock_cuda": "12.4"}, localhost={"lock_cuda": "12.4"}).get("failed")
    assert warnings == []
    assert not play("site", a={"lock_cuda": "12.4"}, b={}).get("failed")
    why = "lock.yml runs on the control node and does not read it. Set it in the group all."
    assert warnings == [f"lock_cuda is set for nodes, but {why}"]
    assert not play("site", a={"conda_environments_directory": "/srv"}, b={}).get("failed")
    assert warnings[1:] == [f"conda_environments_directory is set for nodes, but {why}"]
    assert not play("site", play_vars={"conda_environments_directory": "the role's default"}, a={}).get("failed")
    assert not warnings[2:]


def test_what_has_no_value_on_the_control_node_is_a_warning(
    play: Callable[..., dict[str, Any]], warnings: list[str]
) -> None:
    unreadable = {
        "conda_environments_mirrors": trust_as_template("{{ port }}"),
        "conda_environments_pip_index": trust_as_template("{{ port }}"),
    }
    why = f"{UNDEFINED}. Its default is taken. Define what it is made of, or give the vault's password"
    assert not play("lock", localhost=unreadable).get("failed")
    assert warnings == [
        f"conda_environments_mirrors {why}; or set lock_mirrors.",
        f"conda_environments_pip_index {why}; or set lock_pip_index.",
    ]
    warnings.clear()
    assert not play("lock", localhost={**unreadable, "lock_mirrors": {}, "lock_pip_index": ""}).get("failed")
    assert not play("lock", localhost={"conda_environments_mirrors": {}}).get("failed")
    assert warnings == []
    assert not play("export", {"export_env": "nlp"}, a=unreadable).get("failed")
    assert warnings == [f"conda_environments_mirrors {why}.", f"conda_environments_pip_index {why}."]


def test_a_file_that_belongs_to_no_group_is_a_warning(
    tmp_path: Path, play: Callable[..., dict[str, Any]], warnings: list[str]
) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "gpu_node.yml").write_text("verify_min_gpus: 8\n")
    assert not play("site", a={}).get("failed")
    assert [line.partition(":")[0] for line in warnings] == [f"{tmp_path}/group_vars/gpu_node.yml has no effect"]


def test_a_variable_in_place_of_a_host_is_an_error(play: Callable[..., dict[str, Any]]) -> None:
    assert play("site", a={}, jupyter_port={})["msg"].startswith("The inventory has a host jupyter_port")
