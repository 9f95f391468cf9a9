# SPDX-License-Identifier: GPL-3.0-or-later
"""All notebook servers of a node: what is done to each, and whose work waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import servers as jupyter_servers
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.accounts import Account
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.server import UNITS, Server
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.servers import Plan, State
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit

FOLDER = "/etc/evenkeel/jupyter"
SHARED = dict.fromkeys(("jupyter@.service", "jupyter-proxy@.service", "jupyter-proxy@.socket"), f"{MARK}\n")
KERNEL = "pid 9: python -m ipykernel_launcher"


def server(user: str, *, on_demand: bool = False) -> Server:
    account = Account(user, f"/home/{user}", "/bin/bash", 1001, 1001)
    return Server(account, "127.0.0.1", 8889, f"/user/{user}/", account.home, token="hush", on_demand=on_demand)


ANA, BO = server("ana"), server("bo")
LAZY = server("ana", on_demand=True)


def units(user: str, *, awake: bool = True, on_demand: bool = False) -> dict[str, Unit]:
    """Return a server's units as they are once it was converged."""
    service, way_in, proxy = f"jupyter@{user}.service", f"jupyter-proxy@{user}.socket", f"jupyter-proxy@{user}.service"
    return {
        service: Unit(service, running=awake, enabled=not on_demand, main_pid=7 if awake else None),
        way_in: Unit(way_in, running=True, enabled=True),
        proxy: Unit(proxy, running=awake),
    }


def converged(*servers: Server, awake: bool = True) -> State:
    files = jupyter_servers.wanted(servers, [], SHARED, "config", FOLDER)
    found = {
        name: unit for one in servers for name, unit in units(one.user, awake=awake, on_demand=one.on_demand).items()
    }
    return State(files, found)


def plan(
    state: State, *servers: Server, gone: tuple[str, ...] = (), policy: str = "idle", config: str = "config"
) -> Plan:
    files = jupyter_servers.wanted(servers, gone, SHARED, config, FOLDER)
    return jupyter_servers.plan(state, servers, gone, files, policy=policy, folder=FOLDER)


@pytest.mark.parametrize("state", [converged(ANA, BO), converged(LAZY, awake=False), converged(LAZY)])
def test_converged_servers_are_left_alone(state: State) -> None:
    wanted = (ANA, BO) if "jupyter@bo.service" in state.units else (LAZY,)
    assert not plan(state, *wanted).changed


@pytest.mark.parametrize(
    ("one", "after", "probe"),
    [
        (
            ANA,
            [
                "daemon-reload",
                "enable jupyter@ana.service jupyter-proxy@ana.socket",
                "start jupyter-proxy@ana.socket",
                "start jupyter@ana.service",
            ],
            "full",
        ),
        (
            LAZY,
            ["daemon-reload", "enable jupyter-proxy@ana.socket", "start jupyter-proxy@ana.socket"],
            "full",
        ),
    ],
    ids=["always on", "on demand"],
)
def test_a_bare_node(one: Server, after: list[str], probe: str) -> None:
    todo = plan(State(), one)
    assert [" ".join(argv) for argv in todo.after] == after
    assert todo.probes == {"ana": probe}
    assert {change.path for change in todo.files} >= {f"{UNITS}/jupyter@.service", f"{FOLDER}/servers.json"}


@pytest.mark.parametrize(
    ("state", "wanted", "after", "probe"),
    [
        pytest.param(converged(LAZY, awake=False), LAZY, [], "asleep", id="asleep"),
        pytest.param(converged(LAZY), LAZY, [], "light", id="awake"),
        pytest.param(
            converged(ANA, awake=False), ANA, ["start jupyter@ana.service"], "full", id="down, and should not be"
        ),
        pytest.param(
            converged(ANA),
            replace(ANA, token="other"),
            ["restart jupyter@ana.service"],
            "full",
            id="another token",
        ),
        pytest.param(
            converged(ANA),
            replace(ANA, port=9000),
            ["daemon-reload", "stop jupyter-proxy@ana.service", "restart jupyter-proxy@ana.socket"],
            "light",
            id="another port does not touch the server",
        ),
        pytest.param(
            converged(ANA),
            LAZY,
            ["daemon-reload", "disable jupyter@ana.service", "restart jupyter@ana.service"],
            "full",
            id="from now on on demand",
        ),
        pytest.param(
            replace(converged(ANA), older_than={"jupyter@ana.service": ["/opt/evenkeel/envs/jupyter"]}),
            ANA,
            ["restart jupyter@ana.service"],
            "full",
            id="an older generation",
        ),
        pytest.param(
            replace(converged(ANA), older_than={"jupyter-proxy@ana.service": ["/x"]}),
            ANA,
            ["stop jupyter-proxy@ana.service"],
            "light",
            id="the proxy ends, and comes with the next connection",
        ),
    ],
)
def test_what_is_done(state: State, wanted: Server, after: list[str], probe: str) -> None:
    todo = plan(state, wanted)
    assert [" ".join(argv) for argv in todo.after] == after
    assert todo.probes == {"ana": probe}


