# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the real thing is, and where the lab's stand-in for it is (``REALITY=lab``)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import Installer, known, parse

from reality.claims import Result, SkippedError, differs
from reality.programs import Programs
from reality.reach import Reach

ROOT = Path(__file__).parents[1]
REAL, LAB = "real", "lab"
#: The environment variable that chooses.
VARIABLE = "REALITY"
#: Sites that are asked first, all at once, for whether there is a network at all.
SITES = (
    "https://conda.anaconda.org/",
    "https://repo.anaconda.com/",
    "https://developer.download.nvidia.com/",
    "https://github.com/",
    "https://mirrors.tuna.tsinghua.edu.cn/",
)
#: Where each distribution's own site keeps its installers.
DISTRIBUTION_SITES = {
    "miniconda": "https://repo.anaconda.com/miniconda",
    "miniforge": "https://github.com/conda-forge/miniforge/releases/download",
}

Made = TypeVar("Made")


@dataclass
class World:
    """What a run asks, with what it has learned so far.

    Parameters
    ----------
    folder
        Where the run keeps its state, its report and its logs.
    store
        Where it keeps what is large: installers and environments.
    everything
        Whether what is otherwise asked of a sample is asked of all.
    stand_ins
        The beginnings of real URLs and what stands in for each; None where URLs are what they are.
    sums
        The SHA-256 of the lab's own files, by URL.
    """

    folder: Path
    store: Path
    name: str = REAL
    everything: bool = False
    stand_ins: Mapping[str, str] | None = None
    sums: Mapping[str, str] = field(default_factory=dict)
    sites: Sequence[str] = field(default_factory=lambda: SITES)
    #: The variables by which people name things of their own to ask.
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    reach: Reach = field(default_factory=lambda: Reach(f"evenkeel-reality/{own_version()}"))
    programs: Programs = field(default_factory=Programs)
    _made: dict[str, Any] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)

    @property
    def is_lab(self) -> bool:
        """Whether the lab stands in for the world."""
        return self.stand_ins is not None

    @property
    def today(self) -> date:
        """The day in UTC."""
        return datetime.now(UTC).date()

    def at(self, url: str) -> str:
        """Return where a URL is in this world.

        Raises
        ------
        SkippedError
            The lab has nothing in its place.
        """
        if self.stand_ins is None:
            return url
        for real in sorted(self.stand_ins, key=len, reverse=True):
            if url == real or url.startswith(real.rstrip("/") + "/"):
                return self.stand_ins[real].rstrip("/") + url[len(real.rstrip("/")) :]
        raise SkippedError(f"the lab has no stand-in for {url}")

    def sum_of(self, url: str, known: str) -> str:
        """Return the SHA-256 that a file has to have: the known one, or the lab's own."""
        return self.sums.get(url, "") if self.is_lab else known

    def installers(self) -> list[Installer]:
        """Return the installers that are known, with the checksums that they have to have."""
        if not self.is_lab:
            return list(known())
        found = ((parse(url.rpartition("/")[2]), digest) for url, digest in self.sums.items())
        return [replace(installer, sha256=digest) for installer, digest in found if installer]

    def differs(self, on: str, what: str) -> Result:
        """Return that the world has something else than the project's data, which the lab has on purpose.

        Raises
        ------
        SkippedError
            This is the lab.
        """
        if self.is_lab:
            raise SkippedError(f"the lab is not meant to be as the data here: {what}")
        return differs(on, what)

    def once(self, key: str, make: Callable[[], Made]) -> Made:
        """Return what ``make`` returned when it was first asked for by this key, or raise what it raised."""
        lock = self._locks.setdefault(key, threading.Lock())
        with self.reach.waiting():
            lock.acquire()
        try:
            if key not in self._made:
                try:
                    self._made[key] = (make(), None)
                except Exception as error:
                    self._made[key] = (None, error)
            made, failure = self._made[key]
        finally:
            lock.release()
        if failure is not None:
            raise failure
        return made  # type: ignore[no-any-return]

    def tool(self, name: str, remedy: str) -> str:
        """Return the path of a program.

        Raises
        ------
        SkippedError
            This machine has none.
        """
        found = shutil.which(name)
        if not found:
            raise SkippedError(f"this machine has no {name}: {remedy}")
        return found

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        seconds: float = float("inf"),
        apart: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program from the checkout's folder, and return how it ended.

        Parameters
        ----------
        env
            What is added to the environment.
        log
            The file that keeps its output.
        seconds
            How long it may take, beside the part's own limit.
        apart
            Whether what it says of itself is apart, as ``stderr``, from what is parsed; else ``stdout`` has both.

        Raises
        ------
        OutOfTimeError
            The time is over, or the run was interrupted; the program and all that it started have ended.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.programs.run(
            [str(word) for word in argv],
            ROOT,
            env=env or {},
            log=log,
            end=min(self.reach.end, time.monotonic() + seconds),
            stop=self.reach.stop,
            apart=apart,
        )


