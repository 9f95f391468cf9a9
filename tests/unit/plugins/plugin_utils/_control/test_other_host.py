# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.other_host import OtherHost

HOSTS = {
    "builder01": {
        "ansible_host": "builder01.example",
        "ansible_port": "{{ 2200 + 22 }}",
        "ansible_user": "ops",
        "ansible_become": True,
        "ansible_shell_executable": "/bin/bash",
        "ansible_remote_tmp": "/srv/of-ops",
    },
    "here": {"ansible_connection": "local"},
}


@pytest.fixture
def connect(tmp_path: Path) -> Callable[[str], OtherHost]:
    """Return a function that makes what an action of a local play, in check mode and as root, does on a host."""
    file = tmp_path / "hosts.yml"
    file.write_text(yaml.safe_dump({"all": {"hosts": HOSTS}}))
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(file)])
    variables = VariableManager(loader, inventory)
    play = Play.load(
        {"hosts": "localhost", "connection": "local", "become": True, "vars": {"ansible_user": "of the play"}},
        variable_manager=variables,
        loader=loader,
    )
    task = Task()
    task.check_mode = task.become = True
    action: Any = SimpleNamespace(
        _task=task,
        _templar=Templar(loader, {}),
        _play_context=PlayContext(play),
        _loader=loader,
        _shared_loader_obj=None,
    )
    return lambda name: OtherHost(action, name, {"hostvars": HostVars(inventory, variables, loader)})


def test_the_connection_is_the_one_of_the_host(connect: Callable[[str], OtherHost]) -> None:
    connection = connect("builder01")._connection
    options = {name: connection.get_option(name) for name in ("host", "port", "remote_user")}
    assert options == {"host": "builder01.example", "port": 2222, "remote_user": "ops"}
    assert (connection.transport, connection.become) == ("ssh", None)
    assert connection._shell.get_option("remote_tmp") == "/srv/of-ops"


def test_it_is_not_in_check_mode_and_becomes_nobody(connect: Callable[[str], OtherHost]) -> None:
    task = connect("builder01")._task
    assert (task.check_mode, task.become) == (False, False)


def test_commands_and_files(connect: Callable[[str], OtherHost], tmp_path: Path) -> None:
    other = connect("here")
    try:
        assert other.uname() == f"{platform.system()} {platform.machine()}"
        (tmp_path / "file").write_text("content")
        other.send(str(tmp_path / "file"), str(tmp_path / "sent"))
        other.fetch(str(tmp_path / "sent"), str(tmp_path / "fetched"))
    finally:
        other.close()
    assert (tmp_path / "fetched").read_text() == "content"
