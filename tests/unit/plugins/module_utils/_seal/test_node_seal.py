# SPDX-License-Identifier: GPL-3.0-or-later
"""What sealing a machine changes, and what forbids it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal import first_boot, node_seal
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal.first_boot import Token
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal.node_seal import Plan, State
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal.part import EMPTY, Found, Part

DATA = yaml.safe_load((Path(__file__).parents[5] / "playbooks" / "vars" / "seal.yml").read_text())
TOKEN = Token("/etc/evenkeel/jupyter/ana/token", 1000, 1000)
KEY = Found(Part("/etc/ssh/ssh_host_*_key", "SSH host key"), "/etc/ssh/ssh_host_rsa_key", 1)
LOGS = Found(Part("/var/log", "logs", EMPTY), "/var/log", 12)
NONE = dict.fromkeys(first_boot.files([], []))


def planned(state: State, **now: Kept | None) -> Plan:
    return node_seal.plan(state, ["/var/lib/dhcp/*"], {**NONE, **now})


def test_what_comes_anew_is_prepared() -> None:
    changes = {change.path: change.after for change in planned(State(tokens=(TOKEN,))).first_boot}
    assert changes.keys() == NONE.keys()
    made = changes[first_boot.LIST]
    assert made is not None
    assert made.text == "leftover - /var/lib/dhcp/*\ntoken 1000:1000 /etc/evenkeel/jupyter/ana/token\n"


def test_a_sealed_machine_is_nothing_to_do() -> None:
    now = {path: Kept(text) for path, text in first_boot.files([TOKEN], ["/var/lib/dhcp/*"]).items()}
    assert not planned(State(tokens=(TOKEN,)), **now).changed


def test_paths_and_units_are_shown_and_no_content() -> None:
    diff = planned(State(found=(KEY, LOGS), running=("rsyslog.service",))).diff()
    shown = {one["before_header"]: (one["before"], one["after"]) for one in diff}
    assert shown["parts of this machine"] == (
        "/etc/ssh/ssh_host_rsa_key: SSH host key\n/var/log: logs (12 files)\n",
        "/var/log: logs (emptied)\n",
    )
    assert shown["services"] == ("rsyslog.service\n", "")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (
            State(found=(KEY,), belongings={"ana": ["/home/ana/notes.txt"]}),
            r"ana: /home/ana/notes\.txt\. Move them away, .*seal_keep_homes",
        ),
        (
            State(found=(KEY,), refused=(("/x.json", "an upgrade has begun", "Run it again"),)),
            r"/x\.json is there: an upgrade has begun\. Run it again\.",
        ),
    ],
)
def test_some_machines_are_not_sealed(state: State, words: str) -> None:
    with pytest.raises(EvenkeelError, match=words):
        planned(state)


def test_what_stays_and_opens_something_is_warned_of() -> None:
    state = State(left=(("/etc/krb5.keytab", "the machine's Kerberos keys", "Leave the domain"),))
    assert planned(state).warnings == (
        "/etc/krb5.keytab stays, and is in the image: the machine's Kerberos keys. Leave the domain.",
    )


def test_a_token_that_an_interrupted_run_has_removed_is_still_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_boot, "LIST", str(tmp_path / "list"))
    (tmp_path / "list").write_text(f"token 1:2 {tmp_path}/gone\n")
    there = tmp_path / "a" / "token"
    there.parent.mkdir()
    there.write_text("x")
    status = there.stat()
    parts: list[dict[str, Any]] = [
        {"path": f"{tmp_path}/*/token", "what": "token", "why": "", "anew": True},
    ]
    monkeypatch.setattr(node_seal.homes, "of_people", lambda owners: {})
    state = node_seal.read({"parts": parts, "units": [], "known": [], "refused": [], "left": [], "keep_homes": False})
    assert state.tokens == (
        Token(str(there), status.st_uid, status.st_gid),
        Token(f"{tmp_path}/gone", 1, 2),
    )


# the data


def test_the_last_parts_are_those_without_which_nobody_comes_in() -> None:
    assert [part["path"] for part in DATA["__seal_parts"][-4:]] == [
        "/etc/ssh/ssh_host_*_key",
        "/etc/ssh/ssh_host_*.pub",
        "/var/lib/dbus/machine-id",
        "/etc/machine-id",
    ]


def test_a_files_lines_go_by_a_pattern_and_leftovers_are_patterns_of_a_shell() -> None:
    for part in DATA["__seal_parts"]:
        assert ("lines" in part) == (part.get("how") == "lines"), part
        assert not part.get("again") or " " not in part["path"], part


@pytest.mark.parametrize("name", ["envs", "generations", "pkgs", "/opt", "/lib/modules", "/etc/ssh/sshd_config"])
def test_environments_drivers_and_settings_stay(name: str) -> None:
    assert not [part for part in DATA["__seal_parts"] if name in part["path"]]
