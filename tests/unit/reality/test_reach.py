# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from reality.claims import OutOfTimeError
from reality.reach import FAILURES, RETRIES, Reach, RefusedError, TroubleError
from tests.unit.reality.site import Reply, Site, nobody


@pytest.fixture
def reach() -> Reach:
    return Reach(silence=10.0)


def test_what_a_site_has(site: Site, reach: Reach) -> None:
    url = site.answer("/file", Reply(b"x" * 5000, headers={"Last-Modified": "Sun, 01 Nov 2026 00:00:00 GMT"}))
    headers = reach.head(url)
    assert (headers.size, headers.content, headers.modified) == (5000, b"", datetime(2026, 11, 1, tzinfo=UTC))
    assert reach.get(url).content == b"x" * 5000
    assert reach.get(url, first=10).content == b"x" * 10
    assert reach.sum(url) == (5000, hashlib.sha256(b"x" * 5000).hexdigest())


def test_a_refusal_is_told_with_its_status_and_not_asked_again(site: Site, reach: Reach) -> None:
    with pytest.raises(RefusedError, match="/gone answered 410 Gone"):
        reach.get(site.answer("/gone", Reply(status=410)))
    assert site.paths() == ["/gone"]


def test_a_site_without_head_is_asked_for_a_byte(site: Site, reach: Reach) -> None:
    part = Reply(b"x", 206, {"Content-Range": "bytes 0-0/77"})
    assert reach.head(site.answer("/file", Reply(status=405), part)).size == 77


def test_what_may_pass_is_asked_again(site: Site, reach: Reach) -> None:
    url = site.answer("/busy", Reply(status=503), Reply(status=500), b"now")
    assert reach.get(url).content == b"now"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(b"half", announced=8), "ended after 4 of 8 bytes"),
        (Reply(status=502), "answered 502 Bad Gateway"),
        (Reply(b"x" * 4096), "sends more than 0 MiB"),
        (Reply(raw=b"\x00\x01 garbage\r\n\r\n"), "can't be reached"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "can't be reached"),
        (Reply(status=302, headers={"Location": "http://[no-url"}), "can't be reached"),
        (Reply(status=302, headers={"Location": "/file"}), "answered 302 .*infinite loop"),
    ],
)
def test_an_answer_that_can_not_be_used_is_trouble(site: Site, reach: Reach, reply: Reply, said: str) -> None:
    with pytest.raises(TroubleError, match=said):
        reach.get(site.answer("/file", reply), most=1024)


HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPPING = {
    "body": Reply(raw=HEAD + b"Content-Length: 99999999\r\n\r\n", drip=b"x"),
    "without an end": Reply(raw=HEAD + b"\r\n", drip=b"x"),
    "chunk's header": Reply(raw=HEAD + b"Transfer-Encoding: chunked\r\n\r\n", drip=b"0"),
}


@pytest.mark.parametrize("reply", DRIPPING.values(), ids=DRIPPING)
def test_an_answer_byte_by_byte_ends_in_time(site: Site, reach: Reach, reply: Reply) -> None:
    url = site.answer("/dripping", reply)
    with pytest.raises(TroubleError, match="takes longer than 0 s"):
        reach.get(url, seconds=0.2)
    with pytest.raises(TroubleError, match="takes longer than 0 s"):
        reach.sum(url, seconds=0.2)


@pytest.mark.parametrize("reply", [*DRIPPING.values(), Reply(raw=HEAD, drip=b"x"), Reply(silent=True)])
def test_no_answer_outlasts_the_run(site: Site, reach: Reach, reply: Reply) -> None:
    reach.end = time.monotonic() + 0.2
    with pytest.raises(OutOfTimeError):
        reach.get(site.answer("/dripping", reply))
    with pytest.raises(OutOfTimeError):
        reach.get(site.answer("/file", b"x"))
    assert site.paths() == ["/dripping"]


@pytest.mark.parametrize("reply", [Reply(b"half", announced=8), Reply(b"x" * 4096), DRIPPING["chunk's header"]])
def test_a_site_that_sends_what_can_not_be_used_is_asked_no_more(site: Site, reach: Reach, reply: Reply) -> None:
    url = site.answer("/file", reply)
    for _number in range(4):
        with pytest.raises(TroubleError):
            reach.get(url, most=1024, seconds=0.2)
    assert len(site.asked) == FAILURES