def chosen(environment: Mapping[str, str], build: Path, *, everything: bool = False) -> World:
    """Return the world that the environment chooses.

    Raises
    ------
    SkippedError
        It chooses none, or the lab's mirror does not run.
    """
    name = environment.get(VARIABLE) or REAL
    if name == REAL:
        return World(build, _store(build), everything=everything, environment=environment)
    if name != LAB:
        raise SkippedError(f"{VARIABLE} is {name!r}: set it to {LAB}, or leave it out")
    return _lab(build / LAB, everything=everything)


def _lab(folder: Path, *, everything: bool) -> World:
    # The real world needs nothing of the lab.
    from lab import paths
    from lab.upstream import mirror

    if not mirror.running():
        raise SkippedError("the lab's mirror does not run: run `python -m lab up` first")
    site = mirror.url()
    found = stand_ins(paths.WWW, site)
    return World(folder, _store(folder), LAB, everything, found, sums(paths.WWW, found), sites=[f"{site}/_health"])


def _store(folder: Path) -> Path:
    """Return what is beside a run's folder, which may be kept as an artifact."""
    return folder.with_name(f"{folder.name}-store")


def stand_ins(tree: Path, site: str) -> dict[str, str]:
    """Return what a tree of the lab's mirror stands in for: the beginnings of real URLs, and those of the site."""
    found = {real: f"{site}/anaconda/{name}" for name, real in DISTRIBUTION_SITES.items()}
    for name in ("main", "r"):
        found[f"https://repo.anaconda.com/pkgs/{name}"] = f"{site}/anaconda/pkgs/{name}"
    for path in ("stable/deb/amd64", "stable/rpm/x86_64", "gpgkey"):
        url = f"https://nvidia.github.io/libnvidia-container/{path}"
        found[url] = f"{site}/nvidia/libnvidia-container/{path}"
    for top in ("nvidia", "ubuntu/nvidia"):
        for folder in sorted((tree / top).glob("compute/cuda/repos/*/*")):
            path = str(folder.relative_to(tree / top))
            found[f"https://developer.download.nvidia.com/{path}"] = f"{site}/{top}/{path}"
    return found


def sums(tree: Path, places: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 of the lab's installers and keys, by the URL of what each stands in for."""
    from lab.upstream.nvidia.repositories import ENTERPRISE_KEY_FILE, KEYRING

    found = {}
    for name, real in DISTRIBUTION_SITES.items():
        path = tree / "anaconda" / name / "SHA256SUMS"
        for line in path.read_text().splitlines() if path.exists() else ():
            digest, _space, file = line.partition("  ")
            installer = parse(file)
            if installer:
                found[f"{real}/{installer.path}"] = digest
    for path in (tree / "nvidia" / "sums.json", tree / "ubuntu" / "sums.json"):
        known = json.loads(path.read_text()) if path.exists() else {}
        for kind, file in (("keyring", KEYRING), ("key", ENTERPRISE_KEY_FILE)):
            for release, digest in known.get(kind, {}).items():
                found |= {f"{real}/{file}": digest for real in places if f"/repos/{release}/" in real}
    return found
