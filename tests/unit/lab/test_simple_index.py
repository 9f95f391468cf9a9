# SPDX-License-Identifier: GPL-3.0-or-later
"""The package index for pip."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lab import simple_index, wheels
from lab.wheels import Wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(wheels, "FOLDER", tmp_path / "wheels")
    made = tmp_path / "demo_tool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("demo.py", "")
        archive.writestr("demo_tool-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo_tool\nVersion: 1.0\n")
        archive.writestr("demo_tool-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        archive.writestr("demo_tool-1.0.dist-info/RECORD", "")
    sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
    wheel = Wheel(made.name, sha256, "demo-tool", "1.0", requires_python=">=3.9")
    wheel.path.parent.mkdir(parents=True)
    made.rename(wheel.path)
    folder = tmp_path / "simple"
    folder.mkdir()
    simple_index.write([wheel], folder)
    return folder


def test_pages_escape_what_they_show() -> None:
    page = simple_index.page("a&b", [("x", "x.whl#sha256=1", ">=3.9,<4")])
    assert "<title>a&amp;b</title>" in page
    assert '<a href="x.whl#sha256=1" data-requires-python="&gt;=3.9,&lt;4">x</a>' in page


def test_pages_lead_to_the_file_with_its_hash(index: Path) -> None:
    assert 'href="demo-tool/"' in (index / "index.html").read_text()
    found = re.search(r'href="([^"#]+)#sha256=([0-9a-f]{64})"', (index / "demo-tool/index.html").read_text())
    assert found
    assert hashlib.sha256((index / "demo-tool" / found[1]).read_bytes()).hexdigest() == found[2]


def test_pip_downloads_from_it_and_checks_the_hash(index: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--isolated", "--quiet", "download", "--no-deps", "--no-cache-dir"]
    pip += ["--index-url", index.as_uri(), "--dest", str(tmp_path / "got"), "demo-tool"]
    subprocess.run(pip, check=True)
    assert [path.name for path in (tmp_path / "got").iterdir()] == ["demo_tool-1.0-py3-none-any.whl"]
    with next((index / "demo-tool").glob("*.whl")).open("ab") as stream:
        stream.write(b"more")
    (tmp_path / "got" / "demo_tool-1.0-py3-none-any.whl").unlink()
    refused = subprocess.run(pip, check=False, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "HASH" in refused.stderr.upper()
