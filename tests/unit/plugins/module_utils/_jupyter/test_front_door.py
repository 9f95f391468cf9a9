# SPDX-License-Identifier: GPL-3.0-or-later
"""The module front_door on a node whose packages, nginx and systemd are fakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import front_door
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.door import Serving
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made, nginx, tls_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.services import Change
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import nginx_removal
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.converge import Outcome

from tests.unit.plugins.certificates import authority, issued
from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager

ANA, BO = (
    {
        "user": user,
        "base_url": f"/user/{user}/",
        "scheme": "http",
        "address": "127.0.0.1",
        "port": port,
        "socket": None,
    }
    for user, port in (("ana", 8889), ("bo", 8890))
)
CERTIFICATE = issued(authority())[0].pem


@dataclass
class Node:
    """What the module sees of a node, and what it did there.

    Parameters
    ----------
    serving
        The text of the configuration that nginx has read; None when it does not run.
    deaf
        Whether nginx goes on with what it has read before, whatever it is asked.
    refuses
        What nginx has against its configuration.
    """

    folder: Path
    serving: str | None = None
    deaf: bool = False
    enabled: bool = False
    refuses: str = ""
    tried: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "conf.d" / front_door.FILE

    @property
    def urls(self) -> Path:
        return self.folder / "evenkeel" / "urls.json"

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    def list_servers(self, *servers: dict[str, Any]) -> None:
        (self.folder / "servers.json").write_text(json.dumps({"servers": servers}))

    def converge(self, *, check_mode: bool = False, **params: Any) -> dict[str, Any]:
        defaults = {name: option.get("default") for name, option in front_door.ARGUMENT_SPEC.items()}
        given = {
            "hosts": ["gpu1.example.com"],
            "certified": ["gpu1.example.com", "*.gpu1.example.com"],
            "certificate": str(self.certificate),
            "key": str(self.folder / "key.pem"),
            "servers": str(self.folder / "servers.json"),
        }
        return front_door.converge({**defaults, **given, **params}, check_mode)

    def remove(self, *, check_mode: bool = False) -> dict[str, Any]:
        defaults = {name: option.get("default") for name, option in front_door.ARGUMENT_SPEC.items()}
        return front_door.converge({**defaults, "state": "absent"}, check_mode)

    def try_out(self, _: str, text: str) -> None:
        self.tried.append(text)
        if self.refuses:
            raise EvenkeelError(self.refuses, "")

    def change(self, name: str, *, run: bool) -> Change | None:
        assert run
        started, enabled = self.serving is not None, self.enabled
        return None if started and enabled else Change(name, enable=not enabled, start=not started)

    def require(self, argv: list[str], _: str) -> str:
        self.done.append(argv[1])
        self.enabled = self.enabled or argv[1] == "enable"
        if argv[1] == "restart" or (argv[1] == "reload" and not self.deaf):
            self.serving = self.file.read_text() if self.file.exists() else ""
        return ""

    def look(self, _: object) -> Serving | None:
        if self.serving is None:
            return None
        health = self.serving.partition('return 200 "')[2].partition("\\n")[0]
        return Serving(tls_files.first_of(CERTIFICATE), health)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Node:
    found = Node(tmp_path)
    found.file.parent.mkdir()
    found.certificate.write_text(CERTIFICATE)
    found.list_servers(ANA, BO)
    monkeypatch.setattr(front_door.nginx, "path", lambda name: str(tmp_path / "conf.d" / name))
    monkeypatch.setattr(front_door, "URLS", str(found.urls))
    monkeypatch.setattr(front_door.nginx, "RELOAD_SECONDS", 0)
    monkeypatch.setattr(front_door.nginx, "is_there", lambda: True)
    monkeypatch.setattr(front_door.nginx, "try_out", found.try_out)
    monkeypatch.setattr(front_door.nginx.services, "change", found.change)
    monkeypatch.setattr(front_door.nginx.command, "require", found.require)
    monkeypatch.setattr(front_door.package_set, "converge", lambda *_, **__: Outcome())
    monkeypatch.setattr(front_door.doors, "look", found.look)
    monkeypatch.setattr(front_door.tls_files, "belong_together", lambda *_: True)
    return found


def test_a_bare_node_and_the_run_after(node: Node) -> None:
    result = node.converge()
    assert node.done == ["enable", "restart", "reload"]
    assert (result["changed"], result["reloaded"]) == (True, True)
    assert result["urls"] == {
        "ana": "https://ana.gpu1.example.com/user/ana/",
        "bo": "https://bo.gpu1.example.com/user/bo/",
    }
    assert json.loads(node.urls.read_text()) == {"urls": result["urls"]}
    assert [Path(diff["after_header"]).name for diff in result["diff"]] == [front_door.FILE, "urls.json"]
    assert node.tried == [node.file.read_text()]
    node.done.clear()
    result = node.converge()
    assert (result["changed"], result["reloaded"], result["diff"], node.done) == (False, False, [], [])


def test_check_mode_reports_the_same_and_does_nothing(node: Node) -> None:
    rehearsed = node.converge(check_mode=True)
    assert (node.done, node.file.exists(), node.urls.exists()) == ([], False, False)
    assert node.tried
    assert rehearsed == node.converge()


def test_what_could_not_be_found_out_of_packages_is_said(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.converge()
    assert node.converge(check_mode=True)["unknown"] == []
    monkeypatch.setattr(front_door.package_set, "converge", lambda *_, **__: Outcome(unknown=("no answer",)))
    rehearsed = node.converge(check_mode=True)
    assert (rehearsed["changed"], rehearsed["unknown"]) == (True, ["no answer"])


def stopped(node: Node) -> None:
    node.serving = None


def disabled(node: Node) -> None:
    node.enabled = False


def unread(node: Node) -> None:
    assert node.serving
    node.serving = node.serving.replace('return 200 "', 'return 200 "x')


def changed_by_hand(node: Node) -> None:
    node.file.write_text(node.file.read_text() + "#")


def another_server(node: Node) -> None:
    node.list_servers(ANA, {**BO, "port": 8891})


@pytest.mark.parametrize(
    ("damage", "done"),
    [
        (stopped, ["restart"]),
        (disabled, ["enable"]),
        (unread, ["reload"]),
        (changed_by_hand, ["reload"]),
        (another_server, ["reload"]),
    ],
)
def test_what_is_not_so_is_made_so(node: Node, damage: Callable[[Node], None], done: list[str]) -> None:
    node.converge()
    node.done.clear()
    damage(node)
    assert node.converge(check_mode=True)["changed"] is True
    assert node.done == []
    assert node.converge()["changed"] is True
    assert node.done == done
    assert node.converge()["changed"] is False


def test_an_nginx_that_goes_on_serving_something_else_is_an_error(node: Node) -> None:
    node.converge()
    node.deaf = True
    another_server(node)
    with pytest.raises(EvenkeelError, match=r"nginx runs, but does not serve .*evenkeel-front-door\.conf"):
        node.converge()


def test_a_configuration_that_nginx_refuses_is_not_put_in_place(node: Node) -> None:
    node.refuses = "unknown directive"
    with pytest.raises(EvenkeelError, match="unknown directive"):
        node.converge()
    assert (node.file.exists(), node.done) == (False, [])


@pytest.mark.parametrize(
    ("belong_together", "is_there", "check_mode", "tried"),
    [
        (True, True, True, 1),
        # The same run issues it again.
        (False, True, True, 0),
        (False, True, False, 1),
        # The same run installs it.
        (True, False, True, 0),
    ],
)
def test_when_nginx_tries_it_out(
    node: Node, monkeypatch: pytest.MonkeyPatch, belong_together: bool, is_there: bool, check_mode: bool, tried: int
) -> None:
    monkeypatch.setattr(front_door.tls_files, "belong_together", lambda *_: belong_together)
    monkeypatch.setattr(front_door.nginx, "is_there", lambda: is_there)
    node.converge(check_mode=check_mode)
    assert len(node.tried) == tried


@pytest.mark.parametrize("text", [None, "[damaged"])
def test_a_list_of_servers_that_is_not_there_yet_stops_a_real_run_alone(node: Node, text: str | None) -> None:
    path = node.folder / "servers.json"
    path.unlink() if text is None else path.write_text(text)
    assert node.converge(check_mode=True)["urls"] == {}
    with pytest.raises(EvenkeelError, match=r"servers\.json"):
        node.converge()
    assert (node.file.exists(), node.done) == (False, [])


def test_check_mode_sees_the_servers_that_the_same_run_sets_up(node: Node) -> None:
    node.list_servers(ANA)
    node.converge()
    assert node.converge(planned={"ana": ""}, check_mode=True)["changed"] is False
    # Ana's address is below the host of all now. With Bo's server beside it, it would move.
    planned = {"ana": "", "bo": ""}
    with pytest.raises(EvenkeelError, match=r"these addresses change: .*/user/ana/ -> "):
        node.converge(planned=planned, check_mode=True)
    rehearsed = node.converge(planned=planned, users_share_origin=False, check_mode=True)
    assert (rehearsed["changed"], list(rehearsed["urls"])) == (True, ["ana", "bo"])
    with pytest.raises(EvenkeelError, match="ana and bo both at /x/"):
        node.converge(planned={"ana": "/x/", "bo": "/x/"}, check_mode=True)
    assert node.converge(planned=planned)["changed"] is False


def test_a_certificate_that_is_not_there_yet_stops_a_real_run_alone(node: Node) -> None:
    node.certificate.unlink()
    assert node.converge(check_mode=True)["changed"] is True
    with pytest.raises(EvenkeelError, match="There is no certificate"):
        node.converge()
    assert (node.file.exists(), node.done) == (False, [])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hosts": ["gpu1.example.com;"]}, "hosts holds 'gpu1.example.com;'"),
        ({"addresses": []}, "addresses holds nothing"),
        ({"certified": ["gpu1.example.com"]}, "certificate"),
        ({"hosts": ["10.0.0.7"]}, "host name"),
    ],
)
def test_nothing_is_done_where_an_option_is_wrong(node: Node, params: dict[str, Any], message: str) -> None:
    with pytest.raises(EvenkeelError, match=message):
        node.converge(**params)
    assert (node.file.exists(), node.done, node.tried) == (False, [], [])


def test_addresses_that_users_have_are_not_changed_before_it_is_decided(node: Node) -> None:
    node.converge(users_share_origin=True)
    with pytest.raises(EvenkeelError, match="these addresses change"):
        node.converge()
    assert node.converge(users_share_origin=False)["urls"]["ana"] == "https://ana.gpu1.example.com/user/ana/"


@pytest.fixture
def packages(node: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeManager:
    """The node's packages, of which nginx was brought, and nginx with an example in its folder."""
    monkeypatch.setattr(made, "FOLDER", str(tmp_path / "made"))
    made.note("front_door", [Thing("package", "nginx")])
    manager = FakeManager({"nginx": "1", "vim": "1"})
    manager.serve(monkeypatch)
    running = lambda _: {"nginx.service": Unit("nginx.service", running=True)}  # noqa: E731
    monkeypatch.setattr(nginx_removal.units, "read", running)
    others = nginx.others
    monkeypatch.setattr(nginx, "others", lambda name: others(name, str(tmp_path)))
    return manager


