# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which files a package index (simple API, JSON or HTML) or a page of links has."""

from __future__ import annotations

import base64
import gzip
import json
import time
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.within import within
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import uv_files
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import without_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.index_credentials import (
    user_and_password,
    with_credentials,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.rattler import SHARE

#: How many pages are asked for at once.
AT_ONCE = 16
#: How long a server may stay silent, how often it is asked again, and how long all pages may take.
SECONDS, RETRIES, ALL_SECONDS = 30, 2, 300
#: The largest page that is read; one in HTML must be smaller, since reading what is none is slow.
MOST_BYTES, MOST_HTML = 64 << 20, 16 << 20
_ACCEPTED = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_SHA256 = "sha256"


@dataclass(frozen=True)
class File:
    """One file that an index has."""

    name: str
    url: str
    #: In hexadecimal digits; empty where the index has none.
    sha256: str = ""
    #: As a version specifier; empty for every Python.
    requires_python: str = ""
    yanked: bool = False


@dataclass(frozen=True)
class Page:
    """What an index has of one name."""

    #: The index's URL, without credentials and without a slash at the end.
    index: str
    files: tuple[File, ...]


def pages(places: Mapping[str, Iterable[str]]) -> dict[str, Page]:
    """Return the pages of several names, those that there are.

    Parameters
    ----------
    places
        By name, the URLs where its page may be; the first that is there counts.

    Raises
    ------
    EvenkeelError
        An index does not answer, refuses, or answers with something else.
    """

    seconds = patience.in_all(ALL_SECONDS, SHARE)
    end = time.monotonic() + seconds

    def first(urls: Iterable[str]) -> Page | None:
        for url in urls:
            if time.monotonic() > end:
                raise EvenkeelError(
                    f"The pages of {len(places)} packages, such as {without_credentials(url)}, could not be read in "
                    f"{seconds:.0f} seconds",
                    "Check that the control node reaches the index, or choose a nearer one",
                )
            if (found := files(url)) is not None:
                return Page(without_credentials(url).rstrip("/").rpartition("/")[0], found)
        return None

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        found = zip(places, pool.map(first, places.values()), strict=True)
        return {name: page for name, page in found if page is not None}


def files(url: str) -> tuple[File, ...] | None:
    """Return the files that a page links to, or that a local directory holds; None when there is no such page.

    Raises
    ------
    EvenkeelError
        The server does not answer, refuses, or answers with something else.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _on_disk(Path(unquote(parts.path)))
    answer = _answer(url)
    if answer is None:
        return None
    kind, base, content = answer
    is_json = kind.endswith("json")
    if not is_json and len(content) > MOST_HTML:
        raise _too_large(without_credentials(url), MOST_HTML)
    text = content.decode("utf-8", errors="replace")
    try:
        return _of_json(json.loads(text), base) if is_json else _of_html(text, base)
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise EvenkeelError(
            f"{without_credentials(url)} is not a page of a package index: {type(error).__name__}: {error}",
            "Check the index's URL",
        ) from error


def _on_disk(path: Path) -> tuple[File, ...] | None:
    page = path / "index.html" if path.is_dir() else path
    if page.is_file():
        return _of_html(page.read_text(encoding="utf-8", errors="replace"), page.as_uri())
    if not path.is_dir():
        return None
    return tuple(File(file.name, file.as_uri()) for file in sorted(path.iterdir()))


def _answer(url: str) -> tuple[str, str, bytes] | None:
    """Return type, URL and content of what a server answers; None when it has no such page."""
    public, timeout = without_credentials(url), patience.for_answer(SECONDS)
    ask = partial(_ask, public, user_and_password(with_credentials(url)), timeout)
    attempt = 0
    while True:
        try:
            return within(2 * timeout, ask)
        except HTTPError as error:
            if error.code in (404, 410):
                return None
            if error.code < 500:
                raise EvenkeelError(
                    f"{public} answered {error.code} {error.reason}",
                    "Check the index's URL; credentials belong into the control node's ~/.netrc",
                ) from error
            reason = f"answered {error.code} {error.reason}"
        except (URLError, HTTPException, OSError, EOFError, zlib.error) as error:
            reason = f"did not deliver ({getattr(error, 'reason', None) or error or type(error).__name__})"
        attempt += 1
        if attempt > patience.retries(RETRIES):
            raise EvenkeelError(f"{public} {reason}", "Check that the control node reaches the index")
        time.sleep(2 ** (attempt - 1))


def _ask(url: str, user: tuple[str, str], timeout: float) -> tuple[str, str, bytes]:
    request = Request(url, headers={"Accept": _ACCEPTED, "Accept-Encoding": "gzip"})  # noqa: S310
    if any(user):
        token = base64.b64encode(":".join(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    # Ansible's way to open a URL can't be given the proxy of uv's files.
    with build_opener(ProxyHandler(uv_files.proxies(url)), _WithinTheWeb).open(request, timeout=timeout) as response:
        packed = response.headers.get("Content-Encoding") == "gzip"
        content = (gzip.GzipFile(fileobj=response) if packed else response).read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise _too_large(url, MOST_BYTES)
        return response.headers.get_content_type(), response.geturl(), content


def _too_large(url: str, most: int) -> EvenkeelError:
    return EvenkeelError(f"{url} is larger than {most >> 20} MiB", "Check the index's URL")


class _WithinTheWeb(HTTPRedirectHandler):
    """Follows redirections to web servers only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise EvenkeelError(
                f"{without_credentials(req.full_url)} redirects to {without_credentials(newurl)}, "
                "which is no web server",
                "Check the index's URL",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _of_json(answer: Any, base: str) -> tuple[File, ...]:
    return tuple(
        File(
            name=str(file["filename"]),
            url=urljoin(base, file["url"]),
            sha256=str(file.get("hashes", {}).get(_SHA256, "")),
            requires_python=str(file.get("requires-python") or ""),
            yanked=bool(file.get("yanked")),
        )
        for file in answer["files"]
    )


def _of_html(text: str, base: str) -> tuple[File, ...]:
    anchors = _Anchors(base)
    anchors.feed(text)
    return tuple(anchors.found)


class _Anchors(HTMLParser):
    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.found: list[File] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        href = given.get("href")
        if tag == "base" and href:
            self.base = urljoin(self.base, href)
        if tag != "a" or not href:
            return
        url, _hash, fragment = urljoin(self.base, href).partition("#")
        kind, _equals, digest = fragment.partition("=")
        self.found.append(
            File(
                name=unquote(urlsplit(url).path.rpartition("/")[2]),
                url=url,
                sha256=digest if kind == _SHA256 else "",
                requires_python=given.get("data-requires-python") or "",
                yanked="data-yanked" in given,
            )
        )
