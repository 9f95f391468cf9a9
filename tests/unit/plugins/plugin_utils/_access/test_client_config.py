# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files for people's computers are made of."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import client_config

ANA = {
    "user": "ana",
    "address": "127.0.0.1",
    "port": 8889,
    "socket": None,
    "base_url": "/user/ana/",
    "scheme": "http",
    "token_file": "/etc/evenkeel/jupyter/ana/token",
    "unit": "jupyter@ana.service",
}
SHARED = {**ANA, "user": "jupyter", "port": 8888, "base_url": "/"}


def node(*servers: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {"address": "10.0.0.1", "port": 22, "servers": json.dumps({"servers": servers}), **facts}


@pytest.mark.parametrize(
    ("server", "target", "personal"),
    [
        (ANA, "127.0.0.1:8889", True),
        ({**ANA, "address": "::1"}, "[::1]:8889", True),
        ({**ANA, "address": "0.0.0.0"}, "127.0.0.1:8889", True),  # noqa: S104
        ({**ANA, "port": None, "socket": "/run/evenkeel-jupyter/ana.sock"}, "/run/evenkeel-jupyter/ana.sock", True),
        (
            {**ANA, "user": "eve@corp", "port": None, "socket": "/run/evenkeel-jupyter/eve@corp.sock"},
            "/run/evenkeel-jupyter/eve@corp.sock",
            True,
        ),
        (SHARED, "127.0.0.1:8888", False),
    ],
)
def test_what_is_forwarded(server: dict[str, Any], target: str, personal: bool) -> None:
    built = client_config.build({"gpu1": node(server)}, {})
    (found,) = built["users"][server["user"]]
    assert (found["target"], found["personal"]) == (target, personal)
    assert found["link"] == f"http://127.0.0.1:{found['local_port']}{server['base_url']}lab"
    assert built["problems"] == []


def test_a_person_has_a_port_for_each_node_and_keeps_it() -> None:
    few = client_config.build({"gpu1": node(ANA)}, {})["users"]["ana"]
    many = client_config.build({f"gpu{number}": node(ANA) for number in range(200)}, {})["users"]["ana"]
    ports = [server["local_port"] for server in many]
    assert len(set(ports)) == 200
    assert few[0]["local_port"] == next(server for server in many if server["node"] == "gpu1")["local_port"]


def test_ports_that_would_be_one_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_config, "local_port", lambda node, user: 29999)
    built = client_config.build({"a": node(ANA), "b": node(ANA)}, {})
    assert [server["link"].split("/")[2] for server in built["users"]["ana"]] == ["127.0.0.1:29999", "127.0.0.1:20000"]


def test_a_token_is_part_of_the_link_only_where_it_is_known() -> None:
    built = client_config.build({"gpu1": node(ANA, tokens={"ana": "a+b/%s"})}, {})
    assert built["users"]["ana"][0]["link"].endswith("/user/ana/lab?token=a%2Bb%2F%25s")


@pytest.mark.parametrize(
    ("door", "link"),
    [
        ({"ana": "https://ana.gpu1.example.com/user/ana/"}, "https://ana.gpu1.example.com/user/ana/lab?token=t"),
        ({"ana": "https://[fd00::7]:8443/user/ana/"}, "https://[fd00::7]:8443/user/ana/lab?token=t"),
        ({"bo": "https://bo.gpu1.example.com/user/bo/"}, ""),
        ({"ana": "https://ana.gpu1.example.com/user/bo/"}, ""),
        ({"ana": 'https://x"><script>/user/ana/'}, ""),
        ({"ana": "javascript:1/user/ana/"}, ""),
        ({"ana": 1}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_link_of_a_front_door(door: Any, link: str) -> None:
    text = None if door is None else json.dumps({"urls": door})
    built = client_config.build({"gpu1": node(ANA, tokens={"ana": "t"}, door=text)}, {})
    assert built["users"]["ana"][0]["door"] == link


@pytest.mark.parametrize("text", ["", "{", "[]", "1"])
def test_a_list_of_front_doors_that_is_none(text: str) -> None:
    built = client_config.build({"gpu1": node(ANA, door=text)}, {})
    assert built["users"]["ana"][0]["door"] == ""


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"unreachable": True}, "gpu1 could not be reached"),
        (node(servers="{"), "can't be read"),
        (node(servers="[]"), "can't be read"),
        (node(servers='{"servers": [1]}'), "has another form"),
        (node(servers='{"servers": {"a": 1}}'), "has another form"),
        (node(servers='{"format": 2, "servers": []}'), "was written by a newer Evenkeel"),
        (node(ANA, address="x\n  y"), "its address is"),
    ],
)
def test_a_node_that_is_out_or_odd_is_named_and_the_others_stay(facts: dict[str, Any], words: str) -> None:
    built = client_config.build({"gpu1": facts, "gpu2": node(ANA)}, {})
    assert [found["name"] for found in built["nodes"]] == ["gpu2"]
    assert [server["node"] for server in built["users"]["ana"]] == ["gpu2"]
    (problem,) = built["problems"]
    assert words in problem
    assert problem.endswith("it is not in the files.")


