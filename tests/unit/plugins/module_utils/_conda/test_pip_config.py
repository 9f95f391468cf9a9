# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import configparser
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import pip_config
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.pip_config import PIP_MARK, UV_MARK, Wanted
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept

INDEX = "https://pip.example/simple"
PROXY = "http://proxy.example:3128"
OURS = f"[global]\n{PIP_MARK}\nindex-url = {INDEX}\n"
THEIRS = "# ours since 2019\n[global]\ntimeout = 60\n\n[install]\nno-binary =\n    lxml\n"


@pytest.mark.parametrize(
    ("wanted", "pip"),
    [
        (Wanted(), {}),
        (Wanted(index=INDEX, ca_bundle="/etc/ca.pem"), {"index-url": INDEX, "cert": "/etc/ca.pem"}),
        (Wanted(index="http://10.0.0.2/s"), {"index-url": "http://10.0.0.2/s", "trusted-host": "10.0.0.2"}),
        (Wanted(index="http://pip:8080/s"), {"index-url": "http://pip:8080/s", "trusted-host": "pip:8080"}),
        (Wanted(index="http://127.0.0.9:80/s"), {"index-url": "http://127.0.0.9:80/s"}),
        (Wanted(index="http://localhost/s"), {"index-url": "http://localhost/s"}),
        (Wanted(index="http://[::1]/s"), {"index-url": "http://[::1]/s"}),
        (Wanted(index=INDEX, proxy=PROXY), {"index-url": INDEX, "proxy": PROXY}),
        (Wanted(index=INDEX, proxy=PROXY, no_proxy="a, .example"), {"index-url": INDEX}),
        (Wanted(proxy=PROXY, no_proxy="localhost"), {"proxy": PROXY}),
    ],
)
def test_what_pip_is_told(wanted: Wanted, pip: dict[str, str]) -> None:
    assert wanted.pip() == pip


@pytest.mark.parametrize(
    ("wanted", "uv"),
    [
        (Wanted(ca_bundle="/etc/ca.pem", no_proxy="a"), {}),
        (Wanted(index=INDEX), {"index": [{"url": INDEX, "default": True}]}),
        (
            Wanted(index=INDEX, proxy=PROXY, no_proxy="localhost, .example,"),
            {
                "http-proxy": PROXY,
                "https-proxy": PROXY,
                "no-proxy": ["localhost", ".example"],
                "index": [{"url": INDEX, "default": True}],
            },
        ),
    ],
)
def test_what_uv_is_told(wanted: Wanted, uv: dict[str, object]) -> None:
    assert tomllib.loads("\n".join(wanted.uv())) == uv


@pytest.mark.parametrize(
    ("text", "wanted", "after"),
    [
        (None, {}, None),
        (None, {"index-url": INDEX}, OURS),
        (OURS, {"index-url": INDEX}, OURS),
        (OURS, {"index-url": "https://b"}, f"[global]\n{PIP_MARK}\nindex-url = https://b\n"),
        (OURS, {"cert": "/a"}, f"[global]\n{PIP_MARK}\ncert = /a\n"),
        (OURS, {}, None),
        (THEIRS, {}, THEIRS),
        ("[global]\nindex-url = https://theirs\n", {}, "[global]\nindex-url = https://theirs\n"),
        (THEIRS.rstrip(), {}, THEIRS.rstrip()),
        (
            THEIRS,
            {"index-url": INDEX},
            f"# ours since 2019\n[global]\n{PIP_MARK}\nindex-url = {INDEX}\ntimeout = 60\n\n"
            "[install]\nno-binary =\n    lxml\n",
        ),
        (
            "[global]\nIndex_URL: https://old\ntrusted-host =\n  a\n  b\ntimeout = 1\n",
            {"index-url": INDEX, "trusted-host": "c"},
            f"[global]\n{PIP_MARK}\nindex-url = {INDEX}\ntrusted-host = c\ntimeout = 1\n",
        ),
        (
            "[install]\nindex-url = https://stays",
            {"index-url": INDEX},
            f"[install]\nindex-url = https://stays\n\n[global]\n{PIP_MARK}\nindex-url = {INDEX}\n",
        ),
        ("", {"index-url": INDEX}, OURS),
        (f"{OURS}\n[list]\nformat = columns\n", {}, "[global]\n\n[list]\nformat = columns\n"),
    ],
)
def test_our_keys_are_kept_among_all_others(text: str | None, wanted: dict[str, str], after: str | None) -> None:
    change = pip_config.plan_pip("/etc/pip.conf", file(text), wanted)
    assert change == Change("/etc/pip.conf", file(text), file(after))
    assert not pip_config.plan_pip("/etc/pip.conf", file(after), wanted).changed
    parser = configparser.RawConfigParser()
    parser.read_string(after or "[global]")
    assert {key: parser.get("global", key) for key in wanted} == wanted


def file(text: str | None) -> Kept | None:
    return None if text is None else Kept(text)


