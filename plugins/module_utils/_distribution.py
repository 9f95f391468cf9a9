# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A conda distribution as a link to one of several complete installations."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import socket
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from ansible.module_utils.urls import open_url
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._files import (
    disk_full,
    link_atomically,
    require_normalised,
    write_atomically,
)

#: Beside conda's own bookkeeping; without a suffix, since conda reads every ``conda-meta/*.json`` as a package.
MARKER = os.path.join("conda-meta", "evenkeel")
#: Stands before the name of the installation that the download is for, so that it tells what a killed run was making.
DOWNLOAD_PREFIX = ".download-"
DOWNLOAD_PATTERN = re.escape(DOWNLOAD_PREFIX) + r"([A-Za-z0-9][A-Za-z0-9._-]*-[0-9a-f]{12})"
CHUNK_BYTES = 1 << 20

RunCommand = Callable[..., "tuple[int, str, str]"]


@dataclass(frozen=True)
class Desired:
    """What the operator asks for."""

    url: str
    sha256: str
    prefix: str
    store: str

    @property
    def file_name(self) -> str:
        """The installer's own name; conda's installers refuse to run under another suffix than ``.sh``."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def home(self) -> str:
        """Where this very installer's distribution lives."""
        return os.path.join(self.store, "%s-%s" % (self.file_name[: -len(".sh")], self.sha256[:12]))


@dataclass(frozen=True)
class State:
    """What the node has."""

    #: ``absent``, ``ours`` or, in words, what stands at the prefix that Evenkeel did not make.
    prefix: str
    #: The installation that the prefix points at, when it is ours.
    current: str | None
    #: Whether the desired installation is complete, whatever the prefix points at.
    complete: bool
    #: What interrupted runs left in the store.
    leftovers: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What has to happen, in this order: remove, install, switch."""

    remove: tuple[str, ...]
    install: bool
    switch: bool
    before: str | None
    after: str

    @property
    def changed(self) -> bool:
        return bool(self.remove) or self.install or self.switch

    @property
    def diff(self) -> dict[str, str]:
        return {"before": "%s\n" % (self.before or "absent"), "after": "%s\n" % self.after}


def check(desired: Desired) -> None:
    """Refuse what can't work before anything is read or changed."""
    if not re.fullmatch(r"[0-9a-f]{64}", desired.sha256):
        raise EvenkeelError(
            "sha256 is %r, which is not 64 lower-case hexadecimal digits" % desired.sha256,
            "Take the checksum that the distribution publishes for %s" % desired.file_name,
        )
    if not re.fullmatch(r"(https?://[^/]+|file://)/(.+/)?[A-Za-z0-9][A-Za-z0-9._-]*\.sh", desired.url):
        raise EvenkeelError(
            "url %s is no http, https or file URL that ends in the name of a shell installer" % desired.url,
            "Name the installer itself, such as https://<mirror>/miniconda/Miniconda3-py313_26.5.3-1-Linux-x86_64.sh",
        )
    require_normalised("prefix", desired.prefix)
    require_normalised("store", desired.store)


def is_complete(home: str) -> bool:
    """Whether an installation in the store was finished; the marker is written last."""
    return os.path.isfile(os.path.join(home, MARKER))


def read(desired: Desired) -> State:
    """Read the node's state from the file system, without starting conda."""
    prefix, current = "absent", None
    if os.path.islink(desired.prefix):
        target = os.path.normpath(os.path.join(os.path.dirname(desired.prefix), os.readlink(desired.prefix)))
        if os.path.dirname(target) == desired.store:
            prefix, current = "ours", target
        else:
            prefix = "a symbolic link to %s" % target
    elif os.path.lexists(desired.prefix):
        prefix = "a directory" if os.path.isdir(desired.prefix) else "a file"
    complete = is_complete(desired.home)
    homes, downloads = {desired.home}, []
    for name in sorted(os.listdir(desired.store)) if os.path.isdir(desired.store) else []:
        download_of = re.fullmatch(DOWNLOAD_PATTERN, name)
        if download_of:
            downloads.append(os.path.join(desired.store, name))
            homes.add(os.path.join(desired.store, download_of.group(1)))
    # What the link names is in use; should it have lost its marker, it goes only when its successor is at hand.
    half_made = [home for home in sorted(homes - {current}) if os.path.lexists(home) and not is_complete(home)]
    return State(prefix, current, complete, (*half_made, *downloads))


def plan(state: State, desired: Desired) -> Plan:
    """Decide; pure."""
    if state.prefix not in ("absent", "ours"):
        raise EvenkeelError(
            "%s is %s that Evenkeel did not make; it was left as it is" % (desired.prefix, state.prefix),
            "Move it away, or choose another prefix",
        )
    return Plan(
        remove=state.leftovers,
        install=not state.complete,
        switch=state.current != desired.home,
        before=state.current,
        after=desired.home,
    )


