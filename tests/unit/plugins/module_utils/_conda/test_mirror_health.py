# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import mirror_health
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.mirror_health import Answer, Health, Network
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from lab.upstream.mirror_server import Mirror

NOW = datetime(2026, 11, 25, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)
LONG_AGO = NOW - timedelta(days=100)
A, B = "https://a.example/repodata.json", "https://b.example/repodata.json"


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "repodata.json").write_text('\n{"packages": {}}' + " " * 100_000)
    server = Mirror(tmp_path, "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", ""),
        ("/_fault/stale", ""),
        ("/_fault/404", "answered 404 Not Found"),
        ("/_fault/flaky/9/t", "answered 503 Service Unavailable"),
        ("/_fault/html", "answered with something else than an index, which begins with '<!DOCTYPE html><html'"),
        ("/_fault/hang", "sent nothing for 0.3 s"),
        ("/_fault/headers", "took longer than 0.6 s for its first answer"),
        ("/_fault/endless", ""),
        ("/_fault/unannounced", ""),
        ("/nowhere", "answered 404 Not Found"),
    ],
)
def test_a_mirror_that_misbehaves_is_told_by_its_answer(mirror: str, path: str, problem: str) -> None:
    answer = Network(timeout=0.3).ask(f"{mirror}{path}/repodata.json")
    assert answer.problem == problem
    assert bool(answer.modified) == (not problem)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.1:1/repodata.json", "could not be reached: [Errno 111] Connection refused"),
        ("http://no-such-host.invalid/repodata.json", "could not be reached: "),
        ("http://mirror.example:port/repodata.json", "could not be reached: nonnumeric port"),
        ("file:///nowhere/repodata.json", "could not be reached: "),
    ],
)
def test_a_mirror_that_is_not_there_is_told_by_the_reason(url: str, problem: str) -> None:
    assert Network(timeout=2).ask(url).problem.startswith(problem)


def test_a_mirror_may_be_a_directory(tmp_path: Path) -> None:
    (tmp_path / "repodata.json").write_text("{}")
    answer = Network(timeout=1).ask((tmp_path / "repodata.json").as_uri())
    assert (answer.problem, answer.modified is None) == ("", False)


def test_credentials_of_a_url_are_sent_as_a_header() -> None:
    request = mirror_health.request_for("https://me:p%40ss@mirror.example:8443/a")
    assert (request.full_url, request.headers) == (
        "https://mirror.example:8443/a",
        {"Authorization": "Basic bWU6cEBzcw=="},
    )
    assert not mirror_health.request_for("https://mirror.example/a@b").headers


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"^The certificates in .*/none\.pem cannot be used: "):
        Network(timeout=1, ca_path=str(tmp_path / "none.pem"))


@pytest.mark.parametrize(
    ("modified", "expected"),
    [
        ("Wed, 25 Nov 2026 00:00:00 GMT", NOW),
        ("Wed, 25 Nov 2026 00:00:00 -0000", NOW),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_when_an_index_was_made(modified: str | None, expected: datetime | None) -> None:
    assert mirror_health.judge(b'{"info"', modified) == Answer(modified=expected)


@pytest.mark.parametrize("start", [b"", b"  ", b"\x28\xb5\x2f\xfd", b"[]"])
def test_something_else_than_an_index(start: bytes) -> None:
    assert mirror_health.judge(start, None).problem.startswith("answered with something else than an index")


@pytest.mark.parametrize(
    ("answers", "max_age_days", "problems", "newest"),
    [
        ({A: Answer(modified=YESTERDAY), B: Answer(modified=LONG_AGO)}, 30, (), YESTERDAY),
        ({A: Answer(), B: Answer()}, 30, (), None),
        (
            {A: Answer(modified=LONG_AGO), B: Answer()},
            30,
            ("its newest index is of 2026-08-17, 100 days ago",),
            LONG_AGO,
        ),
        ({A: Answer(modified=LONG_AGO), B: Answer()}, 100, (), LONG_AGO),
        ({A: Answer(modified=LONG_AGO), B: Answer()}, 0, (), LONG_AGO),
        ({A: Answer("answered 404"), B: Answer(modified=YESTERDAY)}, 30, (f"{A} answered 404",), YESTERDAY),
        ({A: Answer("answered 404"), B: Answer("answered 404")}, 30, (f"{A} and 1 more answered 404",), None),
        ({A: Answer("is silent"), B: Answer("answered 404")}, 30, (f"{A} is silent", f"{B} answered 404"), None),
    ],
)
def test_a_mirrors_health(
    answers: dict[str, Answer], max_age_days: int, problems: tuple[str, ...], newest: datetime | None
) -> None:
    candidate = {"name": "m", "repodata": [A, B]}
    assert mirror_health.health(candidate, answers, NOW, max_age_days) == Health("m", problems, newest)


def test_a_mirror_that_lacks_a_channel_is_not_asked() -> None:
    candidate: dict[str, Any] = {"name": "m", "problem": "The mirror m does not carry the channel c"}
    assert mirror_health.health(candidate, {}, NOW, 0) == Health("m", (candidate["problem"],))


def test_the_first_healthy_mirror_is_chosen() -> None:
    assert mirror_health.first_healthy([Health("a", ("broken",)), Health("b"), Health("c")]) == 1


def test_where_none_is_healthy_each_is_told_with_its_reasons() -> None:
    with pytest.raises(EvenkeelError, match=r"healthy: a: x is silent, y is silent; b: old\. Check") as error:
        mirror_health.first_healthy([Health("a", ("x is silent", "y is silent")), Health("b", ("old",), LONG_AGO)])
    assert error.value.details["report"] == [
        {"name": "a", "healthy": False, "problems": ["x is silent", "y is silent"], "newest": ""},
        {"name": "b", "healthy": False, "problems": ["old"], "newest": "2026-08-17T00:00:00+00:00"},
    ]


def test_each_index_is_asked_for_once(mirror: str) -> None:
    asked = []

    class Counted(Network):
        def ask(self, url: str) -> Answer:
            asked.append(url)
            return super().ask(url)

    answers = mirror_health.ask_all([f"{mirror}/repodata.json", f"{mirror}/no", f"{mirror}/repodata.json"], Counted(1))
    assert sorted(asked) == sorted(answers)
    assert [bool(answer.problem) for answer in answers.values()] == [False, True]
    assert answers[f"{mirror}/no"].problem.endswith(HTTPStatus.NOT_FOUND.phrase)


def test_a_mirror_is_asked_for_few_things_at_once() -> None:
    asked, most, crowded, lock = 0, 0, threading.Event(), threading.Lock()

    class Crowd:
        def ask(self, url: str) -> Answer:
            nonlocal asked, most
            with lock:
                asked += 1
                most = max(most, asked)
                if asked > mirror_health.CONNECTIONS:
                    crowded.set()
            crowded.wait(0.05)
            with lock:
                asked -= 1
            return Answer()

    urls = [f"https://a.example/{number}/repodata.json" for number in range(12)]
    assert len(mirror_health.ask_all(urls, Crowd())) == len(urls)  # type: ignore[arg-type]
    assert most == mirror_health.CONNECTIONS


def test_a_server_that_answers_with_an_error_is_not_silent(mirror: str) -> None:
    found = [Network(5).ask(url) for url in (f"{mirror}/no", "http://127.0.0.1:9/repodata.json")]
    assert [answer.silent for answer in found] == [False, True]
