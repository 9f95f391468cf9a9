# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import uv_files

PROXY, OTHER = "http://proxy.example:3128", "http://other.example:3128"
FILE = f'https-proxy = "{PROXY}"\nno-proxy = ["inside.example"]\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("UV_NO_CONFIG", "UV_CONFIG_FILE", *(f"{kind}_proxy" for kind in ("http", "https", "all", "no"))):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "uv").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "environment", "url", "found"),
    [
        ("", {}, "https://wheels.example/simple", {}),
        (FILE, {}, "https://wheels.example/simple", {"https": PROXY}),
        (FILE, {}, "http://wheels.example/simple", {}),
        (FILE, {}, "https://me:secret@inside.example/simple", {}),
        (FILE, {}, "https://wheels.inside.example:8443/simple", {}),
        (FILE, {"https_proxy": OTHER}, "https://wheels.example/simple", {"https": OTHER}),
        (FILE, {"all_proxy": OTHER, "no_proxy": "wheels.example"}, "https://wheels.example/simple", {}),
        (FILE, {"UV_NO_CONFIG": "1"}, "https://wheels.example/simple", {}),
        ("https-proxy = 3", {}, "https://wheels.example/simple", {}),
        ("[[", {}, "https://wheels.example/simple", {}),
    ],
)
def test_proxies(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    environment: dict[str, str],
    url: str,
    found: dict[str, str],
) -> None:
    (home / "uv" / "uv.toml").write_text(file)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert uv_files.proxies(url) == found


def test_a_file_can_be_anywhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "own.toml").write_text(FILE)
    monkeypatch.setenv("UV_CONFIG_FILE", str(home / "own.toml"))
    assert uv_files.proxies("https://wheels.example") == {"https": PROXY}
