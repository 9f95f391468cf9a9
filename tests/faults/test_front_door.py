# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role front_door refuses, and what goes on serving meanwhile.

Small backends stand in for notebook servers, as in the scenario.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab import wait
from lab.people import browser
from tests.faults.conftest import Answer, Node
from tests.unit.plugins.certificates import authority, issued, pem

PLAYBOOK = "molecule/front_door/converge.yml"
FILE = "/etc/nginx/conf.d/evenkeel-front-door.conf"
OTHER = "/etc/nginx/conf.d/other.conf"
SERVERS = "/etc/evenkeel/jupyter/servers.json"
NAME = "debian12-1.evenkeel.test"
ANA, BO = f"ana.{NAME}", f"bo.{NAME}"
USERS = {"jupyter_users": [{"name": "ana"}, {"name": "bo"}]}
WHAT_IS_SERVED = f"openssl s_client -connect 127.0.0.1:443 -servername {NAME} </dev/null 2>/dev/null | openssl x509"
MAIN_PID = "systemctl show --property MainPID --value nginx"
NOW = datetime.now(UTC)
ON_THE_NODE = """
import http.client, ssl
connection = http.client.HTTPSConnection("[::1]", context=ssl.create_default_context(cafile="/tmp/ca.pem"))
connection.request("POST", "/user/ana/x", headers={"Host": "[::1]", "Origin": "https://[::1]"})
print(connection.getresponse().read().decode())
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("control")


def play(node: Node, place: Path, **variables: Any) -> Answer:
    return node.play(PLAYBOOK, **{"front_door_ca_directory": str(place / "ca"), **variables})


def own(
    place: Path, hosts: tuple[str, ...] = (NAME, f"*.{NAME}"), now: datetime = NOW, *, mismatched: bool = False
) -> dict[str, Any]:
    """Have a certificate of one's own on the control node; return the variables that name it."""
    chain, key = issued(authority(now), hosts, now)
    if mismatched:
        _, key = issued(authority(now), hosts, now)
    certificate, key_file = place / "own.pem", place / "own-key.pem"
    certificate.write_text(chain.pem)
    key_file.write_bytes(pem(key))
    return {
        "front_door_certificate": str(certificate),
        "front_door_key": str(key_file),
        "front_door_hosts": [NAME],
    }


@pytest.fixture(scope="module")
def backends(node: Node) -> Iterator[Node]:
    """A node with notebook servers, and without nginx."""
    node.strip()
    assert node.play("molecule/front_door/prepare.yml").succeeded()
    yield node
    node.host.check_output(
        "systemctl disable --now backend@ana backend@bo && rm -rf /etc/systemd/system/backend@.service"
        " && dpkg --purge nginx nginx-common && rm -rf /etc/nginx /etc/apt/sources.list.d/debian.sources"
    )
    node.strip()


@pytest.fixture(scope="module")
def served(backends: Node, place: Path) -> Node:
    """The node with its front door."""
    assert play(backends, place).succeeded()
    return backends


@pytest.fixture
def door(served: Node, place: Path) -> Iterator[Node]:
    """The front door, as it was after the test too."""
    yield served
    served.host.check_output(f"rm -f {OTHER} {FILE}")
    assert play(served, place).succeeded()


def healthy(node: Node) -> str:
    """Return the answer to monitoring."""
    answer = ask(node, "/healthz")
    assert answer.status == http.client.OK
    return answer.read().decode().strip()


def ask(
    node: Node, path: str, body: bytes | None = None, host: str = NAME, trusted: Path | None = None
) -> http.client.HTTPResponse:
    """Ask over TLS, as a program with a token does; any certificate will do unless an authority is ``trusted``."""
    context = ssl.create_default_context(cafile=trusted)
    if trusted is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(node.variables["ansible_host"], context=context, timeout=30)
    headers = {"Host": host, "Authorization": "token x"}
    connection.request("POST" if body else "GET", path, body, headers=headers)
    return connection.getresponse()


def listed(node: Node, *users: str) -> str:
    """Have these users alone have servers; return a command that undoes it."""
    kept = node.host.file(SERVERS).content_string
    servers = [server for server in json.loads(kept)["servers"] if server["user"] in users]
    node.host.check_output(f"printf %s {quoted(json.dumps({'servers': servers}))} >{SERVERS}")
    return f"printf %s {quoted(kept)} >{SERVERS}"


