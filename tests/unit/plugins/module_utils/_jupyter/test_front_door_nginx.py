# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door's configuration of nginx; what it does is in the scenario front_door."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import front_door_nginx
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.door import Door, Server

from tests.unit.plugins.module_utils._jupyter.test_door import DOOR, SERVERS

ONE = [Server("jupyter", "/", "http://127.0.0.1:8888")]


def blocks(text: str) -> dict[str, str]:
    """Return the blocks of servers for TLS by their names."""
    found = text.split("\nserver {\n")[1:]
    return {
        name.group(1): block for block in found if " ssl" in block if (name := re.search("server_name (.+);", block))
    }


@pytest.mark.parametrize(
    ("changed", "there", "absent"),
    [
        pytest.param({}, ["listen 0.0.0.0:443 ssl;", "server_name gpu1.example.com gpu1;"], ["max-age"], id="plain"),
        pytest.param({}, ["https://$host$request_uri"], [":443$request_uri"], id="the usual port is not named"),
        pytest.param({"port": 8443}, ["https://$host:8443$request_uri"], ["0.0.0.0:443"], id="another port"),
        pytest.param({"http_port": 0}, [], ["return 301"], id="without plain HTTP"),
        pytest.param({"addresses": ("::1",)}, ["listen [::1]:443 ssl;"], ["listen 0"], id="IPv6"),
        pytest.param({"hosts": ("::1",)}, ["server_name [::1];", "https://[::1]/user/NAME/"], [], id="an IPv6 host"),
        pytest.param({"hsts_days": 2}, ["max-age=172800"], [], id="browsers stay with TLS"),
        pytest.param(
            {"origins": ("https://portal.test",)},
            [r'"~^\S* https://portal\.test$" allowed;'],
            [],
            id="a page elsewhere",
        ),
    ],
)
def test_what_is_in_the_configuration(changed: dict[str, Any], there: list[str], absent: list[str]) -> None:
    text = front_door_nginx.render(replace(DOOR, **changed), [], "healthy")
    assert [words for words in there if words not in text] == []
    assert [words for words in absent if words in text] == []


def test_each_user_is_reached_by_an_own_name_alone() -> None:
    found = blocks(front_door_nginx.render(DOOR, SERVERS, "healthy"))
    ana, bo = SERVERS
    upstreams = {name: [one.user for one in SERVERS if one.upstream in block] for name, block in found.items()}
    assert list(upstreams.values()) == [[], [], ["ana"], ["Bo@corp"]]
    names = {user[0]: re.findall('"~([^"]+)"', name) for name, user in upstreams.items() if user}
    for pattern in names["ana"]:
        assert not re.search(pattern, "bo.gpu1.example.com")
    assert re.search(names["ana"][0], "ana.gpu1.example.com")
    assert not re.search(names["ana"][0], "ana-gpu1.example.com")
    assert not re.search(names["ana"][0], "x.ana.gpu1.example.com")
    assert f"return 302 {bo.base_url};" in found[next(name for name, user in upstreams.items() if user == ["Bo@corp"])]
    assert ana.path not in found["gpu1.example.com gpu1"]


def test_who_has_the_root_has_the_front() -> None:
    text = front_door_nginx.render(DOOR, ONE, "healthy")
    assert text.count("location / {") == 1  # that of other names
    assert 'location "/" {' in text
    assert "Notebook servers are at" not in text


@pytest.mark.parametrize("servers", [[], ONE, SERVERS])
def test_nothing_of_a_request_for_the_front_door_gets_into_the_common_logs(servers: list[Server]) -> None:
    text = front_door_nginx.render(DOOR, servers, "healthy")
    for block in text.split("\nserver {\n")[1:]:
        assert "access_log /var/log/nginx/access.log evenkeel;" in block
        assert "error_log /var/log/nginx/error.log emerg;" in block


@pytest.mark.parametrize(
    ("door", "servers", "paths"),
    [
        (replace(DOOR, share_origin=True), SERVERS, {"/user/ana/", '/user/Bo@corp \\"$x;/'}),
        (DOOR, SERVERS, set()),
        (DOOR, SERVERS[:1], {"/user/ana/"}),
        (DOOR, ONE, {"/"}),
    ],
)
def test_which_servers_are_below_the_hosts_of_all(door: Door, servers: list[Server], paths: set[str]) -> None:
    assert front_door_nginx.below_all(front_door_nginx.render(door, servers, "healthy")) == paths


def test_which_servers_an_earlier_version_had_there() -> None:
    one = "    location %s {\n        proxy_pass x;\n    }\n    location = %slogin {\n        proxy_pass x;\n    }\n"
    text = "map\n\nserver {\n    server_name gpu1.example.com 10.0.0.7;\n\n" + one * 2 + "}\n"
    assert front_door_nginx.below_all(text % (*["/user/ana/"] * 2, *["/user/bo/"] * 2)) == {"/user/ana/", "/user/bo/"}


@pytest.mark.parametrize(
    ("door", "servers", "certificate"),
    [
        (replace(DOOR, timeout=60), [], "certificate"),
        (DOOR, [Server("ana", "/user/ana/", "http://127.0.0.1:8889")], "certificate"),
        (DOOR, [], "another certificate"),
    ],
)
def test_whatever_nginx_has_to_read_shows_in_its_health(door: Door, servers: list[Server], certificate: str) -> None:
    digest = front_door_nginx.digest
    assert digest(DOOR, [], "certificate") == digest(DOOR, [], "certificate")
    assert digest(door, servers, certificate) != digest(DOOR, [], "certificate")
