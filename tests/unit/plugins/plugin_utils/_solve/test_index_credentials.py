# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.index_credentials import (
    user_and_password,
    with_credentials,
)

URL = "https://wheels.example:8443/simple/"
WITH = "https://me:open%40sesame@wheels.example:8443/simple/"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("NETRC", "UV_NO_CONFIG", "UV_CONFIG_FILE", "XDG_CONFIG_HOME", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    return home


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".netrc", "machine wheels.example login me password open@sesame"),
        (".config/uv/uv.toml", f'[[index]]\nurl = "{WITH}"\n'),
        (".config/uv/uv.toml", f'extra-index-url = ["https://other.example", "{WITH}other"]\n'),
        (".config/pip/pip.conf", f"[global]\nindex-url = {WITH}\n"),
        (".pip/pip.conf", f"[global]\nextra-index-url =\n    https://other.example\n    {WITH}\n"),
    ],
)
def test_files(home: Path, file: str, text: str) -> None:
    assert with_credentials(URL) == URL
    write(home / file, text)
    assert with_credentials(URL) == WITH
    assert with_credentials("https://wheels.example.evil.example:8443/simple/").count("@") == 0
    assert with_credentials(URL.replace("wheels", "other")).count("@") == 0


@pytest.mark.parametrize(
    "variables",
    [
        {"UV_INDEX": f"https://other.example {WITH}"},
        {"PIP_EXTRA_INDEX_URL": WITH},
        {"PIP_FIND_LINKS": WITH},
        {
            "UV_INDEX": f"own-wheels={URL}",
            "UV_INDEX_OWN_WHEELS_USERNAME": "me",
            "UV_INDEX_OWN_WHEELS_PASSWORD": "open@sesame",
        },
    ],
)
def test_variables(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert with_credentials(URL) == WITH


@pytest.mark.parametrize(
    ("url", "is_same"),
    [
        ("https://pypi.internal/other", True),
        ("https://pypi.internal:443/other", True),
        ("https://PyPI.internal/other", True),
        ("http://pypi.internal/other", False),
        ("http://pypi.internal:443/other", False),
        ("https://pypi.internal:8443/other", False),
        ("https://pypi.internal:none/other", False),
    ],
)
@pytest.mark.parametrize("place", ["configured", "named", "other"])
def test_credentials_of_a_url_are_for_its_scheme_host_and_port(
    monkeypatch: pytest.MonkeyPatch, place: str, url: str, is_same: bool
) -> None:
    known = "https://me:secret@pypi.internal/simple"
    if place == "named":
        monkeypatch.setenv("UV_INDEX", "own=https://pypi.internal/simple")
        monkeypatch.setenv("UV_INDEX_OWN_USERNAME", "me")
        monkeypatch.setenv("UV_INDEX_OWN_PASSWORD", "secret")
    elif place == "configured":
        monkeypatch.setenv("UV_INDEX", known)
    found = with_credentials(url, [known] if place == "other" else [])
    assert found == (url.replace("//", "//me:secret@") if is_same else url)


def test_uvs_named_indexes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".config/uv/uv.toml", f'index = [{{ url = "{URL}", name = "own.wheels" }}, {{ url = "https://x" }}]')
    monkeypatch.setenv("UV_INDEX_OWN_WHEELS_USERNAME", "me")
    monkeypatch.setenv("UV_INDEX_OWN_WHEELS_PASSWORD", "open@sesame")
    assert with_credentials(URL) == WITH


@pytest.mark.parametrize("text", ["[[index", "index = 3", "index = [1, {}]", "\x00"])
def test_files_that_are_none(home: Path, text: str) -> None:
    for file in (".netrc", ".config/uv/uv.toml", ".config/pip/pip.conf"):
        write(home / file, text)
    assert with_credentials(URL) == URL


def test_what_is_in_the_url_counts_first(home: Path) -> None:
    write(home / ".netrc", "machine wheels.example login you password other")
    assert with_credentials(WITH) == WITH
    assert with_credentials("file:///srv/wheels") == "file:///srv/wheels"
    assert user_and_password(WITH) == ("me", "open@sesame")
