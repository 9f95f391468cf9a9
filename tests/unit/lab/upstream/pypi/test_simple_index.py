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

from lab.upstream.pypi import simple_index, wheels
from lab.upstream.pypi.wheels import Wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(wheels, "FOLDER", tmp_path / "wheels")
    folder = tmp_path / "simple"
    folder.mkdir()
    simple_index.write([_wheel(version, tmp_path) for version in ("1.10", "1.9")], folder)
    return folder


def _metadata(version: str) -> str:
    return f"Metadata-Version: 2.1\nName: demo_tool\nVersion: {version}\n"


def _wheel(version: str, folder: Path) -> Wheel:
    made = folder / f"demo_tool-{version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("demo.py", "")
        archive.writestr(f"demo_tool-{version}.dist-info/METADATA", _metadata(version))
        archive.writestr(f"demo_tool-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        archive.writestr(f"demo_tool-{version}.dist-info/RECORD", "")
    sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
    wheel = Wheel(made.name, sha256, "demo-tool", version, requires_python=">=3.9")
    wheel.path.parent.mkdir(parents=True)
    made.rename(wheel.path)
    return wheel


def test_pages_escape_what_they_show() -> None:
    page = simple_index.page("a&b", [("x", "x.whl#sha256=1", {"data-requires-python": ">=3.9,<4"})])
    assert "<title>a&amp;b</title>" in page
    assert '<a href="x.whl#sha256=1" data-requires-python="&gt;=3.9,&lt;4">x</a>' in page


def test_pages_lead_to_the_file_with_its_hash(index: Path) -> None:
    assert 'href="demo-tool/"' in (index / "index.html").read_text()
    project = index / "demo-tool"
    found = re.findall(r'href="([^"#]+)#sha256=([0-9a-f]{64})"', (project / "index.html").read_text())
    assert [name for name, _ in found] == [f"demo_tool-{version}-py3-none-any.whl" for version in ("1.9", "1.10")]
    for name, sha256 in found:
        assert hashlib.sha256((project / name).read_bytes()).hexdigest() == sha256


def test_metadata_lies_beside_each_file_and_its_hash_on_the_page(index: Path) -> None:
    project = index / "demo-tool"
    for version in ("1.9", "1.10"):
        metadata = (project / f"demo_tool-{version}-py3-none-any.whl.metadata").read_bytes()
        assert metadata.decode() == _metadata(version)
        sha256 = hashlib.sha256(metadata).hexdigest()
        assert f'data-core-metadata="sha256={sha256}"' in (project / "index.html").read_text()


def test_pip_downloads_from_it_and_checks_the_hash(index: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--isolated", "--quiet", "download", "--no-deps", "--no-cache-dir"]
    pip += ["--index-url", index.as_uri(), "--dest", str(tmp_path / "got"), "demo-tool"]
    subprocess.run(pip, check=True)
    newest = "demo_tool-1.10-py3-none-any.whl"
    assert [path.name for path in (tmp_path / "got").iterdir()] == [newest]
    with (index / "demo-tool" / newest).open("ab") as stream:
        stream.write(b"more")
    (tmp_path / "got" / newest).unlink()
    refused = subprocess.run(pip, check=False, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "HASH" in refused.stderr.upper()