ABSURD = [
    "Sun, 01 Nov 99999999999999999999 00:00:00 GMT",
    "Sun, 01 Nov 2026 00:00:00 +9999999999999",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "9" * 5000,
]


@pytest.mark.parametrize("text", ABSURD)
def test_headers_without_sense_are_none(site: Site, reach: Reach, text: str) -> None:
    answer = reach.head(site.answer("/file", Reply(b"x", headers={"Last-Modified": text, "Content-Range": f"/{text}"})))
    assert (answer.modified, answer.size) == (None, None)
    limited = site.answer("/limited", Reply(status=429, headers={"Retry-After": text}))
    with pytest.raises(TroubleError, match=r"answered 429|asks to wait"):
        Reach(most_wait=0.0).get(limited)


def test_a_silent_site_is_waited_for_within_limits(site: Site) -> None:
    with pytest.raises(TroubleError, match=r"can't be reached: no answer in time"):
        Reach(silence=0.05).get(site.answer("/silent", Reply(silent=True)))


def test_a_site_that_is_down_is_asked_no_more_and_others_are(site: Site, reach: Reach) -> None:
    url = site.answer("/broken", Reply(status=500))
    for _number in range(4):
        with pytest.raises(TroubleError):
            reach.get(url)
    assert len(site.asked) == 2 * (RETRIES + 1)
    for _number in range(3):
        with pytest.raises(TroubleError, match="Connection refused"):
            reach.head(f"{nobody()}/file")


def test_one_failure_between_answers_does_not_end_a_site(site: Site, reach: Reach) -> None:
    broken, good = site.answer("/broken", Reply(status=500)), site.answer("/good", b"yes")
    for _number in range(3):
        with pytest.raises(TroubleError):
            reach.get(broken)
        assert reach.get(good).content == b"yes"


@pytest.mark.parametrize("seconds", [True, False])
def test_a_pause_that_a_site_asks_for_is_kept(site: Site, reach: Reach, seconds: bool) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    url = site.answer("/limited", Reply(status=429, headers={"Retry-After": "1" if seconds else until}), b"now")
    assert reach.get(url).content == b"now"
    (_get, _path, first), (_get, _path, second) = site.asked
    assert second - first > 0.9


@pytest.mark.parametrize("status", [429, 503])
def test_a_site_that_asks_for_too_long_a_pause_is_left_alone(site: Site, reach: Reach, status: int) -> None:
    url = site.answer("/limited", Reply(status=status, headers={"Retry-After": "3600"}))
    for _number in range(3):
        with pytest.raises(TroubleError, match="asks to wait 3600 s; run it again later"):
            reach.get(url)
    assert len(site.asked) == 1


def test_a_site_that_goes_on_to_limit_is_left_alone(site: Site, reach: Reach) -> None:
    url = site.answer("/limited", Reply(status=429, headers={"Retry-After": "0"}))
    for _number in range(3):
        with pytest.raises(TroubleError, match="answered 429 Too Many Requests"):
            reach.get(url)
    assert len(site.asked) == RETRIES + 1


def test_the_proxy_of_the_environment_is_used(site: Site, reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.url)
    site.answer("http://real.example/file", b"by proxy")
    assert reach.get("http://real.example/file").content == b"by proxy"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert reach.get(site.answer("/file", b"directly")).content == b"directly"


def test_a_proxy_that_is_not_there_is_named_without_its_login(reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    place = nobody()
    monkeypatch.setenv("https_proxy", place.replace("//", "//ops:s3cret@"))
    with pytest.raises(TroubleError, match=rf"the proxy \S+{place[7:]} \(https_proxy\) can't be reached") as caught:
        reach.get("https://real.example/file")
    assert "s3cret" not in str(caught.value)


def test_a_proxy_that_asks_for_a_login_is_named(site: Site, reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.url)
    site.answer("http://real.example/file", Reply(status=407))
    with pytest.raises(TroubleError, match=rf"the proxy {site.url} \(http_proxy\) asks for a login"):
        reach.get("http://real.example/file")


def test_an_interrupted_run_asks_nothing_more(site: Site, reach: Reach) -> None:
    reach.stop.set()
    with pytest.raises(OutOfTimeError):
        reach.get(site.answer("/file", b"x"))
    assert site.asked == []
