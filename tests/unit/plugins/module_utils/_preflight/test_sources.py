# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirrors and repositories as a node finds them; served from files here."""

from __future__ import annotations

import gzip
import lzma
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._preflight import sources

PACKAGES = """Package: nvidia-open-580
Version: 580.178.04-1ubuntu1
Architecture: amd64

Package: nvidia-open-580
Version: 580.95.05-1ubuntu1
Description: a driver
 Version: none

Package: with-epoch
Version: 4:1.20.1-1
"""
REPOMD = (
    '<repomd><data type="filelists"><location href="f.xml.gz"/></data><data type="primary"><location href="{}"/></data>'
)
PRIMARY = '<package><name>nvidia-open</name><arch>x</arch><version epoch="3" ver="580.178.04" rel="1.el9"/></package>'
OPEN = {"name": "nvidia-open-580", "version": "580.178.04"}


def ask(url: str, kind: str, *packages: dict[str, str]) -> str:
    answer = sources.ask_all([{"name": "n", "kind": kind, "urls": [url], "packages": list(packages)}], 5)
    assert [one["name"] for one in answer] == ["n"]
    return str(answer[0]["problem"])


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


@pytest.mark.parametrize(
    ("name", "pack"), [("Packages", bytes), ("Packages.gz", gzip.compress), ("Packages.xz", lzma.compress)]
)
def test_apt(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(pack(PACKAGES.encode()))
    url = f"{tmp_path.as_uri()}/"
    assert (
        ask(url, "apt", OPEN, {"name": "with-epoch", "version": "1.20.1"}, {"name": "with-epoch", "version": ""}) == ""
    )
    other = {"name": "nvidia-open-580", "version": "580.9"}
    assert ask(url, "apt", other) == f"{url} has no nvidia-open-580 580.9, but 580.178.04-1ubuntu1, 580.95.05-1ubuntu1"
    assert ask(url, "apt", {"name": "nvidia-open-590", "version": "590.1"}) == f"{url} has no package nvidia-open-590"


def test_apt_without_a_list(tmp_path: Path) -> None:
    url = f"{tmp_path.as_uri()}/"
    assert ask(url, "apt") == f"{url}Packages does not exist"


def test_a_list_that_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "Packages.gz").write_bytes(gzip.compress(PACKAGES.encode())[:40])
    url = f"{tmp_path.as_uri()}/"
    assert ask(url, "apt", OPEN).startswith(f"{url} could not be read: ")


@pytest.mark.parametrize("page", ["<!DOCTYPE html>\n<p>Log in</p>", "<html><p>Log in</p></html>"])
def test_a_page_is_no_repository(tmp_path: Path, page: str) -> None:
    (tmp_path / "Packages.gz").write_text(page)
    url = f"{tmp_path.as_uri()}/"
    assert ask(url, "apt", OPEN) == f"{url} could not be read: it is a web page, such as a proxy's"
    (tmp_path / "index.html").write_text(page)
    assert ask(f"{url}index.html", "pip") == ""


@pytest.mark.parametrize(("name", "pack"), [("p.xml.gz", gzip.compress), ("p.xml.xz", lzma.compress)])
def test_rpm(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "repodata").mkdir()
    (tmp_path / "repodata" / "repomd.xml").write_text(REPOMD.format(f"repodata/{name}"))
    (tmp_path / "repodata" / name).write_bytes(pack(PRIMARY.encode()))
    url = f"{tmp_path.as_uri()}/"
    assert ask(url, "rpm", {"name": "nvidia-open", "version": "580.178.04"}) == ""
    assert ask(url, "rpm", {"name": "nvidia-open", "version": "590.1"}).endswith("590.1, but 580.178.04-1.el9")


def test_a_list_in_a_form_that_can_not_be_read_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "repodata").mkdir()
    (tmp_path / "repodata" / "repomd.xml").write_text(REPOMD.format("repodata/p.xml.zst"))
    assert ask(f"{tmp_path.as_uri()}/", "rpm", OPEN) == ""


@pytest.mark.parametrize("kind", ["apt", "rpm", "pip", "conda"])
def test_a_server_that_never_answers(silent: str, kind: str) -> None:
    answer = sources.ask_all([{"name": "n", "kind": kind, "urls": [silent], "packages": []}], 0.2)
    assert answer[0]["problem"].startswith(silent)


@pytest.mark.parametrize("kind", ["apt", "rpm", "pip", "conda"])
def test_a_server_that_is_not_there(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
    assert "Connection refused" in ask(url, kind)


def test_sources_that_answer(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("{}")
    assert ask((tmp_path / "index").as_uri(), "conda") == ""
    assert ask((tmp_path / "index").as_uri(), "pip") == ""


def test_a_page_is_no_index_of_conda(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("<html>")
    assert "something else than an index" in ask((tmp_path / "index").as_uri(), "conda")


def test_no_more_versions_are_named_than_can_be_read() -> None:
    offered: dict[str, list[str]] = {"a": [f"1.{number}" for number in range(20)]}
    wanted: list[dict[str, Any]] = [{"name": "a", "version": "2"}]
    assert sources.missing(offered, wanted, "u") == ["u has no a 2, but 1.19, 1.18, 1.17, 1.16, 1.15, 1.14, ..."]
