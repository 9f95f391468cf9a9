# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration is tried beside the one that nginx serves by: an nginx of a few lines says what it was given."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import nginx
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
