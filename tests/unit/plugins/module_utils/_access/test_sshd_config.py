# SPDX-License-Identifier: GPL-3.0-or-later
"""The staged configuration of sshd, and what is read from the real one."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import sshd_config
from ansible_collections.evenkeel.gpu.plugins.module_utils._access.sshd_config import Override
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from tests.unit.plugins.module_utils._access.fake_sshd import Sshd

CANDIDATE = "/tmp/trial/candidate"  # noqa: S108


@pytest.fixture
def drop_in(tmp_path: Path) -> str:
    """The drop-in's path in a folder that has two others."""
    for name in ("10-site.conf", "50-cloud.conf"):
        (tmp_path / name).touch()
    return str(tmp_path / "40-ours.conf")


@pytest.mark.parametrize("line", ["Include {0}/*.conf", '  include="{0}/*.conf"', "INCLUDE {0}/4*.conf {0}/[15]*.conf"])
@pytest.mark.parametrize("standing", [False, True], ids=["new", "there already"])
def test_the_candidate_takes_the_place_of_the_drop_in(drop_in: str, line: str, standing: bool) -> None:
    folder = Path(drop_in).parent
    if standing:
        Path(drop_in).touch()
    staged = sshd_config.stage(f"{line.format(folder)}\nPort 22\n", drop_in, CANDIDATE).splitlines()
    assert sorted(staged) == sorted(
        [f"Include {folder}/10-site.conf", f"Include {CANDIDATE}", f"Include {folder}/50-cloud.conf", "Port 22"]
    )
    assert staged[-1] == "Port 22"
    if "*.conf {" not in line:
        assert staged.index(f"Include {CANDIDATE}") == 1
    assert CANDIDATE not in sshd_config.stage(f"Include {folder}/*.conf\n", drop_in, None)


@pytest.mark.parametrize(
    "text", ["", "# Include /etc/ssh/sshd_config.d/*.conf\n", "Include /etc/ssh/other.d/*.conf\n", "Include *.conf\n"]
)
def test_a_drop_in_that_would_not_be_read(text: str) -> None:
    with pytest.raises(EvenkeelError, match="does not include"):
        sshd_config.stage(text, sshd_config.DROP_IN, CANDIDATE)
    assert sshd_config.stage(text, sshd_config.DROP_IN, None) == text


def test_a_relative_include_is_one_of_sshd_s_folder() -> None:
    assert sshd_config.includes("Include sshd_config.d/*.conf") == ["/etc/ssh/sshd_config.d/*.conf"]
    assert sshd_config.includes("Port 22") == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"Match": "all"}, "not a keyword"),
        ({"include": "/etc/passwd"}, "not a keyword"),
        ({"Allow Tcp": "yes"}, "not a keyword"),
        ({"": "yes"}, "not a keyword"),
        ({"Banner": "a\nMatch all"}, "not a value of one line"),
        ({"Banner": ""}, "not a value of one line"),
        ({"Banner": "none # or some"}, "not a value of one line"),
    ],
)
def test_settings_that_would_end_the_block(settings: dict[str, str], words: str) -> None:
    with pytest.raises(EvenkeelError, match=words):
        sshd_config.check(settings)


def test_a_block_ends_itself() -> None:
    text = sshd_config.render("Group people", {"B": "2", "A": "1 x"})
    assert text.splitlines()[1:] == ["Match Group people", "    A 1 x", "    B 2", "Match all"]


def test_what_sshd_shows() -> None:
    assert sshd_config.parse("port 22\nlistenaddress [::]:22\nlistenaddress 0.0.0.0:22\nbanner none\n") == {
        "port": "22",
        "listenaddress": "[::]:22\n0.0.0.0:22",
        "banner": "none",
    }


def test_who_comes_first_is_told_once_for_all() -> None:
    lines = tuple(sshd_config.lines_with("allowTCPforwarding", {"/a": "Port 1\n AllowTcpForwarding = no\n#Port 2\n"}))
    assert lines == ("/a:2: AllowTcpForwarding = no",)
    found = [Override("AllowTcpForwarding", "no", user, lines) for user in ("ana", "bo")]
    assert sshd_config.described(found) == "AllowTcpForwarding is no for ana, bo (/a:2: AllowTcpForwarding = no)"


@pytest.mark.parametrize(
    ("wanted", "actual", "expected"),
    [
        ({"a": "1"}, {"ana": {"a": "1"}}, []),
        ({"a": "1"}, {"ana": {"a": "2"}}, [Override("A", "2", "ana", ("/x:1: A 2",))]),
        ({"a": "1"}, {"ana": {}}, [Override("A", "", "ana", ("/x:1: A 2",))]),
        ({"a": "1"}, {"ana": {"a": "1"}, "bo": {"a": "2"}}, [Override("A", "2", "bo", ("/x:1: A 2",))]),
        ({"a": "1"}, {"ana": {"a": "1", "b": "9"}}, []),
    ],
)
def test_differences(
    wanted: dict[str, str], actual: dict[str, dict[str, str]], expected: list[sshd_config.Override]
) -> None:
    assert sshd_config.differences({"A": "1"}, wanted, actual, {"/x": "A 2\nB 9\n"}) == expected


@pytest.fixture
def sshd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sshd:
    return Sshd(monkeypatch, tmp_path)


FORWARD = {"AllowTcpForwarding": "yes"}


@pytest.mark.parametrize(
    ("file", "text", "dropped_in", "users"),
    [
        ("", "", True, []),
        ("", "", False, ["ana", "bo"]),
        ("10-first.conf", "AllowTcpForwarding no\n", True, ["ana", "bo"]),
        ("10-first.conf", "Match User bo\n    AllowTcpForwarding no\n", True, ["bo"]),
        ("10-first.conf", "AllowTcpForwarding yes\n", False, []),
        ("50-later.conf", "AllowTcpForwarding no\n", True, []),
    ],
)
def test_what_comes_before_the_drop_in_prevails(
    sshd: Sshd, file: str, text: str, dropped_in: bool, users: list[str]
) -> None:
    if file:
        (sshd.drop_in.parent / file).write_text(text)
    with sshd_config.trial() as trial:
        found = trial.overrides(FORWARD, ["ana", "bo"], dropped_in=dropped_in)
    assert [override.user for override in found] == users
    assert not sshd.drop_in.exists()


def test_where_sshd_listens(sshd: Sshd) -> None:
    with sshd_config.trial() as trial:
        assert trial.addresses() == ["0.0.0.0:22"]


@pytest.mark.parametrize(
    ("drop_in", "other", "message"),
    [
        ("Match User ana\n    Forward yes\n", "", r"would not start .*{drop_in}: Bad configuration option: Forward"),
        ("AllowTcpForwarding yes\n", "Forward yes\n", r"even before: {folder}/50-x.conf: Bad"),
    ],
)
def test_what_sshd_refuses_is_named_by_its_real_path(sshd: Sshd, drop_in: str, other: str, message: str) -> None:
    (sshd.drop_in.parent / "50-x.conf").write_text(other)
    with sshd_config.trial() as trial:
        wanted = message.format(drop_in=sshd.drop_in, folder=sshd.drop_in.parent)
        with pytest.raises(EvenkeelError, match=wanted):
            trial.require_parsable(drop_in)


def test_what_sshd_accepts(sshd: Sshd) -> None:
    with sshd_config.trial() as trial:
        trial.require_parsable("AllowTcpForwarding yes\n")
    assert not sshd.drop_in.exists()