@pytest.mark.parametrize(
    ("certificate", "variables", "words"),
    [
        ({"now": NOW - timedelta(days=400)}, {}, ("own.pem expired on", "Have its issuer renew it")),
        ({"now": NOW + timedelta(days=2)}, {}, ("own.pem is not valid before", "clock")),
        ({"mismatched": True}, {}, ("key is not that of the certificate", "own.pem")),
        ({"hosts": ("other.test",)}, {}, (f"is not for {NAME}; it is for other.test",)),
        ({"hosts": (NAME,)}, USERS, (f"is not for {ANA}, {BO}; it is for {NAME}",)),
        ({"hosts": (NAME, "*.evenkeel.test")}, {}, (f"is not for {ANA}, {BO}, cy-z-",)),
        (
            {},
            {**USERS, "front_door_hosts": [NAME, "10.0.0.7"]},
            ("List only host names with a domain in front_door_hosts, such as gpu1.example.com",),
        ),
        ({"hosts": ("10.0.0.7",)}, {"front_door_hosts": ["10.0.0.7"]}, ("which 10.0.0.7 can't have below it",)),
        ({}, {"front_door_key": "/nonexistent/key.pem"}, ("/nonexistent/key.pem can't be read on the control node",)),
        ({}, {"front_door_key": ""}, ("Only one of front_door_certificate and front_door_key is set",)),
        ({}, {"front_door_hosts": ["https://x.test"]}, ("hosts holds 'https://x.test'", "neither a DNS name")),
        ({}, {"front_door_hosts": []}, ("front_door_hosts is empty",)),
        ({}, {"front_door_http_port": 443}, ("are both 443",)),
        ({}, {"front_door_port": 22}, ("Port 22 on 0.0.0.0 is in use by sshd", "set front_door_port")),
    ],
)
def test_what_can_not_work_changes_nothing(
    backends: Node, place: Path, certificate: dict[str, Any], variables: dict[str, Any], words: tuple[str, ...]
) -> None:
    before = backends.fingerprint()
    assert play(backends, place, **{**own(place, **certificate), **variables}).failed_saying(*words)
    assert backends.fingerprint() == before


def test_a_configuration_changed_by_hand_is_restored(door: Node, place: Path) -> None:
    before = door.host.file(FILE).content_string
    assert ask(door, "/user/ana/", b"x" * 2_000_000, ANA).status == http.client.OK
    door.host.check_output(f"sed -i 's/512m/1m/' {FILE} && systemctl reload nginx")
    wait.until(
        lambda: ask(door, "/user/ana/", b"x" * 2_000_000, ANA).status == http.client.REQUEST_ENTITY_TOO_LARGE,
        "nginx serves what was changed by hand",
        "systemctl status nginx",
        seconds=30,
    )
    assert play(door, place).succeeded()
    assert door.host.file(FILE).content_string == before
    assert ask(door, "/user/ana/", b"x" * 2_000_000, ANA).status == http.client.OK


def test_another_file_that_is_broken_is_named_and_the_old_goes_on(door: Node, place: Path) -> None:
    before, health = door.host.file(FILE).content_string, healthy(door)
    door.host.check_output(f"echo 'broken on;' >{OTHER}")
    assert play(door, place, front_door_max_body=7).failed_saying(f'unknown directive \\"broken\\" in {OTHER}:1')
    assert door.host.file(FILE).content_string == before
    assert healthy(door) == health


def test_what_an_ended_run_did_not_reload_is_reloaded(door: Node, place: Path) -> None:
    old = healthy(door)
    kept = door.host.file(FILE).content_string
    assert play(door, place, front_door_max_body=7).succeeded()
    new = healthy(door)
    assert new != old
    # The file of the first run, while nginx serves by the second's.
    door.host.check_output(f"printf %s {quoted(kept)} >{FILE}")
    assert play(door, place).succeeded()
    assert healthy(door) == old


def test_a_renewed_certificate_is_served_without_a_restart(door: Node, place: Path) -> None:
    pid, old = door.host.check_output(MAIN_PID), door.host.check_output(WHAT_IS_SERVED)
    assert play(door, place, front_door_hosts=[NAME, "other.test"]).succeeded()
    served = door.host.check_output(WHAT_IS_SERVED)
    assert served != old
    assert served in door.host.file("/etc/evenkeel/front_door/certificate.pem").content_string
    assert door.host.check_output(MAIN_PID) == pid


def test_a_certificate_of_ones_own_takes_the_place_of_the_authoritys(door: Node, place: Path) -> None:
    variables = own(place)
    assert play(door, place, **variables).succeeded()
    assert door.host.check_output(WHAT_IS_SERVED) in Path(variables["front_door_certificate"]).read_text()
    assert "PRIVATE" not in play(door, place, **variables).output


def test_users_who_share_an_origin_are_told_before_they_get_their_own(door: Node, place: Path) -> None:
    assert play(door, place, front_door_users_share_origin=True).succeeded()
    before, health = door.fingerprint(), healthy(door)
    assert ask(door, "/user/bo/lab").status == http.client.OK
    reported = play(door, place)
    assert reported.failed_saying(
        f"https://{NAME}/user/ana/ -> https://{ANA}/user/ana/",
        f"https://{NAME}/user/bo/ -> https://{BO}/user/bo/",
        f"Point *.{NAME} to this node in DNS and set users_share_origin (front_door_users_share_origin of the role) to"
        " false",
    )
    assert (door.fingerprint(), healthy(door)) == (before, health)
    assert play(door, place, front_door_users_share_origin=False).succeeded()
    assert ask(door, "/user/bo/lab").status == http.client.NOT_FOUND
    assert ask(door, "/user/bo/lab", host=BO).status == http.client.OK