@pytest.mark.parametrize(
    ("differing", "words"),
    [
        ({"user": None}, "has None as its user"),
        ({"scheme": None}, "has None as its scheme"),
        ({"user": "../ana"}, "has '../ana' as its user"),
        ({"user": ".."}, "has '..' as its user"),
        ({"user": "a\nProxyCommand x"}, "as its user"),
        ({"address": "127.0.0.1 x"}, "as its address"),
        ({"port": 0}, "0 is not a port"),
        ({"port": "88 Match"}, "is not a port"),
        ({"port": None, "socket": "/run/%h"}, "as its socket"),
        ({"port": None, "socket": "/run/a b"}, "as its socket"),
        ({"base_url": '/"><script>'}, "as its base_url"),
        ({"base_url": "/user/../ana/"}, "as its base_url"),
        ({"token_file": "/etc/../x"}, "as its token_file"),
        ({"scheme": "javascript"}, "has 'javascript' as its scheme"),
        ({"token_file": "/x; rm"}, "as its token_file"),
    ],
)
def test_an_odd_server_is_named_and_the_others_stay(differing: dict[str, Any], words: str) -> None:
    built = client_config.build({"gpu1": node({**ANA, **differing}, {**ANA, "user": "bo"})}, {})
    assert list(built["users"]) == ["bo"]
    (problem,) = built["problems"]
    assert words in problem
    assert problem.endswith("that server is not in the files.")


def test_a_token_that_is_none_is_not_part_of_a_link() -> None:
    built = client_config.build({"gpu1": node(ANA, tokens={"ana": "a b"})}, {})
    assert built["users"] == {}
    assert "the token of ana has other characters" in built["problems"][0]


def test_a_name_of_a_directory_service() -> None:
    name = {"user": "ana@x.org", "base_url": "/user/ana%40x.org/", "token_file": r"/etc/ana\x40x.org/token"}
    built = client_config.build({"gpu1": node({**ANA, **name})}, {})
    (server,) = built["users"]["ana@x.org"]
    assert server["token_command"] == "ssh gpu1 \"cat '/etc/ana\\x40x.org/token'\""  # noqa: S105
    assert server["link"].endswith("/user/ana%40x.org/lab")


def test_a_node_without_notebooks_can_be_reached_all_the_same() -> None:
    built = client_config.build({"gpu1": node(servers=None, why="file not found")}, {})
    assert ([found["name"] for found in built["nodes"]], built["users"]) == (["gpu1"], {})
    assert built["problems"] == ["gpu1 has no list of notebook servers (file not found)."]


def test_options_of_ssh_stay_options() -> None:
    built = client_config.build({}, {"ProxyJump": "bastion", "Host": "*", "X\n": "y", "User": "a\nHost *"})
    assert built["options"] == {"ProxyJump": "bastion"}
    assert len(built["problems"]) == 3


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"servers": 1}', '{"servers": [{}]}'])
def test_tokens_of_a_list_that_cannot_be_read(text: str | None) -> None:
    assert client_config.token_files(text) == []


def test_where_the_tokens_are() -> None:
    assert client_config.token_files(node(ANA)["servers"]) == [{"user": "ana", "token_file": ANA["token_file"]}]


def slurped(text: bytes) -> dict[str, Any]:
    return {"content": b64encode(text).decode(), "encoding": "base64"}


NOTHING = {
    "address": "gpu1",
    "port": 22,
    "unreachable": False,
    "servers": None,
    "why": "",
    "tokens": {},
    "door": None,
}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"ansible_host": "10.0.0.1", "ansible_port": 2222}, {"address": "10.0.0.1", "port": 2222}),
        ({"ansible_host": "10.0.0.1", "client_config_address": "gpu1.example.com"}, {"address": "gpu1.example.com"}),
        ({"__client_list": {"unreachable": True, "msg": "no route"}}, {"unreachable": True, "why": "no route"}),
        ({"__client_list": {"failed": True, "msg": "file not found"}}, {"why": "file not found"}),
        (
            {"__client_list": slurped(b"{}"), "__client_door": slurped(b"[]"), "__client_tokens": {"skipped": True}},
            {"servers": "{}", "door": "[]"},
        ),
        ({"__client_list": slurped(b"\xff")}, {"servers": "\ufffd"}),
        (
            {
                "__client_tokens": {
                    "results": [
                        {"item": {"user": "ana"}, "stdout": "hush"},
                        {"item": {"user": "bo"}, "unreachable": True},
                    ]
                }
            },
            {"tokens": {"ana": "hush"}},
        ),
    ],
)
def test_what_was_read_from_a_node(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    found = client_config.gathered({"gpu1": variables, "gpu2": {}}, ["gpu1"])
    assert found == {"gpu1": {**NOTHING, **expected}}
