# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door: who is reached by which name, what is refused, and whether what answers serves so."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import door as doors
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.door import Door, Server, Serving
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import tls_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from tests.unit.plugins.certificates import authority, issued

DOOR = Door(
    hosts=("gpu1.example.com", "gpu1"),
    domains=("gpu1.example.com", "gpu1.users.example.com"),
    share_origin=False,
    origins=(),
    addresses=("0.0.0.0",),  # noqa: S104
    port=443,
    http_port=80,
    certificate="/tls/certificate.pem",
    key="/tls/key.pem",
    max_body=512,
    timeout=3600,
    logins_per_minute=10,
    hsts_days=0,
)
ANA = {"user": "ana", "base_url": "/user/ana/", "scheme": "http", "address": "127.0.0.1", "port": 8889, "socket": None}


def listed(*servers: dict[str, Any]) -> str:
    return json.dumps({"servers": servers})


@pytest.mark.parametrize(
    ("changed", "server"),
    [
        pytest.param({}, Server("ana", "/user/ana/", "http://127.0.0.1:8889"), id="on a port"),
        pytest.param(
            {"port": None, "socket": "/run/jupyter/ana.sock"},
            Server("ana", "/user/ana/", "http://unix:/run/jupyter/ana.sock"),
            id="on a socket",
        ),
        pytest.param(
            {"address": "::1", "scheme": "https"}, Server("ana", "/user/ana/", "https://[::1]:8889"), id="over TLS"
        ),
        pytest.param(
            {"user": "ana@corp", "base_url": "/user/ana%40corp/"},
            Server("ana@corp", "/user/ana%40corp/", "http://127.0.0.1:8889"),
            id="another name",
        ),
        pytest.param(
            {"user": "a b$", "base_url": "/user/a%20b%24/", "port": None, "socket": "/run/a=20b=24.sock"},
            Server("a b$", "/user/a%20b%24/", "http://unix:/run/a=20b=24.sock"),
            id="an odd name",
        ),
        pytest.param({"base_url": "/"}, Server("ana", "/", "http://127.0.0.1:8889"), id="the only one"),
    ],
)
def test_servers(changed: dict[str, Any], server: Server) -> None:
    assert doors.parse(listed({**ANA, **changed}), "servers.json") == [server]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "not a list of notebook servers", id="empty"),
        pytest.param("[]", "not a list of notebook servers", id="a list"),
        pytest.param(listed({"user": "ana"}), "not a list of notebook servers: KeyError", id="half a server"),
        pytest.param(listed(ANA, {**ANA, "user": "bo"}), "ana and bo both at /user/ana/", id="one path for two"),
        pytest.param(listed({**ANA, "base_url": "/user/ana"}), "holds /user/ana of ana", id="no slash at the end"),
        pytest.param(listed({**ANA, "base_url": "/x { } /"}), "holds /x { } / of ana", id="a path that ends a word"),
        pytest.param(listed({**ANA, "base_url": "/x/../y/"}), "holds /x/../y/ of ana", id="a path that goes up"),
        pytest.param(listed({**ANA, "base_url": "/x/%0a/"}), "holds /x/%0a/ of ana", id="a line break"),
        pytest.param(listed({**ANA, "base_url": "/x/%2e%2e/"}), "holds /x/%2e%2e/ of ana", id="a hidden way up"),
        pytest.param(listed({**ANA, "address": "x;"}), "address x;", id="no address"),
        pytest.param(listed({**ANA, "port": "80;"}), "invalid literal", id="no port"),
        pytest.param(listed({**ANA, "port": None, "socket": "/run/$x"}), "socket /run/", id="no socket"),
        pytest.param(listed({**ANA, "scheme": "file"}), "scheme file", id="no scheme"),
        pytest.param('{"format": 2, "servers": []}', "written by a newer Evenkeel", id="of a newer release"),
    ],
)
def test_what_is_no_list_of_servers(text: str, words: str) -> None:
    with pytest.raises(EvenkeelError) as caught:
        doors.require_paths(doors.parse(text, "servers.json"), "servers.json")
    assert words in str(caught.value)


def test_servers_that_there_will_be() -> None:
    there = [Server("ana", "/user/ana/", "http://127.0.0.1:8889"), Server("bo", "/user/bo/", "http://127.0.0.1:8890")]
    assert doors.planned({"c d": "", "ana": "/a/"}, there) == [
        Server("ana", "/a/", "http://127.0.0.1:8889"),
        Server("c d", "/user/c%20d/", "http://127.0.0.1:9"),
    ]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"hosts": ()}, "hosts holds nothing"),
        ({"hosts": ("a.test", "b; {")}, "hosts holds 'b; {'"),
        ({"addresses": ("everywhere",)}, "addresses holds 'everywhere'"),
        ({"key": "/a b"}, "certificate and key holds '/a b'"),
        ({"domains": ("a b.test",)}, "user_domains holds 'a b.test'"),
        ({"origins": ("https://x.test/;",)}, "allowed_origins holds 'https://x.test/;'"),
    ],
)
def test_words_that_nginx_would_read_as_something_else(changed: dict[str, Any], words: str) -> None:
    doors.check(DOOR)
    with pytest.raises(EvenkeelError) as caught:
        doors.check(replace(DOOR, **changed))
    assert words in str(caught.value)


SERVERS = [
    Server("ana", "/user/ana/", "http://127.0.0.1:8889"),
    Server("Bo@corp", "/user/Bo@corp%20%5C%22%24x%3B/", "http://unix:/run/bo.sock"),
]
BO = "bo-corp-b03d35e106e96cfc"


