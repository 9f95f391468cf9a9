# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import index_pages
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.index_pages import File, Page, files, pages

from ..package_site import PASSWORD, USER, Site

HTML = """<!DOCTYPE html><html><head><base href="/elsewhere/"></head><body>
<a href="app-1.0.tar.gz#sha256=abcd" data-requires-python="&gt;=3.8">app-1.0.tar.gz</a>
<a href="https://files.example/app-1.0%2Bcu12-py3-none-any.whl#md5=12" data-yanked="">app</a>
<a name="none">no link</a>
</body></html>"""
JSON = {
    "meta": {"api-version": "1.1"},
    "name": "app",
    "files": [
        {"filename": "app-1.0.tar.gz", "url": "../../app-1.0.tar.gz", "hashes": {"sha256": "abcd"}},
        {
            "filename": "b.whl",
            "url": "http://x.example/b.whl",
            "hashes": {},
            "yanked": "x",
            "requires-python": ">3",
        },
    ],
}
_SIMPLE = "application/vnd.pypi.simple.v1"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_pages, "RETRIES", 1)
    monkeypatch.setattr(index_pages.time, "sleep", lambda _seconds: None)


def test_a_page_in_html(site: Site) -> None:
    site.answers["/simple/app/"] = (200, f"{_SIMPLE}+html", HTML.encode())
    assert files(f"{site.url}/simple/app/") == (
        File("app-1.0.tar.gz", f"{site.url}/elsewhere/app-1.0.tar.gz", "abcd", ">=3.8"),
        File("app-1.0+cu12-py3-none-any.whl", "https://files.example/app-1.0%2Bcu12-py3-none-any.whl", yanked=True),
    )


def test_a_page_in_json(site: Site) -> None:
    site.answers["/simple/app/"] = (200, f"{_SIMPLE}+json", json.dumps(JSON).encode())
    assert files(f"{site.url}/simple/app/") == (
        File("app-1.0.tar.gz", f"{site.url}/app-1.0.tar.gz", "abcd"),
        File("b.whl", "http://x.example/b.whl", "", ">3", yanked=True),
    )


def test_pages_come_through_the_proxy_of_uvs_files(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text(f'http-proxy = "{site.url}"\n')
    monkeypatch.delenv("UV_NO_CONFIG")
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    site.answers["http://wheels.example/simple/app/"] = (200, "text/html", b"<a href=app-1.0.tar.gz></a>")
    assert files("http://wheels.example/simple/app/") == (
        File("app-1.0.tar.gz", "http://wheels.example/simple/app/app-1.0.tar.gz"),
    )


def test_credentials_do_not_follow_to_another_place(site: Site) -> None:
    site.answers["/simple/app/"] = (302, "/private/app/", b"")
    with pytest.raises(EvenkeelError, match="answered 401"):
        files(f"http://{USER}:{PASSWORD}@{site.host}/simple/app/")


def test_a_compressed_page(site: Site) -> None:
    site.answers["/simple/app/"] = (200, "gzip", gzip.compress(b"<a href=app-1.0.tar.gz></a>"))
    found = files(f"{site.url}/simple/app/")
    assert found is not None
    assert [file.name for file in found] == ["app-1.0.tar.gz"]


@pytest.mark.parametrize("page", ["dir", "page.html", "index"])
def test_pages_on_the_disk(tmp_path: Path, page: str) -> None:
    for place in ("dir/a.whl", "page.html", "index/index.html"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text('<a href="../dir/a.whl">')
    if page == "page.html":
        (tmp_path / page).write_text('<a href="dir/a.whl">')
    assert files((tmp_path / page).as_uri()) == (File("a.whl", (tmp_path / "dir/a.whl").as_uri()),)
    assert files((tmp_path / "gone").as_uri()) is None


def test_the_first_page_that_is_there_counts(site: Site) -> None:
    site.answers["/b/simple/app/"] = (200, "text/html", b"<a href=app-1.0.tar.gz></a>")
    places = [f"{site.url}/a/simple/app/", f"http://{USER}:{PASSWORD}@{site.host}/b/simple/app/", "http://never"]
    found = pages({"app": places, "gone": [f"{site.url}/a/simple/gone/"], "none": []})
    url = f"{site.url}/b/simple/app/app-1.0.tar.gz"
    assert found == {"app": Page(f"{site.url}/b/simple", (File("app-1.0.tar.gz", url),))}


@pytest.mark.parametrize(
    ("answer", "said", "asked"),
    [
        ((403, "text/html", b""), "answered 403 Forbidden. Check the index's URL; credentials belong into", 1),
        ((503, "text/html", b""), "answered 503 Service Unavailable. Check that the control node reaches", 2),
        ((200, f"{_SIMPLE}+json", b"{}"), "is not a page of a package index: KeyError: 'files'", 1),
        ((200, f"{_SIMPLE}+json", b"<html>"), "is not a page of a package index: JSONDecodeError", 1),
        ((200, f"{_SIMPLE}+json", b"[" * 100_000), "is not a page of a package index: RecursionError", 1),
        ((200, f"{_SIMPLE}+json", b"x" * 200_001), "is larger than 0 MiB", 1),
        ((200, "text/html", b"<![<!["), "is not a page of a package index: AssertionError", 1),
        ((200, "text/html", b"<" * 1001), "is larger than 0 MiB", 1),
        ((302, "ftp://wheels.example/", b""), "redirects to ftp://wheels.example/, which is no web server", 1),
    ],
)
def test_a_page_that_cannot_be_read_is_named(
    site: Site, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str, bytes], said: str, asked: int
) -> None:
    monkeypatch.setattr(index_pages, "MOST_BYTES", 200_000)
    monkeypatch.setattr(index_pages, "MOST_HTML", 1000)
    site.answers["/simple/app/"] = answer
    with pytest.raises(EvenkeelError) as error:
        files(f"http://{USER}:{PASSWORD}@{site.host}/simple/app/")
    assert str(error.value).startswith(f"{site.url}/simple/app/ {said}")
    assert site.asked == ["/simple/app/"] * asked


def test_pages_have_an_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_pages, "ALL_SECONDS", -1)
    with pytest.raises(EvenkeelError, match=r"^The pages of 1 packages, such as .*/app/, could not be read in -1 sec"):
        pages({"app": [f"http://{USER}:{PASSWORD}@{site.host}/simple/app/"]})
    assert site.asked == []


def test_a_server_that_is_not_there_is_named(site: Site) -> None:
    site.server.shutdown()
    site.server.server_close()
    with pytest.raises(EvenkeelError, match=r"/simple/app/ did not deliver \(.*Connection refused"):
        files(f"{site.url}/simple/app/")