@pytest.mark.parametrize(
    ("policy", "processes", "restarts"),
    [
        ("now", (KERNEL,), True),
        ("now", (), True),
        ("idle", (KERNEL,), False),
        ("idle", (), True),
        ("manual", (KERNEL,), False),
        ("manual", (), False),
    ],
)
def test_when_a_restart_may_be(policy: str, processes: tuple[str, ...], restarts: bool) -> None:
    state = replace(converged(ANA, BO), processes={"ana": processes, "bo": (KERNEL,)})
    todo = plan(state, replace(ANA, token="other"), BO, policy=policy)
    assert (("restart", "jupyter@ana.service") in todo.after) is restarts
    assert [waiting.user for waiting in todo.waiting] == ([] if restarts else ["ana"])
    assert todo.probes == {"ana": "full" if restarts else "waiting", "bo": "light"}
    assert {change.path for change in todo.files} == {f"{FOLDER}/ana/token"}


def test_what_waits_at_an_address_of_older_files_is_not_asked_at_its_new_one() -> None:
    state = replace(converged(ANA, BO), processes={"ana": (KERNEL,), "bo": (KERNEL,)})
    settings, certificate = replace(ANA, base_url="/u/ana/"), replace(BO, certificate="new\n", key="key\n")
    assert plan(state, settings, certificate).probes == {"ana": "asleep", "bo": "asleep"}
    state = replace(converged(ANA), processes={"ana": (KERNEL,)})
    later = replace(state, older_than={"jupyter@ana.service": [f"{FOLDER}/ana/settings.json"]})
    assert plan(later, ANA).probes == {"ana": "asleep"}


@pytest.mark.parametrize(
    ("state", "wanted", "moves"),
    [
        (converged(ANA), ANA, False),
        (converged(ANA), replace(ANA, token="other"), False),
        (converged(ANA), replace(ANA, port=9000), True),
        (converged(ANA), replace(ANA, port=None), True),
        (converged(ANA), replace(ANA, address="10.0.0.1"), True),
        (replace(converged(ANA), older_than={"jupyter-proxy@ana.socket": ["/x"]}), ANA, True),
        (State(converged(ANA).files), ANA, True),
    ],
    ids=["as it was", "token", "port", "socket", "address", "older file", "stopped"],
)
def test_a_server_moves_with_its_way_in(state: State, wanted: Server, moves: bool) -> None:
    assert plan(state, wanted).moving == ({"ana"} if moves else set())


def test_what_waits_says_for_what() -> None:
    state = replace(converged(ANA), processes={"ana": (KERNEL,)})
    (waiting,) = plan(state, replace(ANA, token="other")).waiting
    assert waiting.words("idle") == (
        f"jupyter@ana.service waits for its restart ({FOLDER}/ana/token). It would end: {KERNEL}. "
        "restart_policy=now (jupyter_restart_policy of the role) restarts it anyway."
    )
    assert "`systemctl restart jupyter@ana.service` when it suits ana" in waiting.words("manual")


def test_one_who_leaves_takes_all_along() -> None:
    todo = plan(converged(ANA, BO), BO, gone=("ana",))
    assert [" ".join(argv) for argv in todo.before] == [
        "disable --now jupyter-proxy@ana.socket",
        "stop jupyter-proxy@ana.service",
        "disable --now jupyter@ana.service",
    ]
    removed = {change.path for change in todo.files if change.after is None}
    assert {f"{FOLDER}/ana/token", f"{UNITS}/jupyter@ana.service.d/evenkeel.conf"} <= removed
    assert todo.after == (("daemon-reload",),)
    assert not plan(converged(BO), BO, gone=()).changed


def test_one_who_leaves_amid_work_stays_until_it_is_done() -> None:
    state = replace(converged(ANA, BO), processes={"ana": (KERNEL,)})
    todo = plan(state, BO, gone=("ana",))
    assert [waiting.why for waiting in todo.waiting] == [("no longer in servers",)]
    assert todo.before == todo.after == ()
    assert [change.path for change in todo.files] == [f"{FOLDER}/servers.json"]


def test_a_change_for_all_restarts_whom_it_may() -> None:
    state = replace(converged(ANA, BO), processes={"ana": (KERNEL,)})
    todo = plan(state, ANA, BO, config="another")
    assert todo.after == (("restart", "jupyter@bo.service"),)
    assert [waiting.user for waiting in todo.waiting] == ["ana"]


def test_units_that_systemd_has_not_read_are_read() -> None:
    state = converged(ANA)
    name = "jupyter@ana.service"
    state = replace(state, units={**state.units, name: replace(state.units[name], unread=True)})
    assert plan(state, ANA).after == (("daemon-reload",),)


def test_a_unit_of_somebody_else_is_refused() -> None:
    state = converged(ANA)
    theirs = {**state.files, f"{UNITS}/jupyter@.service": Kept("[Service]\n")}
    with pytest.raises(EvenkeelError, match=r"jupyter@\.service was not written by Evenkeel"):
        plan(replace(state, files=theirs), ANA)


