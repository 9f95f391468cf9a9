# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from lab.upstream import mirror_server
from lab.upstream.mirror_server import Request

BODY = bytes(range(256)) * 1000

Get = Callable[..., tuple[http.client.HTTPResponse, bytes]]


@pytest.fixture
def get(tmp_path: Path) -> Iterator[Get]:
    root = tmp_path / "www"
    (root / "simple" / "six").mkdir(parents=True)
    (root / "a.conda").write_bytes(BODY)
    (root / "simple" / "six" / "index.html").write_text("<a>six</a>")
    (tmp_path / "secret").write_text("outside")
    server = mirror_server.Mirror(root, "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()

    def request(
        path: str, headers: dict[str, str] | None = None, *, method: str = "GET", length: int | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=1)
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response, response.read(length)

    yield request
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b", Request("/a/b")),
        ("/_fault/slow/a/b", Request("/a/b", "slow")),
        ("/_fault/flaky/2/t1/a/b", Request("/a/b", "flaky", 2, "t1")),
        ("/_fault/corrupt~a-*.conda/x/a-1.conda", Request("/x/a-1.conda", "corrupt")),
        ("/_fault/corrupt~a-%2A.conda/x/%61-1.conda", Request("/x/%61-1.conda", "corrupt")),
        ("/_fault/corrupt~a-%3F.conda/x/a-12.conda", Request("/x/a-12.conda")),
        ("/_fault/404~a-*/a-1/b", Request("/a-1/b")),
        ("/_fault/404~six/simple/six/", Request("/simple/six/", "404")),
        ("/_fault/flaky~a*/2/t1/x/a", Request("/x/a", "flaky", 2, "t1")),
        ("/_fault/flaky~a*/2/t1/x/b", Request("/x/b")),
        ("/_fault/sync~Packages*/1/t1/x/Packages.gz", Request("/x/Packages.gz", "sync", 1, "t1")),
        ("/_fault/sync/1", None),
        ("/_fault/flaky/many/t1/a", None),
        ("/_fault/flaky/2", None),
        ("/_fault/unknown/a", None),
        ("/_fault/unknown~b/a", None),
    ],
)
def test_a_path_names_a_file_and_perhaps_a_fault(path: str, expected: Request | None) -> None:
    assert mirror_server.parse_path(path) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-9", range(10)),
        ("bytes=90-", range(90, 100)),
        ("bytes=-5", range(95, 100)),
        ("bytes=-500", range(100)),
        ("bytes=90-500", range(90, 100)),
        ("bytes=100-", range(100, 100)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
    ],
)
def test_ranges(header: str | None, expected: range | None) -> None:
    assert mirror_server.parse_range(header, 100) == expected


@pytest.mark.parametrize(
    ("if_none_match", "if_modified_since", "expected"),
    [
        (None, None, False),
        ('"tag"', None, True),
        ('W/"tag", "other"', None, True),
        ("*", None, True),
        ('"other"', "Fri, 01 Jan 2100 00:00:00 GMT", False),
        (None, "Thu, 01 Jan 1970 00:16:40 GMT", True),
        (None, "Thu, 01 Jan 1970 00:16:39 GMT", False),
        (None, "yesterday", False),
    ],
)
def test_not_modified(if_none_match: str | None, if_modified_since: str | None, expected: bool) -> None:
    assert mirror_server.not_modified('"tag"', 1000.7, if_none_match, if_modified_since) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("repodata.json", "application/json"),
        ("repodata.json.zst", "application/zstd"),
        ("index.html", "text/html; charset=utf-8"),
        ("SHA256SUMS", "text/plain; charset=utf-8"),
        ("no-suffix", "application/octet-stream"),
    ],
)
def test_content_types(name: str, expected: str) -> None:
    assert mirror_server.content_type(name) == expected


def test_a_whole_file(get: Get) -> None:
    response, body = get("/a.conda")
    assert (response.status, body) == (200, BODY)


def test_head_sends_no_body(get: Get) -> None:
    response, body = get("/a.conda", method="HEAD")
    assert (response.status, response.headers["Content-Length"], body) == (200, str(len(BODY)), b"")


def test_a_part_of_a_file(get: Get) -> None:
    response, body = get("/a.conda", {"Range": "bytes=10-19"})
    assert (response.status, body) == (206, BODY[10:20])
    assert response.headers["Content-Range"] == f"bytes 10-19/{len(BODY)}"


def test_a_part_beyond_the_end(get: Get) -> None:
    response, _ = get("/a.conda", {"Range": f"bytes={len(BODY)}-"})
    assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{len(BODY)}")


def test_a_part_of_a_file_that_has_changed_is_the_whole_file(get: Get) -> None:
    response, body = get("/a.conda", {"Range": "bytes=10-19", "If-Range": '"old"'})
    assert (response.status, body) == (200, BODY)


def test_an_unchanged_file_is_not_sent_again(get: Get) -> None:
    first, _ = get("/a.conda")
    response, body = get("/a.conda", {"If-None-Match": first.headers["ETag"]})
    assert (response.status, body) == (304, b"")
    response, _ = get("/a.conda", {"If-Modified-Since": first.headers["Last-Modified"]})
    assert response.status == 304


def test_a_folder_is_its_index(get: Get) -> None:
    response, _ = get("/simple/six")
    assert (response.status, response.headers["Location"]) == (301, "/simple/six/")
    response, body = get("/simple/six/")
    assert (response.headers["Content-Type"], body) == ("text/html; charset=utf-8", b"<a>six</a>")


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/simple/../../secret", "/none", "/simple/", "/%00"])
def test_what_is_not_below_the_root_is_not_found(get: Get, path: str) -> None:
    response, _ = get(path)
    assert response.status == 404


