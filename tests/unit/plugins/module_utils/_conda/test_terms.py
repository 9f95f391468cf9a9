# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import terms
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

CHANNEL = "https://repo.anaconda.com/pkgs/main"
OLD = datetime(2024, 3, 1, tzinfo=UTC)
VERSION = datetime(2025, 7, 15, tzinfo=UTC)
NOW = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)
CONTENT = {"version": "2025-07-15T00:00:00Z", "text": "Agree?", "support": "https://example.com", "more": 1}
ASKED = terms.Terms(CHANNEL, VERSION, CONTENT)


# moment


@pytest.mark.parametrize(
    ("version", "moment"),
    [
        ("2025-07-15T00:00:00Z", VERSION),
        ("2025-07-15T02:00:00+02:00", VERSION),
        ("2025-07-15T00:00:00", VERSION),
        ("2025-07-15", VERSION),
        (1752537600, VERSION),
        (1752537600.0, VERSION),
    ],
)
def test_moment(version: object, moment: datetime) -> None:
    assert terms.moment(version) == moment
    assert terms.moment(version).tzinfo == UTC


@pytest.mark.parametrize(
    "version",
    ["", "soon", "Z", True, None, [], {}, float("nan"), float("inf"), 1e300, 10**400, "0001-01-01T00:00:00+23:00"],
)
def test_what_tells_no_moment(version: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  Python's own texts, and ours
        terms.moment(version)


# identity


@pytest.mark.parametrize(
    ("channel", "same"),
    [
        (f"{CHANNEL}/", True),
        ("http://repo.anaconda.com/pkgs/main", True),
        ("https://anna:secret@repo.anaconda.com/pkgs/main", True),
        ("https://repo.anaconda.com/t/tk-123-abc/pkgs/main", True),
        ("https://repo.anaconda.com:8443/pkgs/main", False),
        ("https://repo.anaconda.com/pkgs/r", False),
        ("https://mirror.example/pkgs/main", False),
    ],
)
def test_the_place_of_a_channel_tells_it(channel: str, same: bool) -> None:
    assert (terms.identity(channel) == terms.identity(CHANNEL)) is same


@pytest.mark.parametrize(
    ("channel", "identity"),
    [
        (CHANNEL, "3c9d068aa053e2a1c4313fe3391b7a8ee57c4fbd09c4e8aeae49ef333a740150"),
        (
            "https://mirrors.tuna.tsinghua.edu.cn/anaconda/pkgs/main",
            "7220780667e4fba93d0dfb6098dcb6a5648d833138e8b2048e06ddb1e470fbf0",
        ),
    ],
)
def test_the_identity_is_the_one_of_the_plugin(channel: str, identity: str) -> None:
    """From conda-anaconda-tos at 03beb3d6, ``path.hash_channel``, with conda 26.7."""
    assert terms.identity(channel) == identity


# fetch


class Site(ThreadingHTTPServer):
    """Serves what it was given by path, with status 200; anything else has the status of an error."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: dict[str, bytes] = {}
        self.status = 404
        self.requests: list[str] = []

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        body = self.server.bodies.get(self.path)
        self.send_response(self.server.status if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Site() as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_channel_is_asked_once(site: Site) -> None:
    site.bodies["/main/terms.json"] = json.dumps(CONTENT).encode()
    channel = f"http://{site.place}/main"
    found = terms.fetch([channel, f"{channel}/"], 5, None)[channel]
    assert found is not None
    assert found == terms.Terms(channel, VERSION, CONTENT)
    assert found.url == f"{channel}/terms.json"
    assert site.requests == ["/main/terms.json"]


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"<!DOCTYPE html><title>Log in</title>",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"terms"',
        b"{}",
        b'{"version": "2025-07-15T00:00:00Z"}',
        b'{"version": "2025-07-15T00:00:00Z", "text": 1, "support": ""}',
        b'{"version": "soon", "text": "", "support": ""}',
        b'{"version": 1e300, "text": "", "support": ""}',
        b'{"text": "", "support": ""}',
        b'{"version": "2025-07-15T00:00:00Z", "text": "' + b"x" * (1 << 20) + b'", "support": ""}',
    ],
    ids=lambda body: "404" if body is None else body[:60].decode(errors="replace") or "empty",
)
def test_what_is_no_terms_is_none_and_the_next_channel_is_asked(site: Site, body: bytes | None) -> None:
    if body is not None:
        site.bodies["/r/terms.json"] = body
    site.bodies["/main/terms.json"] = json.dumps(CONTENT).encode()
    found = terms.fetch([f"http://{site.place}/r", f"http://{site.place}/main"], 5, None)
    assert found == {
        f"http://{site.place}/r": None,
        f"http://{site.place}/main": terms.Terms(f"http://{site.place}/main", VERSION, CONTENT),
    }
    assert site.requests == ["/r/terms.json", "/main/terms.json"]


@pytest.mark.parametrize("channel", ["defaults", "", "ftp//x", "http://[::1"])
def test_what_is_no_url_has_no_terms(channel: str) -> None:
    assert terms.fetch([channel], 5, None) == {channel: None}


def test_a_dead_site_has_no_answer(site: Site) -> None:
    channel = f"http://{site.place}/main"
    site.server_close()
    assert terms.fetch([channel], 5, None) == {}


@pytest.mark.parametrize(
    ("status", "known"), [(404, True), (410, True), (403, True), (401, False), (407, False), (500, False), (503, False)]
)
def test_a_refusal_that_may_pass_is_no_answer(site: Site, status: int, known: bool) -> None:
    site.status = status
    channel = f"http://{site.place}/main"
    assert terms.fetch([channel], 5, None) == ({channel: None} if known else {})


def test_credentials_are_not_told(site: Site) -> None:
    site.bodies["/t/tk-1/main/terms.json"] = json.dumps(CONTENT).encode()
    channel = f"http://{site.place}/main"
    found = terms.fetch([f"http://anna:secret@{site.place}/t/tk-1/main"], 5, None)
    assert found == {channel: terms.Terms(channel, VERSION, CONTENT)}


# accepted


def answer(root: Path, version: object, *, accepted: object = True, name: str = "1.0", channel: str = CHANNEL) -> None:
    path = root / terms.identity(channel) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": version, "tos_accepted": accepted}))


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "s[i]te", tmp_path / "var"


def test_nobody_has_answered(roots: tuple[Path, Path]) -> None:
    answer(roots[0], VERSION.isoformat(), channel="https://repo.anaconda.com/pkgs/r")
    assert terms.accepted(CHANNEL, map(str, roots)) is None


@pytest.mark.parametrize("root", [0, 1])
def test_accepted_below_any_root(roots: tuple[Path, Path], root: int) -> None:
    answer(roots[root], VERSION.isoformat())
    assert terms.accepted(f"{CHANNEL}/", map(str, roots)) == VERSION


@pytest.mark.parametrize(
    ("first", "second", "newest"),
    [
        ((OLD, True), (VERSION, True), VERSION),
        ((VERSION, True), (OLD, True), VERSION),
        ((OLD, True), (VERSION, False), None),
        ((OLD, False), (VERSION, True), VERSION),
        ((VERSION, True), (VERSION, False), VERSION),
        ((VERSION, False), (VERSION, True), None),
    ],
)
def test_the_newest_answer_counts_and_then_the_first(
    roots: tuple[Path, Path], first: tuple[datetime, bool], second: tuple[datetime, bool], newest: datetime | None
) -> None:
    for root, (version, accepted) in zip(roots, (first, second), strict=True):
        answer(root, version.isoformat(), accepted=accepted)
    assert terms.accepted(CHANNEL, map(str, roots)) == newest


@pytest.mark.parametrize("accepted", ["true", 1, None])
def test_only_a_plain_yes_is_one(roots: tuple[Path, Path], accepted: object) -> None:
    answer(roots[0], VERSION.isoformat(), accepted=accepted)
    assert terms.accepted(CHANNEL, map(str, roots)) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", "\0", '{"version": "soon", "tos_accepted": true}'])
def test_a_broken_record_counts_for_nothing(roots: tuple[Path, Path], content: str) -> None:
    answer(roots[0], OLD.isoformat())
    (roots[0] / terms.identity(CHANNEL) / "2.0.json").write_text(content)
    assert terms.accepted(CHANNEL, map(str, roots)) == OLD


# unsettled


@pytest.mark.parametrize(
    ("without", "answered", "asked"),
    [
        ((), None, [CHANNEL]),
        (("https://repo.anaconda.com/pkgs/r",), None, [CHANNEL]),
        ((CHANNEL,), None, []),
        ((), True, []),
        ((), False, [CHANNEL]),
    ],
    ids=["nothing known", "another has none", "has none", "accepted", "declined"],
)
def test_only_what_is_not_settled_is_asked(
    roots: tuple[Path, Path], without: tuple[str, ...], answered: bool | None, asked: list[str]
) -> None:
    if answered is not None:
        answer(roots[0], OLD.isoformat(), accepted=answered)
    assert terms.unsettled([CHANNEL], without, [str(root) for root in roots]) == asked


# plan


@pytest.mark.parametrize(
    ("answered", "accept"),
    [(None, (ASKED,)), (OLD, (ASKED,)), (VERSION, ()), (NOW, ())],
    ids=["never", "older terms", "these terms", "newer terms"],
)
def test_plan(answered: datetime | None, accept: tuple[terms.Terms, ...]) -> None:
    plan = terms.plan({CHANNEL: ASKED}, {CHANNEL: answered}, accept=True)
    assert plan == terms.Plan(accept)
    assert plan.changed is bool(accept)
    assert plan.lines == tuple(f"+ terms of service of {CHANNEL}, 2025-07-15, accepted" for _ in accept)


def test_nothing_is_asked_of_anyone_by_default() -> None:
    assert not terms.plan({}, {}, accept=False).changed


def test_a_channel_without_terms_is_noted() -> None:
    plan = terms.plan({CHANNEL: None}, {}, accept=False)
    assert plan == terms.Plan(without=(CHANNEL,))
    assert plan.changed
    assert plan.lines == (f"~ {CHANNEL} has no terms of service",)


def test_nothing_is_accepted_in_the_operators_place() -> None:
    other = terms.Terms("https://repo.anaconda.com/pkgs/r", OLD, CONTENT)
    with pytest.raises(EvenkeelError) as raised:
        terms.plan({CHANNEL: ASKED, other.channel: other}, {CHANNEL: None, other.channel: None}, accept=False)
    assert f"{CHANNEL} (version of 2025-07-15: {CHANNEL}/terms.json) and {other.channel} (version of" in str(
        raised.value
    )
    assert "accept_tos: true" in raised.value.remedy
    assert not terms.plan({CHANNEL: ASKED}, {CHANNEL: VERSION}, accept=False).changed


# apply


def test_what_was_accepted_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms, "SITE", str(tmp_path / "conda" / "tos"))
    terms.apply(terms.Plan((ASKED,)), NOW)
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    # The plugin names it by Python's text of the seconds, ``path.get_metadata_path``.
    assert path == Path(terms.SITE, terms.identity(CHANNEL), "1752537600.0.json")
    assert path.stat().st_mode & 0o777 == 0o644
    assert json.loads(path.read_text()) == {
        "version": "2025-07-15T00:00:00+00:00",
        "text": "Agree?",
        "support": "https://example.com",
        "more": 1,
        "base_url": CHANNEL,
        "tos_accepted": True,
        "acceptance_timestamp": "2026-11-25T04:30:00+00:00",
    }
    answers = {CHANNEL: terms.accepted(CHANNEL, [terms.SITE])}
    assert not terms.plan({CHANNEL: ASKED}, answers, accept=False).changed


def test_nothing_to_accept_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms, "SITE", str(tmp_path / "tos"))
    terms.apply(terms.Plan(), NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms, "SITE", str(tmp_path / "tos"))
    (tmp_path / "tos").touch()
    with pytest.raises(EvenkeelError, match=f"^{tmp_path}/tos/{terms.identity(CHANNEL)}/1752537600.0.json: "):
        terms.apply(terms.Plan((ASKED,)), NOW)


@pytest.mark.parametrize(
    ("piece", "seconds", "found"),
    [(b" ", 6.0, {}), (b" " * (1 << 20), 0.0, {CHANNEL: None}), (b"[" * 100_000, 0.0, {CHANNEL: None})],
    ids=["drip", "flood", "deep"],
)
def test_a_channel_that_never_comes_to_an_end_has_no_terms(
    monkeypatch: pytest.MonkeyPatch, piece: bytes, seconds: float, found: dict[str, None]
) -> None:
    class Response(contextlib.nullcontext[None]):
        def __enter__(self) -> Response:  # type: ignore[override]
            return self

        def read1(self, _: int) -> bytes:
            nonlocal now, rest
            now, rest = now + seconds, rest - 1
            return piece if rest or not piece.startswith(b"[") else b""

    now, rest = 0.0, 2
    monkeypatch.setattr(terms.time, "monotonic", lambda: now)
    monkeypatch.setattr(terms, "open_url", lambda *_, **__: Response())
    assert terms.fetch([CHANNEL], 5, None) == found
