# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration is tried beside the one that nginx serves by: an nginx of a few lines says what it was given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import nginx
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: Reads the files that it must include, and refuses the word ``broken``.
PROGRAM = """\
#!/bin/sh
main=$4
for file in $(sed -n 's/^include \\(.*\\);$/\\1/p' "$main"); do
    echo "# configuration file $file:"
    if grep -q broken "$file"; then
        echo "nginx: [emerg] unknown directive \\"broken\\" in $file:1" >&2
        exit 1
    fi
done
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "etc" / "nginx"
    (root / "conf.d").mkdir(parents=True)
    (root / "mime.types").touch()
    (root / "nginx.conf").write_text(f"include {root}/mime.types;\ninclude {root}/conf.d/*.conf;\n")
    (root / "conf.d" / "other.conf").write_text("fine")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "nginx").write_text(PROGRAM)
    (programs / "nginx").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    return root


def files(root: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("standing", [None, "fine", "broken"])
def test_what_is_fine(root: Path, standing: str | None) -> None:
    if standing:
        (root / "conf.d" / "ours.conf").write_text(standing)
    before = files(root)
    nginx.try_out("ours.conf", "fine", str(root))
    assert files(root) == before


@pytest.mark.parametrize(
    ("text", "other", "named"), [("broken", "fine", "ours.conf"), ("fine", "broken", "other.conf")]
)
def test_what_is_broken_is_named_by_its_own_place(root: Path, text: str, other: str, named: str) -> None:
    (root / "conf.d" / "ours.conf").write_text("fine")
    (root / "conf.d" / "other.conf").write_text(other)
    before = files(root)
    with pytest.raises(EvenkeelError) as caught:
        nginx.try_out("ours.conf", text, str(root))
    assert f'configuration: unknown directive "broken" in {root}/conf.d/{named}:1' in str(caught.value)
    assert files(root) == before


def test_a_folder_that_nginx_does_not_read(root: Path) -> None:
    (root / "nginx.conf").write_text(f"include {root}/mime.types;\n")
    with pytest.raises(EvenkeelError, match=r"nginx\.conf does not include .*/etc/nginx/conf\.d/\*\.conf"):
        nginx.try_out("ours.conf", "fine", str(root))


def selinux(place: Path, enforce: str, boolean: str) -> str:
    (place / "booleans").mkdir()
    (place / "enforce").write_text(enforce)
    (place / "booleans" / "httpd_can_network_connect").write_text(boolean)
    return str(place)


@pytest.mark.parametrize(("enforce", "boolean"), [("1", "1 1"), ("0", "0 0")])
def test_selinux_may_allow_it(tmp_path: Path, enforce: str, boolean: str) -> None:
    nginx.require_selinux_allows("servers", str(tmp_path / "not there"))
    nginx.require_selinux_allows("servers", selinux(tmp_path, enforce, boolean))


def test_selinux_may_not(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match="setsebool -P httpd_can_network_connect on"):
        nginx.require_selinux_allows("servers", selinux(tmp_path, "1", "0 0"))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("/user/ana/", '"/user/ana/"'),
        ("/user/a b;{}#/", '"/user/a b;{}#/"'),
        ('/user/"; } evil "/', r'"/user/\"; } evil \"/"'),
        ("/user/a\\", r'"/user/a\\"'),
        ('\\"', r'"\\\""'),
        ("", '""'),
    ],
)
def test_nothing_ends_a_word(text: str, word: str) -> None:
    assert nginx.word(text) == word
    # As nginx reads it: what is escaped is taken as it is, and the first other quotation mark ends the word.
    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', word)
    assert re.sub(r"\\(.)", r"\1", word[1:-1]) == text