def test_the_front_door_goes_with_the_nginx_that_came_for_it(node: Node, packages: FakeManager) -> None:
    node.converge()
    node.done.clear()
    rehearsed = node.remove(check_mode=True)
    assert (rehearsed["changed"], node.file.exists(), "nginx" in packages.packages) == (True, True, True)
    done = node.remove()
    assert done["diff"] == rehearsed["diff"]
    assert (node.file.exists(), node.urls.exists(), packages.packages) == (False, False, {"vim": "1"})
    assert done["left"] == []
    again = node.remove()
    assert (again["changed"], again["left"]) == (False, [])


def test_a_node_that_never_had_a_front_door_is_left_alone(
    node: Node, packages: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.note("front_door", [], made.read("front_door"))
    assert node.remove()["changed"] is False
    assert (packages.timeouts, node.done) == ([], [])


@pytest.mark.parametrize("other", ["conf.d/evenkeel-packages.conf", "conf.d/other.conf", "sites-enabled/wiki"])
def test_nginx_stays_where_others_use_it(node: Node, packages: FakeManager, other: str) -> None:
    made.note("front_door", [Thing("service", "nginx.service")])
    node.converge()
    node.done.clear()
    path = node.folder / other
    path.parent.mkdir(exist_ok=True)
    path.touch()
    found = node.remove()
    assert (node.file.exists(), node.done, "nginx" in packages.packages) == (False, ["reload"], True)
    assert found["left"] == [f"nginx: {path} may make it serve more"]
    assert node.remove()["left"] == found["left"]
    path.unlink()
    node.remove()
    assert packages.packages == {"vim": "1"}
    assert made.read("front_door") == []


def test_nginx_stays_where_its_own_settings_were_changed(node: Node, packages: FakeManager) -> None:
    packages.by_hand = {"nginx": ["/etc/nginx/nginx.conf"]}
    assert node.remove()["left"] == ["nginx: /etc/nginx/nginx.conf may make it serve more"]
    assert "nginx" in packages.packages


def test_an_nginx_that_was_there_runs_on_or_is_off_as_it_was(node: Node, packages: FakeManager) -> None:
    made.note("front_door", [Thing("service", "nginx.service")], made.read("front_door"))
    node.converge()
    node.done.clear()
    node.remove()
    assert (node.done, made.read("front_door")) == (["reload", "disable"], [])
    node.converge()
    made.note("front_door", [], made.read("front_door"))
    node.done.clear()
    node.remove()
    assert node.done == ["reload"]


def test_a_removal_that_was_killed_before_nginx_read_its_files_again(
    node: Node, packages: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.converge()
    made.note("front_door", [], made.read("front_door"))
    node.done.clear()
    with monkeypatch.context() as killed:
        killed.setattr(front_door.nginx.command, "require", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            node.remove()
    assert (node.file.exists(), node.urls.exists()) == (False, True)
    assert node.remove()["changed"]
    assert (node.done, node.urls.exists()) == (["reload"], False)
