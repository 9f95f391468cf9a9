# SPDX-License-Identifier: GPL-3.0-or-later
"""The program beside a mirror's cache: it counts each line once, and throws out what is damaged and nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import keeper, keeper_files

HIT = 'client 10.0.0.2 - [2026-11-29T16:38:05+00:00] "GET /a/x.conda" 200 100 HIT 0.000 "curl"\n'
MISS = 'client 10.0.0.2 ana [2026-11-29T16:38:05+00:00] "GET /a/x y.conda" 200 50 MISS 0.000 "odd \\x22 agent"\n'
ASKED = 'upstream e.org - [2026-11-29T16:38:06+00:00] "GET /a/x.conda" 206 70 - 0.000 "-"\n'
REFUSED = 'client 10.0.0.2 - [2026-11-29T16:38:05+00:00] "POST /" 405 9 - 0.000 "curl"\n'


def settings(place: Path, least: int = 0) -> keeper.Settings:
    (place / "cache").mkdir()
    file = place / "keeper.json"
    given = json.loads(
        keeper_files.files(str(place / "cache"), least, str(place), sys.executable)[keeper_files.SETTINGS][0]
    )
    own = {"log": "log", "state": "state.json", "full": "full"}
    file.write_text(json.dumps({**given, **{name: str(place / path) for name, path in own.items()}}))
    return keeper.Settings(str(file))


def counted(place: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((place / "state.json").read_text())["counts"]
    return found


def entry(cache: Path, number: int, key: str, body: bytes, length: int | None) -> Path:
    """Write a file as nginx does: a header of its own, the key, the answer's headers, the body."""
    file = cache / f"{number:x}" / f"{number:032x}"
    file.parent.mkdir(exist_ok=True)
    announced = b"" if length is None else b"Content-Length: %d\r\n" % length
    file.write_bytes(bytes(300) + b"\nKEY: %s\nHTTP/1.1 200 OK\r\n%sX: y\r\n\r\n" % (key.encode(), announced) + body)
    return file


def test_lines_are_counted_once(tmp_path: Path) -> None:
    mirror, log = settings(tmp_path), tmp_path / "log"
    log.write_text(HIT + MISS + ASKED + REFUSED + "garbage\n" + HIT.rstrip("\n"))
    for _ in range(2):
        keeper.watch(mirror, 1000.0)
        assert counted(tmp_path) == {
            'requests_total{cache="hit"}': 1,
            'requests_total{cache="miss"}': 1,
            'requests_total{cache="none"}': 1,
            "sent_bytes_total": 159,
            'upstream_requests_total{status="206"}': 1,
            "upstream_bytes_total": 70,
        }
    with log.open("a") as stream:
        stream.write("\n")
    keeper.watch(mirror, 1000.0)
    assert counted(tmp_path)['requests_total{cache="hit"}'] == 2


def test_a_rotated_log_is_read_to_its_end(tmp_path: Path) -> None:
    mirror, log = settings(tmp_path), tmp_path / "log"
    log.write_text(HIT)
    keeper.watch(mirror, 1000.0)
    with log.open("a") as stream:
        stream.write(MISS)
    log.rename(tmp_path / "log.1")
    log.write_text(HIT)
    keeper.watch(mirror, 1000.0)
    assert counted(tmp_path)["sent_bytes_total"] == 250


def test_a_damaged_state_begins_anew(tmp_path: Path) -> None:
    mirror = settings(tmp_path)
    (tmp_path / "log").write_text(HIT)
    (tmp_path / "state.json").write_text("{")
    keeper.watch(mirror, 1000.0)
    assert counted(tmp_path)["sent_bytes_total"] == 100


def test_the_metrics_have_help_and_types(tmp_path: Path) -> None:
    mirror = settings(tmp_path)
    (tmp_path / "log").write_text(HIT)
    keeper.watch(mirror, 1000.0)
    text = (tmp_path / keeper_files.METRICS).read_text()
    assert "# TYPE evenkeel_package_mirror_requests_total counter\n" in text
    assert 'evenkeel_package_mirror_requests_total{cache="hit"} 1\n' in text
    assert "evenkeel_package_mirror_timestamp_seconds 1000\n" in text


@pytest.mark.parametrize("free", [4, 6])
def test_a_disk_with_little_room_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    mirror = settings(tmp_path, least=5)
    (tmp_path / "full").touch()
    monkeypatch.setattr(keeper, "free_bytes", lambda path: free)
    keeper.watch(mirror, 1000.0)
    assert (tmp_path / "full").exists() is (free < 5)
    assert f"evenkeel_package_mirror_full {int(free < 5)}\n" in (tmp_path / keeper_files.METRICS).read_text()


def test_a_boot_throws_out_what_is_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror, cache = settings(tmp_path), tmp_path / "cache"
    boot = tmp_path / "boot"
    monkeypatch.setattr(keeper, "BOOT_ID", str(boot))
    boot.write_text("first")
    keeper.watch(mirror, 1000.0)
    whole = entry(cache, 1, "/a/x.conda bytes=0-1", b"12345", 5)
    short = entry(cache, 2, "/a/y.conda", b"123", 5)
    silent = entry(cache, 3, "/a/", b"12345", None)
    empty = cache / f"{4:032x}"
    empty.touch()
    written = cache / "1" / f"{5:032x}.0000000001"
    written.touch()
    keeper.watch(mirror, 1000.0)
    assert short.exists()
    boot.write_text("second")
    keeper.watch(mirror, 1000.0)
    assert [file.exists() for file in (whole, short, silent, empty, written)] == [True, False, False, False, True]


@pytest.mark.parametrize(
    ("paths", "left"),
    [
        (["/a/x.conda"], {"/a/x.conda.json", "/a/b/z.conda bytes=0-1"}),
        (["a"], set()),
        (["/a/b/"], {"/a/x.conda bytes=0-1", "/a/x.conda bytes=2-3", "/a/x.conda.json"}),
        (["/a/x"], {"/a/x.conda bytes=0-1", "/a/x.conda bytes=2-3", "/a/x.conda.json", "/a/b/z.conda bytes=0-1"}),
    ],
)
def test_purging_takes_a_path_and_what_is_below(tmp_path: Path, paths: list[str], left: set[str]) -> None:
    keys = ["/a/x.conda bytes=0-1", "/a/x.conda bytes=2-3", "/a/x.conda.json", "/a/b/z.conda bytes=0-1"]
    for number, key in enumerate(keys):
        entry(tmp_path, number, key, b"", 0)
    gone = keeper.purge(str(tmp_path), paths)
    assert {key for _file, key in keeper.cached(str(tmp_path))} == left == set(keys) - set(gone)


def test_the_summary_is_in_words() -> None:
    counts: dict[str, int] = {}
    keeper.count([HIT, HIT, MISS, ASKED], counts)
    assert keeper.summary(counts) == (
        "3 requests, 66 % of them hits\n250 bytes sent, 70 bytes received from upstreams\n"
    )
    assert keeper.summary({}).startswith("0 requests, 0 %")