def test_several_users_have_names_of_their_own() -> None:
    assert [(site.user, site.hosts, len(site.servers)) for site in doors.sites(DOOR, SERVERS)] == [
        ("", ("gpu1.example.com", "gpu1"), 0),
        ("ana", ("ana.gpu1.example.com", "ana.gpu1.users.example.com"), 1),
        ("Bo@corp", (f"{BO}.gpu1.example.com", f"{BO}.gpu1.users.example.com"), 1),
    ]


@pytest.mark.parametrize(
    ("changed", "servers"),
    [({}, []), ({}, SERVERS[:1]), ({}, [Server("jupyter", "/", "")]), ({"share_origin": True}, SERVERS)],
)
def test_one_server_and_those_that_share_are_at_the_hosts(changed: dict[str, Any], servers: list[Server]) -> None:
    (site,) = doors.sites(replace(DOOR, **changed), servers)
    assert (site.user, site.hosts, list(site.servers)) == ("", DOOR.hosts, servers)


@pytest.mark.parametrize(
    ("changed", "servers", "urls"),
    [
        ({}, SERVERS[:1], {"ana": "https://gpu1.example.com/user/ana/"}),
        (
            {"port": 8443},
            SERVERS,
            {
                "ana": "https://ana.gpu1.example.com:8443/user/ana/",
                "Bo@corp": f"https://{BO}.gpu1.example.com:8443/user/Bo@corp%20%5C%22%24x%3B/",
            },
        ),
        ({"hosts": ("fd00::7",)}, [Server("jupyter", "/", "")], {"jupyter": "https://[fd00::7]/"}),
    ],
)
def test_where_servers_are_reached(changed: dict[str, Any], servers: list[Server], urls: dict[str, str]) -> None:
    assert doors.urls(replace(DOOR, **changed), servers) == urls


@pytest.mark.parametrize(
    ("changed", "certified", "words"),
    [
        pytest.param(
            {"hosts": ("10.0.0.7",), "domains": ()}, [], "which 10.0.0.7 can't have below it", id="an address"
        ),
        pytest.param(
            {"hosts": ("gpu1.example.com", "fd00::7")}, [], "which fd00::7 can't have", id="an address beside a name"
        ),
        pytest.param({"hosts": ("*.example.com",)}, [], "which *.example.com can't have", id="a star"),
        pytest.param({"hosts": ("gpu1",), "domains": ()}, [], "which gpu1 can't have", id="no domain"),
        pytest.param(
            {"hosts": ("ana.example.com",), "domains": ("example.com",)},
            [],
            "ana.example.com would be the host name of all users (hosts) and of ana",
            id="a user with the name of a host",
        ),
        pytest.param(
            {"domains": ("x" * 60 + ".example.com",) * 1},
            ["*.example.com"],
            "is not for ana.xxx",
            id="a star for two parts of a name",
        ),
        pytest.param(
            {"domains": (".".join(["y" * 60] * 4),)}, [], "longer than DNS allows", id="a name that is too long"
        ),
        pytest.param(
            {"domains": ("gpu1.example.com",)},
            ["gpu1.example.com", "ana.gpu1.example.com"],
            f"is not for {BO}.gpu1.example.com; it is for gpu1.example.com, ana.gpu1.example.com. "
            "Get one for them, such as for *.gpu1.example.com",
            id="a certificate that lacks one",
        ),
    ],
)
def test_users_who_can_not_have_names_of_their_own(changed: dict[str, Any], certified: list[str], words: str) -> None:
    door = replace(DOOR, **changed)
    with pytest.raises(EvenkeelError) as caught:
        doors.require_apart(door, SERVERS, certified)
    assert words in str(caught.value)
    doors.require_apart(door, SERVERS[:1], certified)
    doors.require_apart(replace(door, share_origin=True), SERVERS, certified)


def test_users_who_can() -> None:
    doors.require_apart(DOOR, SERVERS, ["gpu1", "*.gpu1.example.com", "*.gpu1.users.example.com"])


def test_nobody_loses_an_address_before_the_operator_has_decided_it() -> None:
    with pytest.raises(EvenkeelError) as caught:
        doors.require_decided(DOOR, SERVERS, ["/user/ana/", "/user/gone/"], decided=False)
    assert "https://gpu1.example.com/user/ana/ -> https://ana.gpu1.example.com/user/ana/" in str(caught.value)
    assert "*.gpu1.example.com" in str(caught.value)
    assert "front_door_users_share_origin of the role) to false" in str(caught.value)
    doors.require_decided(DOOR, SERVERS, ["/user/ana/"], decided=True)
    doors.require_decided(DOOR, SERVERS, ["/user/gone/"], decided=False)


CHAIN, KEY = issued(authority())
OTHER, _ = issued(authority())


@pytest.mark.parametrize(
    ("seen", "right"),
    [
        pytest.param(None, False, id="nobody"),
        pytest.param(Serving(tls_files.first_of(CHAIN.pem), "1"), True, id="this one"),
        pytest.param(Serving(tls_files.first_of(CHAIN.pem), "2"), False, id="by an older configuration"),
        pytest.param(Serving(tls_files.first_of(OTHER.pem), "1"), False, id="with an older certificate"),
    ],
)
def test_serves(seen: Serving | None, right: bool) -> None:
    assert doors.serves(seen, "1", CHAIN.pem) is right
    assert not doors.serves(Serving(b"", "1"), "2", "no certificate")


def test_look_where_nobody_is() -> None:
    assert doors.look(replace(DOOR, addresses=("127.0.0.1",), port=1)) is None
