# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Look after a package mirror's cache: count its hits, keep its disk from filling up, throw a damaged file out.

This file stands alone on the node, and uses nothing but Python's library.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

#: The beginning of a file of nginx's cache, which has its key.
_HEAD_BYTES = 8192
_NAME = re.compile(r"[0-9a-f]{32}")
_KEY = re.compile(rb"\nKEY: ([^\n]*)\n")
_END_OF_HEADERS = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)\r\n", re.IGNORECASE)
#: Another one after each boot.
BOOT_ID = "/proc/sys/kernel/random/boot_id"
_LINE = re.compile(
    r'(?P<side>client|upstream) \S+ \S+ \[[^\]]*\] "[^"]*" (?P<status>\d{3}) (?P<bytes>\d+) (?P<cache>[A-Z]+|-) '
)
HELP = {
    "requests_total": ("counter", "Requests of clients, by what the cache had."),
    "sent_bytes_total": ("counter", "Bytes sent to clients."),
    "upstream_requests_total": ("counter", "Requests to upstreams, by the status of the answer."),
    "upstream_bytes_total": ("counter", "Bytes received from upstreams."),
    "free_bytes": ("gauge", "Free space on the cache's file system."),
    "full": ("gauge", "Whether the cache takes no more, because its file system has too little room."),
    "timestamp_seconds": ("gauge", "When these numbers were written."),
}


class Settings:
    """Where things are; a file of JSON with these names."""

    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
        self.cache: str = found["cache"]
        self.log: str = found["log"]
        self.state: str = found["state"]
        self.metrics: str = found["metrics"]
        self.full: str = found["full"]
        self.least: int = found["least"]