def download(url: str, target: str, timeout: float, retries: int) -> str:
    """Download ``url`` to ``target``; return its SHA-256.

    A refusal (4xx) is final; silence, a broken transfer and 5xx are tried again, ``retries`` times.
    """
    attempt = 0
    while True:
        try:
            return _download_once(url, target, timeout)
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise EvenkeelError(
                    "%s answered %d %s" % (url, error.code, error.reason),
                    "Check the version and the mirror's base URL",
                ) from error
            reason = "answered %d %s" % (error.code, error.reason)
        except (urllib.error.URLError, HTTPException, socket.timeout, ConnectionError) as error:
            reason = "did not deliver (%s)" % (getattr(error, "reason", None) or error or type(error).__name__)
        attempt += 1
        if attempt > retries:
            raise EvenkeelError(
                "%s %s, %d times in a row" % (url, reason, attempt), "Check that the node reaches the mirror"
            )
        time.sleep(min(2**attempt, 10))


def _download_once(url: str, target: str, timeout: float) -> str:
    digest = hashlib.sha256()
    with open_url(url, timeout=timeout) as response, open(target, "wb") as stream:
        expected = response.headers.get("Content-Length")
        for chunk in iter(lambda: response.read(CHUNK_BYTES), b""):
            digest.update(chunk)
            stream.write(chunk)
        if expected is not None and stream.tell() != int(expected):
            raise ConnectionError("%d of %s bytes" % (stream.tell(), expected))
    return digest.hexdigest()


def require_installer(path: str, url: str, sha256: str, actual: str) -> None:
    """Refuse a download that is not the installer asked for."""
    if actual == sha256:
        return
    with open(path, "rb") as stream:
        head = stream.read(512).lstrip().lower()
    if head.startswith((b"<!doctype", b"<html")):
        raise EvenkeelError(
            "%s answered with an HTML page, not an installer" % url, "Check the version and the mirror's base URL"
        )
    raise EvenkeelError(
        "%s has the SHA-256 %s, not %s; it was not executed and has been removed" % (url, actual, sha256),
        "Check the checksum at the distribution's own site; if it is right, the mirror's file is damaged or forged",
    )


def apply(plan: Plan, desired: Desired, run_installer: RunCommand, timeout: float, retries: int) -> None:
    """Bring the node to the plan's end. What fails half-way is removed; what is killed half-way is healed next time."""
    try:
        for path in plan.remove:
            shutil.rmtree(path)
        if plan.install:
            os.makedirs(desired.store, mode=0o755, exist_ok=True)
            _install(desired, run_installer, timeout, retries)
        if plan.switch:
            link_atomically(desired.prefix, desired.home)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full(desired.store) from error
        raise EvenkeelError("%s: %s" % (error.filename or desired.store, error.strerror), "Mend it") from error


def _install(desired: Desired, run_installer: RunCommand, timeout: float, retries: int) -> None:
    downloads = os.path.join(desired.store, DOWNLOAD_PREFIX + os.path.basename(desired.home))
    os.mkdir(downloads, 0o700)
    try:
        installer = os.path.join(downloads, desired.file_name)
        actual = download(desired.url, installer, timeout, retries)
        require_installer(installer, desired.url, desired.sha256, actual)
        _run(installer, desired, run_installer)
    finally:
        shutil.rmtree(downloads, ignore_errors=True)


def _run(installer: str, desired: Desired, run_installer: RunCommand) -> None:
    try:
        if os.path.lexists(desired.home):
            shutil.rmtree(desired.home)
        status, out, err = run_installer(["/bin/sh", installer, "-b", "-p", desired.home])
        if status != 0 or not os.path.isfile(os.path.join(desired.home, "bin", "conda")):
            if shutil.disk_usage(desired.store).free < CHUNK_BYTES or "No space left" in err + out:
                raise disk_full(desired.store)
            how = "ended with status %d" % status if status else "made no bin/conda"
            raise EvenkeelError(
                "%s %s: %s" % (desired.file_name, how, _last_words(err or out)),
                "Read the installer's own message; nothing was left behind",
                rc=status,
                stdout=out,
                stderr=err,
            )
        marker: dict[str, Any] = {"installer": desired.file_name, "sha256": desired.sha256, "url": desired.url}
        write_atomically(os.path.join(desired.home, MARKER), json.dumps(marker, indent=2, sort_keys=True) + "\n")
    except BaseException:
        shutil.rmtree(desired.home, ignore_errors=True)
        raise


def _last_words(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-3:]) or "it said nothing"