def test_drop_ins_of_others_are_found() -> None:
    state = converged(ANA)
    name = "jupyter@ana.service"
    paths = (f"{UNITS}/{name}.d/evenkeel.conf", f"{UNITS}/{name}.d/override.conf")
    state = replace(state, units={**state.units, name: replace(state.units[name], drop_ins=paths)})
    assert jupyter_servers.foreign_drop_ins(state) == {name: [paths[1]]}


def test_what_an_earlier_run_made_is_known(tmp_path: Path) -> None:
    for user, listen in [("ana", "127.0.0.1:8889"), (r"bo\x40lab", "/run/evenkeel-jupyter/bo.sock"), ("cy", "")]:
        folder = tmp_path / f"jupyter-proxy@{user}.socket.d"
        folder.mkdir()
        (folder / "evenkeel.conf").write_text(f"{MARK}\n[Socket]\nListenStream={listen}\n" if listen else "\0\0")
    assert jupyter_servers.known(str(tmp_path), str(tmp_path)) == {"ana": 8889, "bo@lab": None, "cy": None}


@pytest.mark.parametrize(
    ("listed", "port"),
    [
        ('{"servers": [{"user": "ana", "port": 8890}]}', 8890),
        ('{"servers": [{"user": "ana", "port": null}]}', None),
        ("", None),
        ("\0", None),
        ("[]", None),
        ('{"servers": [1]}', None),
    ],
)
def test_a_damaged_way_in_keeps_its_port(tmp_path: Path, listed: str, port: int | None) -> None:
    (tmp_path / "jupyter-proxy@ana.socket.d").mkdir()
    (tmp_path / "jupyter-proxy@ana.socket.d" / "evenkeel.conf").write_text("")
    (tmp_path / "servers.json").write_text(listed)
    assert jupyter_servers.known(str(tmp_path), str(tmp_path)) == {"ana": port}


def test_a_list_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    (tmp_path / "servers.json").write_text('{"format": 2, "servers": {"ana": 8890}}')
    with pytest.raises(EvenkeelError, match=r"servers.json was written by a newer Evenkeel \(format 2"):
        jupyter_servers.known(str(tmp_path), str(tmp_path))


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (("start", "a", "b", "c"), [("start", "a", "b"), ("start", "c")]),
        (("restart", "a", "b"), [("restart", "a", "b")]),
    ],
)
def test_servers_start_a_few_at_a_time(argv: tuple[str, ...], parts: list[tuple[str, ...]]) -> None:
    assert jupyter_servers._parts(argv, 2) == parts


def test_who_has_no_home_now_is_left_alone_and_the_others_start() -> None:
    files = jupyter_servers.wanted([ANA, BO], [], SHARED, "config", FOLDER)
    todo = jupyter_servers.plan(State(), [ANA, BO], [], files, policy="idle", folder=FOLDER, homeless=["ana"])
    assert ("start", "jupyter@bo.service") in todo.after
    assert ("start", "jupyter-proxy@ana.socket", "jupyter-proxy@bo.socket") in todo.after
    assert todo.probes == {"ana": "asleep", "bo": "full"}


def test_whom_the_directory_forgot_stays_in_the_list(tmp_path: Path) -> None:
    files = jupyter_servers.wanted([ANA, BO], [], SHARED, "config", str(tmp_path))
    listed = files[str(tmp_path / "servers.json")]
    assert listed is not None
    (tmp_path / "servers.json").write_text(listed.text)
    later = jupyter_servers.wanted([ANA], [], SHARED, "config", str(tmp_path), vanished=["bo", "cy"])
    assert later[str(tmp_path / "servers.json")] == listed
    assert not [path for path in later if "bo" in path]


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_a_server_that_does_not_start_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    called: list[list[str]] = []

    def run(argv: list[str], **_: object) -> Done:
        called.append(list(argv))
        bad = r"jupyter@eve\x40corp.service" in argv and argv[0] == "systemctl"
        return Done(int(bad), "", r"Job for jupyter@eve\x40corp.service failed." if bad else "the log")

    monkeypatch.setattr(jupyter_servers.command, "run", run)
    monkeypatch.setattr(
        jupyter_servers.units, "read", lambda names: {name: Unit(name, running="eve" not in name) for name in names}
    )
    monkeypatch.setattr(jupyter_servers.os, "cpu_count", lambda: 2)
    names = [f"jupyter@{user}.service" for user in ("ana", "bo", r"eve\x40corp", "zoe")]
    failed = jupyter_servers.apply(Plan(after=((verb, *names),)))
    assert list(failed) == ["eve@corp"]
    assert "the log" in failed["eve@corp"]
    assert ["systemctl", verb, names[2], names[3]] in called


def test_what_is_not_one_users_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jupyter_servers.command, "run", lambda *_, **__: Done(1, "", "no systemd"))
    with pytest.raises(EvenkeelError, match="`systemctl daemon-reload` failed: no systemd"):
        jupyter_servers.apply(Plan(after=(("daemon-reload",),)))
