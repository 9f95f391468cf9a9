# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door's configuration, and whether what answers serves by it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _front_door as front_door
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._front_door import Door, Server, Serving

from tests.unit.plugins.certificates import authority, issued

DOOR = Door(
    hosts=("gpu1.example.com", "192.0.2.7"),
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
            Server("ana@corp", "/user/ana@corp/", "http://127.0.0.1:8889"),
            id="nginx knows paths as they are meant",
        ),
        pytest.param({"base_url": "/"}, Server("ana", "/", "http://127.0.0.1:8889"), id="the only one"),
    ],
)
def test_servers(changed: dict[str, Any], server: Server) -> None:
    assert front_door.parse(listed({**ANA, **changed}), "servers.json") == [server]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "not a list of notebook servers", id="empty"),
        pytest.param("[]", "not a list of notebook servers", id="a list"),
        pytest.param(listed({"user": "ana"}), "not a list of notebook servers: KeyError", id="half a server"),
        pytest.param(listed(ANA, {**ANA, "user": "bo"}), "ana and bo both at /user/ana/", id="one path for two"),
        pytest.param(listed({**ANA, "base_url": "/user/ana"}), "holds /user/ana of ana", id="no slash at the end"),
        pytest.param(listed({**ANA, "base_url": "/x { } /"}), "holds /x { } / of ana", id="a path that ends a word"),
        pytest.param(listed({**ANA, "address": "x;"}), "address x;", id="no address"),
        pytest.param(listed({**ANA, "port": "80;"}), "invalid literal", id="no port"),
        pytest.param(listed({**ANA, "port": None, "socket": "/run/$x"}), "socket /run/", id="no socket"),
        pytest.param(listed({**ANA, "scheme": "file"}), "scheme file", id="no scheme"),
    ],
)
def test_what_is_no_list_of_servers(text: str, words: str) -> None:
    with pytest.raises(EvenkeelError) as caught:
        front_door.parse(text, "servers.json")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"hosts": ()}, "hosts holds nothing"),
        ({"hosts": ("a.test", "b; {")}, "hosts holds 'b; {'"),
        ({"addresses": ("everywhere",)}, "addresses holds 'everywhere'"),
        ({"key": "/a b"}, "certificate and key holds '/a b'"),
    ],
)
def test_words_that_nginx_would_read_as_something_else(changed: dict[str, Any], words: str) -> None:
    front_door.check(DOOR)
    with pytest.raises(EvenkeelError) as caught:
        front_door.check(replace(DOOR, **changed))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "there", "absent"),
    [
        pytest.param(
            {}, ["listen 0.0.0.0:443 ssl;", "server_name gpu1.example.com 192.0.2.7;"], ["max-age"], id="plain"
        ),
        pytest.param({}, ["https://$host$request_uri"], [":443$request_uri"], id="the usual port is not named"),
        pytest.param({"port": 8443}, ["https://$host:8443$request_uri"], ["0.0.0.0:443"], id="another port"),
        pytest.param({"http_port": 0}, [], ["return 301"], id="without plain HTTP"),
        pytest.param({"addresses": ("::1",)}, ["listen [::1]:443 ssl;"], ["listen 0"], id="IPv6"),
        pytest.param({"hosts": ("::1",)}, ["server_name [::1];", "https://[::1]/user/NAME/"], [], id="an IPv6 host"),
        pytest.param({"hsts_days": 2}, ["max-age=172800"], [], id="told to stay with TLS"),
    ],
)
def test_what_is_in_the_configuration(changed: dict[str, Any], there: list[str], absent: list[str]) -> None:
    text = front_door.render(replace(DOOR, **changed), [], "healthy")
    assert [words for words in there if words not in text] == []
    assert [words for words in absent if words in text] == []


def test_who_has_the_root_has_the_front() -> None:
    text = front_door.render(DOOR, [Server("ana", "/", "http://127.0.0.1:8889")], "healthy")
    assert text.count("location / {") == 2  # that of other names, and the server's
    assert "Notebook servers are at" not in text


@pytest.mark.parametrize(
    ("door", "servers", "certificate"),
    [
        (replace(DOOR, timeout=60), [], "certificate"),
        (DOOR, [Server("ana", "/user/ana/", "http://127.0.0.1:8889")], "certificate"),
        (DOOR, [], "another certificate"),
    ],
)
def test_whatever_nginx_has_to_read_shows_in_its_health(door: Door, servers: list[Server], certificate: str) -> None:
    assert front_door.digest(DOOR, [], "certificate") == front_door.digest(DOOR, [], "certificate")
    assert front_door.digest(door, servers, certificate) != front_door.digest(DOOR, [], "certificate")


CHAIN, _ = issued(authority())
OTHER, _ = issued(authority())


@pytest.mark.parametrize(
    ("seen", "right"),
    [
        pytest.param(None, False, id="nobody"),
        pytest.param(Serving(front_door.first_certificate(CHAIN.pem), "1"), True, id="this one"),
        pytest.param(Serving(front_door.first_certificate(CHAIN.pem), "2"), False, id="by an older configuration"),
        pytest.param(Serving(front_door.first_certificate(OTHER.pem), "1"), False, id="with an older certificate"),
    ],
)
def test_serves(seen: Serving | None, right: bool) -> None:
    assert front_door.serves(seen, "1", CHAIN.pem) is right
    assert not front_door.serves(Serving(b"", "1"), "2", "no certificate")


def test_look_where_nobody_is() -> None:
    assert front_door.look(replace(DOOR, addresses=("127.0.0.1",), port=1)) is None


def selinux(place: Path, enforce: str, boolean: str) -> str:
    (place / "booleans").mkdir()
    (place / "enforce").write_text(enforce)
    (place / "booleans" / "httpd_can_network_connect").write_text(boolean)
    return str(place)


@pytest.mark.parametrize(("enforce", "boolean"), [("1", "1 1"), ("0", "0 0")])
def test_selinux_may_allow_it(tmp_path: Path, enforce: str, boolean: str) -> None:
    front_door.require_selinux_allows(str(tmp_path / "not there"))
    front_door.require_selinux_allows(selinux(tmp_path, enforce, boolean))


def test_selinux_may_not(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match="setsebool -P httpd_can_network_connect on"):
        front_door.require_selinux_allows(selinux(tmp_path, "1", "0 0"))