def new_lines(log: str, place: dict[str, int]) -> Iterator[str]:
    """Yield the whole lines since the last call, a rotated log's first; ``place`` is updated."""
    for path in ("%s.1" % log, log):
        try:
            stream = open(path, "rb")  # noqa: SIM115
        except OSError:
            continue
        with stream:
            inode = os.fstat(stream.fileno()).st_ino
            if path != log and inode != place.get("inode"):
                continue
            known = inode == place.get("inode") and place.get("offset", 0) <= os.fstat(stream.fileno()).st_size
            offset = place["offset"] if known else 0
            stream.seek(offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                offset += len(line)
                yield line.decode("utf-8", "replace")
            place.update(inode=inode, offset=offset)


def count(lines: Iterable[str], counts: dict[str, int]) -> None:
    """Add what lines of the log say to counters, whose names are those of metrics with their labels."""
    for line in lines:
        found = _LINE.match(line)
        if not found:
            continue
        if found["side"] == "client":
            cache = found["cache"].lower() if found["cache"] != "-" else "none"
            added = {'requests_total{cache="%s"}' % cache: 1, "sent_bytes_total": int(found["bytes"])}
        else:
            added = {
                'upstream_requests_total{status="%s"}' % found["status"]: 1,
                "upstream_bytes_total": int(found["bytes"]),
            }
        for name, number in added.items():
            counts[name] = counts.get(name, 0) + number


def render(values: dict[str, int]) -> str:
    """Return metrics in Prometheus' text format."""
    text = ""
    for name, (kind, words) in HELP.items():
        samples = [key for key in sorted(values) if key.partition("{")[0] == name]
        if samples:
            text += "# HELP evenkeel_package_mirror_%s %s\n# TYPE evenkeel_package_mirror_%s %s\n" % (
                *(name, words),
                *(name, kind),
            )
            text += "".join("evenkeel_package_mirror_%s %d\n" % (sample, values[sample]) for sample in samples)
    return text


def watch(settings: Settings, now: float) -> None:
    """Bring counters up to date, write the metrics, and have nginx keep no more while the disk has too little room.

    The first time after a boot, files that a power cut may have left incomplete are thrown out.
    """
    state = _state(settings)
    place, counts = state["place"], state["counts"]
    boot = _text(BOOT_ID)
    if state["boot"] != boot:
        for file in incomplete(settings.cache):
            os.unlink(file)
        state["boot"] = boot
    count(new_lines(settings.log, place), counts)
    free = free_bytes(settings.cache)
    full = free < settings.least
    if full:
        with open(settings.full, "a", encoding="utf-8"):
            pass
    elif os.path.exists(settings.full):
        os.unlink(settings.full)
    values = {**counts, "free_bytes": free, "full": int(full), "timestamp_seconds": int(now)}
    _replace(settings.state, json.dumps(state), 0o600)
    _replace(settings.metrics, render(values), 0o644)


def free_bytes(path: str) -> int:
    """Return how many bytes programs without privileges may still write."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def incomplete(cache: str) -> Iterator[str]:
    """Yield the files of nginx's cache that are not as long as they say, or do not say it."""
    for path, head in heads(cache):
        end = head.find(_END_OF_HEADERS, head.find(b"\nKEY: "))
        found = _LENGTH.search(head, 0, end + 2)
        expected = end + len(_END_OF_HEADERS) + int(found.group(1)) if found and end > 0 else -1
        with contextlib.suppress(OSError):
            if os.path.getsize(path) != expected:
                yield path


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read().strip()


def _state(settings: Settings) -> dict[str, Any]:
    try:
        found = json.loads(_text(settings.state))
        return {"place": dict(found["place"]), "counts": dict(found["counts"]), "boot": found["boot"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {"place": {}, "counts": {}, "boot": ""}


def _replace(path: str, text: str, mode: int) -> None:
    part = "%s.part" % path
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(text)
    os.rename(part, path)


def heads(cache: str) -> Iterator[tuple[str, bytes]]:
    """Yield the beginning of every file in nginx's cache; one that is being written has another name."""
    for folder, _folders, names in os.walk(cache):
        for name in names:
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                if _NAME.fullmatch(name):
                    with open(path, "rb") as stream:
                        head = stream.read(_HEAD_BYTES)
                    yield path, head


def cached(cache: str) -> Iterator[tuple[str, str]]:
    """Yield the file and the key of everything in nginx's cache."""
    for path, head in heads(cache):
        found = _KEY.search(head)
        if found:
            yield path, found.group(1).decode("utf-8", "replace")


def is_of(key: str, path: str) -> bool:
    """Whether a key is that of a path of the mirror, or of something below it."""
    path = "/" + path.strip("/")
    return key == path or key.startswith((path + " ", path + "/"))


def purge(cache: str, paths: Sequence[str]) -> list[str]:
    """Throw out what the cache has of these paths and below them; return the keys."""
    gone = []
    for file, key in cached(cache):
        if any(is_of(key, path) for path in paths):
            os.unlink(file)
            gone.append(key)
    return sorted(gone)


def summary(values: dict[str, int]) -> str:
    """Return in words what the cache was good for."""
    requests = {key.split('"')[1]: number for key, number in values.items() if key.startswith("requests")}
    total, hits = sum(requests.values()), requests.get("hit", 0) + requests.get("revalidated", 0)
    sent, received = values.get("sent_bytes_total", 0), values.get("upstream_bytes_total", 0)
    lines = ["%d requests, %d %% of them hits" % (total, 100 * hits // total if total else 0)]
    lines += ["%d bytes sent, %d bytes received from upstreams" % (sent, received)]
    return "".join("%s\n" % line for line in lines)


def main(settings_file: str) -> int:
    """Do what the command line says, and return the exit status."""
    parser = argparse.ArgumentParser(prog="evenkeel-package-mirror", description="Look after the package mirror.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="show what the cache was good for")
    commands.add_parser("watch", help="count, and look at the disk; the timer does this")
    thrown = commands.add_parser("purge", help="throw files out of the cache, so that they are fetched again")
    thrown.add_argument("path", nargs="+", help="a path of the mirror, such as /pypi/simple, or a whole URL")
    arguments = parser.parse_args()
    settings = Settings(settings_file)
    if arguments.command == "watch":
        watch(settings, time.time())
    elif arguments.command == "status":
        watch(settings, time.time())
        sys.stdout.write(summary(_state(settings)["counts"]))
    else:
        gone = purge(settings.cache, [re.sub(r"^https?://[^/]*", "", path) for path in arguments.path])
        sys.stdout.write("".join("%s\n" % key for key in gone) or "There is nothing of it in the cache.\n")
    return 0