@pytest.mark.parametrize("text", [THEIRS, "# alone\n[global]\n", "[global]\ntimeout = 1\n"])
def test_what_we_wrote_can_be_taken_back(text: str) -> None:
    ours = pip_config.plan_pip("/etc/pip.conf", file(text), {"index-url": INDEX, "proxy": PROXY}).after
    assert pip_config.plan_pip("/etc/pip.conf", ours, {}).after == file(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index-url = x\n", r"^/etc/pip\.conf is malformed: File contains no section headers.*\. Fix that line"),
        ("[global]\ntimeout = 1\ntimeout = 2\n", r"^/etc/pip\.conf is malformed: .*option 'timeout'.* already exists"),
        ("[global]\n  index-url = x\n", r"^index-url of /etc/pip\.conf could not be replaced\. Remove it"),
    ],
)
def test_a_file_that_cannot_be_edited_is_refused(text: str, message: str) -> None:
    with pytest.raises(EvenkeelError, match=message):
        pip_config.plan_pip("/etc/pip.conf", file(text), {"index-url": INDEX})


def test_a_commands_own_section_that_says_otherwise_is_told() -> None:
    text = f"[global]\nindex-url = x\n[install]\nindex_url = https://b\ntimeout = 1\n[download]\nindex-url = {INDEX}\n"
    assert pip_config.defeated("/etc/pip.conf", file(text), {"index-url": INDEX}) == [
        "[install] of /etc/pip.conf sets index-url itself, which overrides it for pip install"
    ]
    assert pip_config.defeated("/etc/pip.conf", file(text), {}) == []
    assert pip_config.defeated("/etc/pip.conf", None, {"index-url": INDEX}) == []


@pytest.mark.parametrize(
    ("text", "wanted", "after"),
    [
        (None, [], None),
        (None, ["a = 1"], f"{UV_MARK}\na = 1\n"),
        (f"{UV_MARK}\na = 1\n", ["a = 1"], f"{UV_MARK}\na = 1\n"),
        (f"{UV_MARK}\na = 1\n", ["a = 2"], f"{UV_MARK}\na = 2\n"),
        (f"{UV_MARK}\na = 1\n", [], None),
        ("a = 2\n", [], "a = 2\n"),
        ("# by hand\n\n  a = 1\n", ["a = 1"], "# by hand\n\n  a = 1\n"),
        ("", ["a = 1"], f"{UV_MARK}\na = 1\n"),
        ("\0\0", ["a = 1"], f"{UV_MARK}\na = 1\n"),
        (UV_MARK[:9], ["a = 1"], f"{UV_MARK}\na = 1\n"),
        (f"\udcff{UV_MARK}", ["a = 1"], f"{UV_MARK}\na = 1\n"),
        ("", [], ""),
    ],
)
def test_uvs_file_is_ours_or_left_alone(text: str | None, wanted: list[str], after: str | None) -> None:
    assert pip_config.plan_uv("/etc/uv/uv.toml", file(text), wanted).after == file(after)


def test_somebody_elses_file_for_uv_is_no_place_for_ours() -> None:
    with pytest.raises(
        EvenkeelError, match=r"^/etc/uv/uv\.toml was not written by Evenkeel and has other content\. Move it away"
    ):
        pip_config.plan_uv("/etc/uv/uv.toml", file("a = 2\n"), ["a = 1"])


@pytest.mark.parametrize("garbage", ["\udcff", "[global]\n# caf\udce9\n", "\0x", "no section"])
def test_garbage_in_pips_file_is_named(garbage: str) -> None:
    with pytest.raises(EvenkeelError, match=r"^/etc/pip\.conf is (malformed|not text)"):
        pip_config.plan_pip("/etc/pip.conf", file(garbage), {"index-url": INDEX})


@pytest.mark.parametrize(
    ("text", "wanted", "opened"),
    [(OURS, True, True), ("", True, True), (f"{OURS}timeout = 1\n", True, False), (OURS, False, False)],
)
def test_what_we_have_written_is_for_everybody_to_read(tmp_path: Path, text: str, wanted: bool, opened: bool) -> None:
    path = tmp_path / "pip.conf"
    path.write_text(text)
    path.chmod(0o600)
    asked = {"index-url": INDEX} if wanted else {}
    change = pip_config.plan_pip(str(path), kept_files.read(str(path)), asked)
    kept_files.apply(change)
    if not wanted:
        assert change.after is None
        return
    assert path.stat().st_mode & 0o777 == (0o644 if opened else 0o600)
    assert not pip_config.plan_pip(str(path), kept_files.read(str(path)), asked).changed


@pytest.mark.parametrize(("before", "after"), [(0o600, 0o644), (0o440, 0o444), (0o000, 0o644)])
def test_a_mode_for_nobody_becomes_the_usual_one(before: int, after: int) -> None:
    change = pip_config.plan_pip("/etc/pip.conf", replace(file(OURS), mode=before), {"index-url": INDEX})
    assert change.after is not None
    assert change.after.mode == after