def test_fault_404(get: Get) -> None:
    assert get("/_fault/404/a.conda")[0].status == 404


def test_fault_html(get: Get) -> None:
    response, body = get("/_fault/html/a.conda")
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body.startswith(b"<!DOCTYPE html>")


def test_fault_hang(get: Get) -> None:
    with pytest.raises(TimeoutError):
        get("/_fault/hang/a.conda")


def test_fault_stall(get: Get) -> None:
    half = len(BODY) // 2
    response, body = get("/_fault/stall/a.conda", {"Connection": "close"}, length=half)
    assert (response.headers["Content-Length"], body) == (str(len(BODY)), BODY[:half])
    with pytest.raises(TimeoutError):
        response.read(1)


def test_fault_truncate(get: Get) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        get("/_fault/truncate/a.conda")
    assert caught.value.partial == BODY[: len(BODY) // 2]


@pytest.mark.parametrize("start", [0, len(BODY) // 2 - 1, len(BODY) // 2])
def test_fault_corrupt(get: Get, start: int) -> None:
    _, body = get("/_fault/corrupt/a.conda", {"Range": f"bytes={start}-"})
    different = [start + at for at, (sent, true) in enumerate(zip(body, BODY[start:], strict=True)) if sent != true]
    assert different == [len(BODY) // 2]


def test_fault_slow(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(mirror_server.time, "sleep", naps.append)
    _, body = get("/_fault/slow/a.conda")
    assert body == BODY
    assert sum(naps) == pytest.approx(len(BODY) / (256 * 1024))


def test_fault_drip(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(mirror_server.time, "sleep", naps.append)
    _, body = get("/_fault/drip/simple/six/")
    assert (body, naps) == (b"<a>six</a>", [0.1] * len(body))


def test_fault_headers(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_server.time, "sleep", lambda _seconds: None)
    with pytest.raises(http.client.HTTPException, match="got more than 100 headers"):
        get("/_fault/headers/a.conda")


def test_fault_unannounced(get: Get) -> None:
    response, body = get("/_fault/unannounced/a.conda")
    assert (response.headers["Content-Length"], body) == (None, BODY)


def test_fault_endless(get: Get) -> None:
    response, body = get("/_fault/endless/a.conda", length=len(BODY) + 1_000_000)
    assert (response.headers["Content-Length"], body) == (None, BODY + bytes(1_000_000))
    response.close()


def test_fault_stale(get: Get) -> None:
    fresh, stale = (get(f"{fault}/a.conda")[0] for fault in ("", "/_fault/stale"))
    ages = [parsedate_to_datetime(str(response.headers["Last-Modified"])) for response in (fresh, stale)]
    assert (ages[0] - ages[1]).days == 730
    assert stale.headers["ETag"] != fresh.headers["ETag"]
    assert get("/_fault/stale/a.conda", {"If-Modified-Since": stale.headers["Last-Modified"]})[0].status == 304


def test_fault_terms(get: Get) -> None:
    assert get("/main/terms.json")[0].status == 404
    response, body = get("/_fault/terms/main/terms.json")
    assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
    assert set(json.loads(body)) == {"version", "text", "support"}
    assert get("/_fault/terms/a.conda")[1] == BODY


def test_what_was_recorded_of_real_channels_is_answered(get: Get, tmp_path: Path) -> None:
    seen = {"headers": {"/a.conda": {"content-type": "binary/octet-stream"}}, "terms": {"version": "2026"}}
    (tmp_path / "www" / mirror_server.ANSWERS).write_text(json.dumps(seen))
    assert get("/a.conda")[0].headers.get_all("Content-Type") == ["binary/octet-stream"]
    assert get("/simple/six/")[0].headers["Content-Type"] == "text/html; charset=utf-8"
    assert json.loads(get("/_fault/terms/main/terms.json")[1]) == {"version": "2026"}


def test_fault_flaky(get: Get) -> None:
    statuses = [get("/_fault/flaky/2/one/a.conda")[0].status for _ in range(4)]
    assert statuses == [503, 503, 200, 200]
    assert get("/_fault/flaky/1/two/a.conda")[0].status == 503


def test_fault_limit(get: Get) -> None:
    answers = [get("/_fault/limit/2/one/a.conda")[0] for _ in range(3)]
    assert [(one.status, one.headers["Retry-After"]) for one in answers] == [(429, "1"), (429, "1"), (200, None)]


def test_fault_sync(get: Get) -> None:
    whole = [get("/_fault/sync/2/one/a.conda")[1] == BODY for _ in range(4)]
    assert whole == [False, False, True, True]


def test_a_fault_kept_to_one_file_spares_the_others(get: Get) -> None:
    assert get("/_fault/404~a*.conda/a.conda")[0].status == 404
    assert get("/_fault/404~a*.conda/simple/six/")[1] == b"<a>six</a>"


def test_requests_that_a_flaky_mirror_spares_are_not_counted(get: Get) -> None:
    statuses = [get(f"/_fault/flaky~a*/1/one/{path}")[0].status for path in ("simple/six/", "a.conda", "a.conda")]
    assert statuses == [200, 503, 200]


def test_an_unknown_fault_is_refused(get: Get) -> None:
    assert get("/_fault/none/a.conda")[0].status == 400
