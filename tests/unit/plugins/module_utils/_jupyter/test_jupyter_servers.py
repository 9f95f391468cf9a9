# SPDX-License-Identifier: GPL-3.0-or-later
"""The module jupyter_servers on a node whose accounts and systemd are fakes; its files are real ones."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import accounts, jupyter_servers
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import server as one_server
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import servers as all_servers
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.accounts import Account
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit

SERVICE, WAY_IN, PROXY = "jupyter@%s.service", "jupyter-proxy@%s.socket", "jupyter-proxy@%s.service"
ENABLE = ("enable", SERVICE % "ana", WAY_IN % "ana", SERVICE % "bo", WAY_IN % "bo")
RELOAD = ("daemon-reload",)
UNITS = ("jupyter@.service", "jupyter-proxy@.socket", "jupyter-proxy@.service")


@dataclass
class Systemd:
    """systemd, with the commands it got.

    Parameters
    ----------
    broken
        Units that do not start.
    processes
        What runs in a unit beside the server.
    unread
        Whether files have changed since it has read them.
    """

    started: dict[str, float] = field(default_factory=dict)
    enabled: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    processes: dict[str, list[str]] = field(default_factory=dict)
    unread: bool = False
    done: list[tuple[str, ...]] = field(default_factory=list)

    def run(self, argv: Sequence[str]) -> Done:
        if argv[0] == "journalctl":
            return Done(0, f"journal of {argv[2]}", "")
        verb, *names = argv[1:]
        self.done.append(tuple(argv[1:]))
        self.unread = self.unread and verb != "daemon-reload"
        if verb == "enable":
            self.enabled.update(names)
        if verb == "disable":
            self.enabled.difference_update(names)
        if verb == "stop" or "--now" in names:
            for name in names:
                self.started.pop(name, None)
        if verb in ("start", "restart"):
            self.started.update({name: time.time() for name in names if name not in self.broken})
        failed = self.broken.intersection(names) if verb in ("start", "restart") else set()
        return Done(bool(failed), "", "".join(f"Job for {name} failed.\n" for name in sorted(failed)))

    def read(self, names: Sequence[str]) -> dict[str, Unit]:
        return {
            name: Unit(
                name, name in self.started, name in self.enabled, started=self.started.get(name), unread=self.unread
            )
            for name in names
        }


@dataclass
class Node:
    """The node, with servers of Ana's and Bo's wanted."""

    folder: Path
    systemd: Systemd = field(default_factory=Systemd)
    accounts: dict[str, Account] = field(default_factory=dict)
    reference: str | None = None
    without_home: dict[str, str] = field(default_factory=dict)

    @property
    def own(self) -> Path:
        return self.folder / "evenkeel"

    @property
    def listed(self) -> list[str]:
        return [entry["user"] for entry in json.loads((self.own / "servers.json").read_text())["servers"]]

    def converge(self, *users: str, check_mode: bool = False, **params: Any) -> dict[str, Any]:
        """Have servers for these users, and Ana's with ``ana``'s options."""
        item = {name: option.get("default") for name, option in jupyter_servers._SERVER.items()}
        defaults = {name: option.get("default") for name, option in jupyter_servers.ARGUMENT_SPEC.items()}
        own = params.pop("ana", {})
        given = {
            "servers": [{**item, "name": user, **(own if user == "ana" else {})} for user in users or ("ana", "bo")],
            "environment": "/e",
            "units": dict.fromkeys(UNITS, all_servers.kept_files.MARK + "\n"),
            "config": "",
            "directory": str(self.own),
        }
        self.systemd.done.clear()
        return jupyter_servers.converge({**defaults, **given, **params}, check_mode)

    def remove(self, *, check_mode: bool = False) -> dict[str, Any]:
        defaults = {name: option.get("default") for name, option in jupyter_servers.ARGUMENT_SPEC.items()}
        self.systemd.done.clear()
        return jupyter_servers.converge({**defaults, "state": "absent", "directory": str(self.own)}, check_mode)

    def age(self) -> None:
        """Let time pass since all files were written, and since then all units started."""
        now = time.time()
        for path in self.folder.rglob("*"):
            os.utime(path, (now - 100, now - 100))
        self.systemd.started = dict.fromkeys(self.systemd.started, now - 50)

    def files(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Node:
    found = Node(tmp_path)
    for user in ("ana", "bo", "jupyter"):
        found.accounts[user] = Account(user, f"/home/{user}", "/bin/sh", os.geteuid() or 1001, os.getegid())
    system = str(tmp_path / "system")
    monkeypatch.setattr(one_server, "UNITS", system)
    monkeypatch.setattr(all_servers, "UNITS", system)
    for function in ("known", "folders"):
        monkeypatch.setattr(all_servers, function, functools.partial(getattr(all_servers, function), system=system))
    monkeypatch.setattr(one_server, "SOCKETS", str(tmp_path / "run"))
    monkeypatch.setattr(all_servers.units, "read", found.systemd.read)
    monkeypatch.setattr(all_servers.units, "processes", lambda _: found.systemd.processes)
    monkeypatch.setattr(all_servers.command, "run", found.systemd.run)
    monkeypatch.setattr(accounts, "_account", found.accounts.get)
    monkeypatch.setattr(accounts, "_without_home", lambda _: found.without_home)
    monkeypatch.setattr(jupyter_servers, "holders", lambda *_: "")
    monkeypatch.setattr(jupyter_servers.jupyter_reference, "failure_of_server", lambda *_: found.reference)
    return found


def test_a_bare_node_and_the_run_after(node: Node) -> None:
    result = node.converge()
    start = [("start", WAY_IN % "ana", WAY_IN % "bo"), ("start", SERVICE % "ana", SERVICE % "bo")]
    assert node.systemd.done[:3] == [RELOAD, ENABLE, start[0]]
    assert {name for command in node.systemd.done[3:] for name in command[1:]} == set(start[1][1:])
    assert [(server["user"], server["port"], server["probe"]) for server in result["servers"]] == [
        ("ana", 8889, "full"),
        ("bo", 8890, "full"),
    ]
    tokens = [(node.own / user / "token").read_text() for user in node.listed]
    assert len(set(tokens)) == 2
    assert not any(token in json.dumps(result) for token in tokens)
    before = node.files()
    result = node.converge()
    assert (result["changed"], result["diff"], node.systemd.done, node.files()) == (False, [], [], before)
    assert [server["probe"] for server in result["servers"]] == ["light", "light"]


def test_check_mode_reports_the_same_and_does_nothing(node: Node) -> None:
    rehearsed = node.converge(check_mode=True)
    assert (node.systemd.done, node.files()) == ([], {})
    assert rehearsed == node.converge()


def test_a_server_that_is_reached_elsewhere_moves(node: Node) -> None:
    node.converge()
    node.age()
    servers = node.converge(check_mode=True, ana={"port": 9000})["servers"]
    assert {server["user"]: server["moves"] for server in servers} == {"ana": True, "bo": False}


def test_on_demand_the_way_in_alone_is_there(node: Node) -> None:
    node.converge(on_demand=True)
    ways_in = (WAY_IN % "ana", WAY_IN % "bo")
    assert node.systemd.done == [RELOAD, ("enable", *ways_in), ("start", *ways_in)]
    assert [server["probe"] for server in node.converge(on_demand=True)["servers"]] == ["asleep", "asleep"]


RESTART = ("restart", SERVICE % "ana")


@pytest.mark.parametrize(
    ("users", "params", "commands"),
    [
        ((), {"ana": {"cpu_quota": "100%"}}, [RELOAD, RESTART]),
        ((), {"ana": {"root_dir": "/srv"}}, [RELOAD, RESTART]),
        ((), {"ana": {"token": "another-token-that-is-long-enough-for-one"}}, [RESTART]),
        ((), {"ana": {"port": 9000}}, [RELOAD, ("restart", WAY_IN % "ana")]),
        (
            ("ana",),
            {},
            [
                ("disable", "--now", WAY_IN % "bo"),
                ("stop", PROXY % "bo"),
                ("disable", "--now", SERVICE % "bo"),
                RELOAD,
            ],
        ),
    ],
)
def test_a_change_touches_what_it_is_about(
    node: Node, users: tuple[str, ...], params: dict[str, Any], commands: list[tuple[str, ...]]
) -> None:
    node.converge()
    node.age()
    result = node.converge(*users, **params)
    assert (result["changed"], node.systemd.done) == (True, commands)
    assert node.listed == list(users or ("ana", "bo"))
    assert node.converge(*users, **params)["changed"] is False


@pytest.mark.parametrize(
    ("users", "params"), [((), {"ana": {"cpu_quota": "100%"}}), (("bo",), {})], ids=["restart", "removal"]
)
@pytest.mark.parametrize(
    ("policy", "processes", "waits"),
    [("idle", ["pid 7: python"], True), ("idle", [], False), ("manual", [], True), ("now", ["pid 7: python"], False)],
)
def test_what_users_run_is_ended_as_the_policy_says(
    node: Node, users: tuple[str, ...], params: dict[str, Any], policy: str, processes: list[str], waits: bool
) -> None:
    node.converge()
    node.age()
    since = node.systemd.started[SERVICE % "ana"]
    node.systemd.processes[SERVICE % "ana"] = processes
    for _ in range(2):  # what waits does so in the next run, too
        result = node.converge(*users, restart_policy=policy, **params)
        assert [waiting["user"] for waiting in result["waiting"]] == ["ana"] * waits
        assert bool(result["warnings"]) is waits
        assert (node.systemd.started.get(SERVICE % "ana") == since) is waits
    assert (node.own / "ana" / "token").exists() is (waits or not users)


def test_a_server_that_does_not_start_is_its_users_problem(node: Node) -> None:
    node.systemd.broken = {SERVICE % "ana"}
    result = node.converge()
    assert list(result["user_problems"]) == ["ana"]
    assert "journal of jupyter@ana.service" in result["user_problems"]["ana"][0]
    assert [server["probe"] for server in result["servers"]] == ["asleep", "full"]
    assert SERVICE % "bo" in node.systemd.started
    assert len(result["warnings"]) == 1


@pytest.mark.parametrize(
    ("users", "broken", "reference", "params", "why"),
    [
        ((), ["ana", "bo"], None, {}, "it fails for all users"),
        ((), ["ana"], "no JupyterLab", {}, "no JupyterLab"),
        (("ana",), ["ana"], None, {"ana": {"system_account": True}}, "ana is an account of the node's own"),
    ],
)
def test_a_failure_that_is_the_nodes_fails(
    node: Node, users: tuple[str, ...], broken: list[str], reference: str | None, params: dict[str, Any], why: str
) -> None:
    node.systemd.broken = {SERVICE % user for user in broken}
    node.reference = reference
    with pytest.raises(EvenkeelError, match=why):
        node.converge(*users, **params)


def test_who_is_gone_from_the_directory_keeps_the_server(node: Node) -> None:
    node.converge()
    del node.accounts["ana"]
    before = node.files()
    result = node.converge()
    assert (result["changed"], node.systemd.done, node.files()) == (False, [], before)
    assert list(result["user_problems"]) == ["ana"]
    assert node.listed == ["ana", "bo"]


def test_a_server_without_its_users_home_is_not_started(node: Node) -> None:
    node.without_home = {"ana": "the home /home/ana is not a directory"}
    result = node.converge()
    assert [server["probe"] for server in result["servers"]] == ["asleep", "full"]
    assert SERVICE % "ana" not in node.systemd.started
    assert result["user_problems"] == {"ana": ["the home /home/ana is not a directory"]}
    node.without_home = {}
    node.converge()
    assert SERVICE % "ana" in node.systemd.started


def test_units_that_systemd_has_not_read_are_read(node: Node) -> None:
    node.converge()
    node.systemd.unread = True
    assert node.converge()["changed"] is True
    assert node.systemd.done == [RELOAD]


def test_what_a_killed_run_has_left_is_done(node: Node) -> None:
    node.converge()
    path = Path(one_server.drop_in("ana", one_server.SERVICE))
    later = node.systemd.started[SERVICE % "ana"] + 1
    os.utime(path, (later, later))
    assert node.converge()["changed"] is True
    assert node.systemd.done == [RESTART]


def test_what_the_same_run_puts_in_place_is_taken_as_done_in_check_mode_alone(node: Node) -> None:
    del node.accounts["ana"]
    node.accounts["bo"] = Account("bo", "/elsewhere", "/usr/sbin/nologin", 1002, 1002)
    planned = {
        "planned": {"ana": "/home/ana", "bo": "/home/bo"},
        "certificate": str(node.folder / "none.pem"),
        "key": str(node.folder / "none-key.pem"),
    }
    rehearsed = node.converge(check_mode=True, **planned)
    assert [(server["user"], server["scheme"]) for server in rehearsed["servers"]] == [
        ("ana", "https"),
        ("bo", "https"),
    ]
    assert "WorkingDirectory=/home/bo" in json.dumps(rehearsed["diff"])
    with pytest.raises(EvenkeelError, match=r"there is no user ana; bo may not log in"):
        node.converge(**planned)


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    ("users", "params", "message"),
    [
        (("ana", "ana"), {}, "names ana twice"),
        (("ana", "eve"), {}, "no user eve"),
        ((), {"ana": {"hashed_password": "plain"}}, "ana"),
        (
            ("ana",),
            {"ana": {"root_dir": "/no-such-folder", "system_account": True}},
            "root_dir of ana is /no-such-folder",
        ),
        ((), {"socket_group": "no-such-group"}, "no group no-such-group"),
        ((), {"units": {"jupyter@.service": "x"}}, "was not written by Evenkeel"),
    ],
)
def test_nothing_is_done_where_anything_is_wrong(
    node: Node, users: tuple[str, ...], params: dict[str, Any], message: str, check_mode: bool
) -> None:
    if "units" in params:
        Path(one_server.UNITS).mkdir()
        Path(one_server.UNITS, "jupyter@.service").write_text("[Service]\n# somebody else's\n")
    before = node.files()
    with pytest.raises(EvenkeelError, match=message):
        node.converge(*users, check_mode=check_mode, **params)
    assert (node.systemd.done, node.files()) == ([], before)


@pytest.mark.parametrize("root_dir", ["/", "/home/ana", "/home/ana/yet-to-come"])
def test_the_folder_of_a_server_of_the_nodes_own_is_there_or_below_its_home(node: Node, root_dir: str) -> None:
    assert node.converge("ana", ana={"root_dir": root_dir, "system_account": True}, check_mode=True)["changed"]


def test_a_certificate_has_to_be_there(node: Node) -> None:
    with pytest.raises(EvenkeelError, match="no file /none"):
        node.converge(certificate="/none.pem", key="/none.key")
    assert node.systemd.done == []


def test_all_servers_end_with_what_runs_in_them_and_nothing_of_them_stays(node: Node) -> None:
    node.converge(listen="socket")
    node.systemd.processes = {SERVICE % "ana": ["pid 7: python train.py"]}
    socket = node.folder / "run" / "ana.sock"
    socket.parent.mkdir()
    socket.touch()
    before = node.files()
    rehearsed = node.remove(check_mode=True)
    assert (rehearsed["changed"], node.files(), node.systemd.done) == (True, before, [])
    done = node.remove()
    assert done["diff"] == rehearsed["diff"]
    assert done["warnings"] == ["The server of ana ends, and in it: pid 7: python train.py"]
    assert (node.files(), node.own.exists(), socket.parent.exists()) == ({}, False, False)
    assert list((node.folder / "system").iterdir()) == []
    assert (node.systemd.started, node.systemd.enabled, node.systemd.done[-1]) == ({}, set(), RELOAD)
    again = node.remove()
    assert (again["changed"], again["left"], node.systemd.done) == (False, [], [])
    assert node.converge()["changed"]


def test_the_slice_of_servers_ends_with_them(node: Node) -> None:
    node.converge()
    node.systemd.started["jupyter.slice"] = 1.0
    assert node.remove()["changed"]
    assert node.systemd.done[-1] == ("stop", "jupyter.slice")
    assert not node.remove()["changed"]


def test_a_node_that_never_had_a_server_is_left_alone(node: Node) -> None:
    assert node.remove()["changed"] is False
    assert (node.systemd.done, node.files()) == ([], {})


def test_what_others_have_made_beside_servers_stays_and_is_named(node: Node) -> None:
    node.converge()
    theirs = [
        node.own / "ana" / "notes.txt",
        node.folder / "system" / "jupyter@ana.service.d" / "override.conf",
        node.folder / "system" / "jupyter.slice",
    ]
    for path in theirs:
        path.write_text("[Slice]\n")
    expected = [f"{path}: not made by Evenkeel" for path in theirs[:2]]
    assert node.remove(check_mode=True)["left"] == expected
    assert node.remove()["left"] == expected
    assert sorted(node.files()) == sorted(map(str, theirs))
    again = node.remove()
    assert (again["changed"], again["left"]) == (False, expected)


@pytest.mark.parametrize("files", range(1, 12))
def test_a_removal_that_was_killed_is_finished_by_the_next(
    node: Node, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    node.converge()
    apply = all_servers.kept_files.apply
    made = []

    def killed(change: Any) -> None:
        if len(made) == files:
            raise KeyboardInterrupt
        made.append(change)
        apply(change)

    with monkeypatch.context() as patched:
        patched.setattr(all_servers.kept_files, "apply", killed)
        with pytest.raises(KeyboardInterrupt):
            node.remove()
    node.remove()
    assert (node.files(), node.systemd.started, node.systemd.enabled) == ({}, {}, set())
    assert list((node.folder / "system").iterdir()) == []


def test_units_whose_file_somebody_has_removed_are_stopped_and_start_at_no_boot(node: Node) -> None:
    node.converge()
    link = node.folder / "system" / "multi-user.target.wants" / (SERVICE % "ana")
    link.parent.mkdir()
    link.symlink_to(node.folder / "system" / "jupyter@.service")
    (node.folder / "system" / "jupyter@.service").unlink()
    node.remove()
    assert ("stop", SERVICE % "ana", SERVICE % "bo") in node.systemd.done
    assert (node.systemd.started, link.is_symlink()) == ({}, False)