def test_a_second_user_moves_nobody_unasked(door: Node, place: Path) -> None:
    undo = listed(door, "bo")
    try:
        door.host.check_output(f"rm {FILE}")
        assert play(door, place).succeeded()
        assert ask(door, "/user/bo/lab").status == http.client.OK
    finally:
        door.host.check_output(undo)
    assert play(door, place).failed_saying(f"https://{NAME}/user/bo/ -> https://{BO}/user/bo/")
    assert ask(door, "/user/bo/lab").status == http.client.OK


def test_one_user_is_reached_by_an_address(door: Node, place: Path) -> None:
    """Browsers send no name for it in TLS, and an IPv6 address in brackets."""
    undo = listed(door, "ana")
    address = door.variables["ansible_host"]
    try:
        door.host.check_output(f"rm {FILE}")
        reached = {"front_door_hosts": [address, "::1"], "front_door_addresses": ["0.0.0.0", "::"]}  # noqa: S104
        assert play(door, place, **reached).succeeded()
        with browser.opened(trusted=place / "ca" / "ca.pem") as page:
            page.open(f"https://{address}/user/ana/lab")
            assert f'"Host": "{address}"' in page.text
        door.host.check_output(f"printf %s {quoted((place / 'ca' / 'ca.pem').read_text())} >/tmp/ca.pem")
        assert '"Host": "[::1]"' in door.host.check_output(f"python3 -c {quoted(ON_THE_NODE)}")
    finally:
        door.host.check_output(undo)


@pytest.mark.parametrize(
    ("share", "taken"),
    [
        pytest.param(False, {"terminals": 0, "sockets": 0}, id="apart"),
        pytest.param(True, {"terminals": 3, "sockets": 1}, id="sharing an origin"),
    ],
)
def test_a_page_of_one_user_attacks_another(door: Node, place: Path, share: bool, taken: dict[str, int]) -> None:
    """Bo has visited, and so has a cookie; then Bo looks at a page of Ana's, which tries all that a page can."""
    assert play(door, place, front_door_users_share_origin=share).succeeded()
    door.host.check_output("systemctl restart backend@bo")
    ana, bo = (f"https://{NAME if share else host}/user/{user}" for user, host in (("ana", ANA), ("bo", BO)))
    address = door.variables["ansible_host"]
    with browser.opened(trusted=place / "ca" / "ca.pem", hosts={NAME: address, f"*.{NAME}": address}) as page:
        page.open(f"{bo}/visit")
        page.open(f"{bo}/lab")
        assert '"known": true' in page.text
        page.open(f"{ana}/attack?{bo}/")
        wait.until(lambda: page.driver.title == "done", "the attack ends", "look at the page", seconds=120)
        seen = json.loads(page.text)
    reported = json.loads(ask(door, "/user/bo/taken", host=NAME if share else BO).read())
    assert reported == taken
    assert [text for text in seen if '"user": "bo"' in text or text == "SPOKEN"] == (seen if share else [])
    assert len(seen) == (5 if share else 0)


def test_half_an_authority_is_not_replaced(door: Node, place: Path) -> None:
    key = place / "ca" / "ca-key.pem"
    kept = key.read_bytes()
    key.unlink()
    try:
        assert play(door, place).failed_saying("ca.pem is there, but ca-key.pem is missing")
        assert not key.exists()
    finally:
        key.write_bytes(kept)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", f"{SERVERS} is not a list of notebook servers"),
        (None, f"There is no {SERVERS}"),
    ],
)
def test_a_list_of_servers_that_is_none(door: Node, place: Path, text: str | None, words: str) -> None:
    kept, health = door.host.file(SERVERS).content_string, healthy(door)
    door.host.check_output(f"rm {SERVERS}" if text is None else f"echo '{text}' >{SERVERS}")
    try:
        assert play(door, place).failed_saying(words)
        assert healthy(door) == health
    finally:
        door.host.check_output(f"printf %s {quoted(kept)} >{SERVERS}")


def test_nginx_that_somebody_stopped_runs_again(door: Node, place: Path) -> None:
    door.host.check_output("systemctl disable --now nginx")
    assert play(door, place).succeeded()
    assert door.host.service("nginx").is_running
    assert door.host.service("nginx").is_enabled


def test_a_port_that_somebody_else_took_meanwhile(door: Node, place: Path) -> None:
    door.host.check_output("systemctl stop nginx")
    door.host.check_output("systemd-run --unit=squatter python3 -m http.server --bind 0.0.0.0 443")
    try:
        wait.until(
            lambda: door.host.socket("tcp://0.0.0.0:443").is_listening, "it listens", "systemctl status", seconds=30
        )
        assert play(door, place).failed_saying("Port 443 on 0.0.0.0 is in use by python3", "squatter.service")
    finally:
        door.host.check_output("systemctl stop squatter")


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
