# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Link exact packages with py-rattler; run by the private runtime's Python as a program of its own.

Reads one JSON object from standard input and writes one a line to standard output: progress, and at last ``{"done":
true}`` or ``{"error": TEXT}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

TICK_SECONDS = 0.2


class Answers:
    """Standard output, for the module alone; what packages' scripts print goes to standard error."""

    stream: IO[str]

    @classmethod
    def take(cls) -> None:
        cls.stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)


def emit(message: dict[str, Any]) -> None:
    """Send a message to the module."""
    Answers.stream.write(json.dumps(message) + "\n")
    Answers.stream.flush()


class Reporter:
    """Counts what rattler reports, and ends this program when a package does not end; callbacks come from threads."""

    def __init__(self, packages: list[dict[str, Any]], of_bytes: int) -> None:
        self.counts: dict[str, Any] = {"step": "fetch", "packages": 0, "of": len(packages)}
        self.counts.update(bytes=0, of_bytes=of_bytes)
        #: URLs, and how many downloads have ended.
        self.counts.update(downloading=[], ended=0)
        self.packages = {package["name"].lower(): package for package in packages}
        self.fetched: list[dict[str, Any]] = []
        self.downloads: list[dict[str, Any]] = []
        self.received: list[int] = []
        self.failed_scripts: list[str] = []
        self.scripts: list[str] = []
        self.last = 0.0
        self.lock = threading.Lock()

    def tick(self, now: bool = False) -> None:
        if now or time.monotonic() - self.last >= TICK_SECONDS:
            self.last = time.monotonic()
            emit({"progress": self.counts})

    def on_populate_cache_start(self, operation: int, package_name: str) -> int:
        with self.lock:
            self.fetched.append(self.packages[package_name.lower()])
            return len(self.fetched) - 1

    def on_download_start(self, cache_entry: int) -> int:
        with self.lock:
            self.downloads.append(self.fetched[cache_entry])
            self.counts["downloading"].append(self.downloads[-1]["url"])
            self.received.append(0)
            self.tick(now=True)
            return len(self.received) - 1

    def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:
        with self.lock:
            package = self.downloads[download_idx]
            if progress > package["most_bytes"]:
                text = "%(url)s sends more than the %(most_bytes)d bytes that it is allowed" % package
                emit({"error": text + ": check the mirror, or choose another one"})
                os._exit(1)
            self.received[download_idx] = progress
            self.counts["bytes"] = sum(self.received)
            self.tick()

    def on_download_completed(self, download_idx: int) -> None:
        with self.lock:
            self.counts["downloading"].remove(self.downloads[download_idx]["url"])
            self.counts["ended"] += 1
            self.tick(now=True)

    def on_link_complete(self, index: int) -> None:
        with self.lock:
            self.counts["packages"] += 1
            if not self.counts["downloading"]:
                self.counts["step"] = "link"
            self.tick()

    def on_post_link_start(self, package_name: str, script_path: str) -> int:
        with self.lock:
            self.scripts.append("%s of %s" % (script_path, package_name))
            return len(self.scripts) - 1

    def on_post_link_complete(self, index: int, success: bool) -> None:
        if not success:
            self.failed_scripts.append(self.scripts[index])

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *arguments: 0


async def install(request: dict[str, Any]) -> None:
    """Fetch what the cache lacks and link everything into a prefix that is not there yet."""
    from rattler import Client, Config, PackageCache, PackageRecord, RepoDataRecord, ValidationMode
    from rattler import install as rattler_install
    from rattler.package import BuildString

    cache = request["cache"]
    os.makedirs(cache, mode=0o700, exist_ok=True)
    index = await PackageCache(cache).index()
    records, incomplete, bytes_to_fetch = [], [], 0
    for package in request["packages"]:
        channel, subdir, file_name = package["url"].rsplit("/", 2)
        record = PackageRecord(
            name=package["name"],
            version=package["version"],
            build=BuildString(package["build"]),
            build_number=0,
            subdir=subdir,
            arch=None,
            platform=None,
            sha256=bytes.fromhex(package["sha256"]),
            md5=bytes.fromhex(package["md5"]) if package["md5"] else None,
            size=package["size"] or None,
        )
        whole = RepoDataRecord(record, file_name=file_name, url=package["url"], channel=channel)
        home = os.path.join(cache, "%(name)s-%(version)s-%(build)s" % package)
        known = None
        if index.contains_record(whole):
            # Lost, or cut short when the node went down: linking finds that too, and the package is fetched anew.
            with contextlib.suppress(OSError):
                known = PackageRecord.from_index_json(
                    Path(home, "info", "index.json"),
                    package["size"] or None,
                    package["sha256"],
                    package["md5"] or None,
                )
        if known:
            whole = RepoDataRecord(known, file_name=file_name, url=package["url"], channel=channel)
        else:
            incomplete.append(home)
            bytes_to_fetch += package["size"]
        records.append(whole)

    # Progress reports and the search for scripts cost up to a third of the linking, so neither where the cache has all.
    scripts = incomplete or any(map(os.path.exists, scripts_of(request["packages"], cache)))
    # A cache that is not believed may have to be fetched, which is watched as any download is.
    watched = scripts or request["validation"] != "skip"
    reporter = Reporter(request["packages"], bytes_to_fetch) if watched else None
    validation = getattr(ValidationMode, request["validation"])()
    await rattler_install(
        records,
        request["prefix"],
        package_cache=PackageCache.new_layered([cache], validation_mode=validation),
        installed_packages=[],
        client=Client.default_client(),
        config=Config.from_toml("[concurrency]\ndownloads = %d" % request["connections"]),
        execute_link_scripts=bool(scripts),
        reporter=reporter,
        show_progress=False,
    )
    if reporter and reporter.failed_scripts:
        raise RuntimeError("failed: " + ", ".join(reporter.failed_scripts))
    for home in incomplete:
        complete(os.path.join(request["prefix"], "conda-meta", os.path.basename(home) + ".json"), home)


def scripts_of(packages: list[dict[str, Any]], cache: str) -> list[str]:
    """Return where the scripts are that packages may want to run once they are linked."""
    return [
        os.path.join(cache, "%(name)s-%(version)s-%(build)s" % package, "bin", ".%(name)s-post-link.sh" % package)
        for package in packages
    ]


def complete(path: str, home: str) -> None:
    """Add to a record what the package says of itself, as conda does."""
    with open(path, encoding="utf-8") as stream:
        record = json.load(stream)
    with open(os.path.join(home, "info", "index.json"), encoding="utf-8") as stream:
        index = json.load(stream)
    with open(path, "w", encoding="utf-8") as stream:
        json.dump({**record, **index}, stream, indent=2)


def main() -> None:
    """Do what standard input asks, and leave without tearing the interpreter down, which py-rattler can crash."""
    status = 0
    Answers.take()
    try:
        request = json.load(sys.stdin)
        sys.path.insert(0, request["site_packages"])
        asyncio.run(install(request))
        emit({"done": True})
    except Exception as error:
        emit({"error": str(error) or repr(error)})
        status = 1
    os._exit(status)


if __name__ == "__main__":
    main()
