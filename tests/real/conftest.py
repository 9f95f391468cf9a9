# SPDX-License-Identifier: GPL-3.0-or-later
"""A real conda, where one is named: what the lab's stand-in can't show.

``EVENKEEL_CONDA`` is the command of one, ``EVENKEEL_INSTALLER_URL`` has the URLs of installers, separated by spaces.
Each is installed once, below a temporary folder; nothing else of the machine changes but the record of what Evenkeel
made.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import known

from tests.path_types import Channel

ROOT = Path(__file__).parents[2]
INSTALLERS = os.environ.get("EVENKEEL_INSTALLER_URL", "").split()
CONDAS = [*filter(None, [os.environ.get("EVENKEEL_CONDA")]), *INSTALLERS]


def name_of(url: str) -> str:
    """Return how tests name a conda or an installer."""
    return url.rpartition("/")[2] or "none"


@dataclass(frozen=True)
class Conda:
    """A real conda's command, and the home in which it runs."""

    command: str
    home: Path

    def run(self, *argv: object) -> subprocess.CompletedProcess[str]:
        """Run it, without any configuration of this machine's users."""
        return subprocess.run(
            [self.command, *map(str, argv)],
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "CONDA_PKGS_DIRS": str(self.home / "pkgs")},
        )

    def say(self, *argv: object) -> str:
        """Run it, and return what it says; it must succeed."""
        done = self.run(*argv)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shown(self, *argv: object) -> str:
        """Run it, and return all that it prints, however it ends."""
        done = self.run(*argv)
        return done.stdout + done.stderr

    def json(self, *argv: object) -> Any:
        """Run it, and return its JSON answer."""
        return json.loads(self.say(*argv, "--json"))


@dataclass(frozen=True)
class Distribution:
    """An installer, and the node on which the module installs it."""

    url: str
    sha256: str
    folder: Path

    @property
    def prefix(self) -> Path:
        """Where users find it."""
        return self.folder / "conda"

    @property
    def python(self) -> str:
        """The minor version of Python that the installer's name promises; empty where it names none."""
        found = re.search(r"-py3(\d+)_", self.url)
        return f"3.{found[1]}" if found else ""

    def converge(self, **more: object) -> dict[str, Any]:
        """Run the module conda_distribution on this machine."""
        arguments = {
            "url": self.url,
            "sha256": self.sha256,
            "prefix": str(self.prefix),
            "store": str(self.folder / "store"),
            "shell_hook": False,
            "command_directory": "",
            **more,
        }
        argv = ["ansible", "localhost", "--connection=local", "--module-name=evenkeel.gpu.conda_distribution"]
        done = subprocess.run(
            [*argv, f"--args={json.dumps(arguments)}"],
            check=False,
            capture_output=True,
            text=True,
            timeout=1800,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_NOCOLOR": "1"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
        return result


def sha256_of(url: str) -> str:
    """Return the checksum of an installer: the one that is named for it, that is known, or that its site serves now."""
    named = os.environ.get("EVENKEEL_INSTALLER_SHA256", "").split()
    if len(named) == len(INSTALLERS):
        return named[INSTALLERS.index(url)]
    for installer in known():
        if installer.file == name_of(url):
            return installer.sha256
    with urlopen(url, timeout=60) as stream:  # noqa: S310
        return hashlib.file_digest(stream, "sha256").hexdigest()


Install = Callable[[str], Distribution]


@pytest.fixture(scope="session")
def install() -> Iterator[Install]:
    """Return what installs from a URL, once."""
    made: dict[str, Distribution] = {}
    with ExitStack() as folders:

        def installed(url: str) -> Distribution:
            if url not in made:
                short = folders.enter_context(tempfile.TemporaryDirectory(prefix="ek-"))  # conda bears no long paths
                one = Distribution(url, sha256_of(url), Path(short))
                assert one.converge()["changed"]
                made[url] = one
            return made[url]

        yield installed


@pytest.fixture(scope="session", params=INSTALLERS or [""], ids=name_of)
def distribution(request: pytest.FixtureRequest, install: Install) -> Distribution:
    """Each named installer, installed."""
    if not request.param:
        pytest.skip("EVENKEEL_INSTALLER_URL names no installer")
    return install(request.param)


@pytest.fixture(scope="session", params=CONDAS or [""], ids=name_of)
def conda(
    request: pytest.FixtureRequest,
    install: Install,
    tmp_path_factory: pytest.TempPathFactory,
    record_testsuite_property: Any,
) -> Conda:
    """Each named conda: the command, and those of the installers."""
    if not request.param:
        pytest.skip("Neither EVENKEEL_CONDA nor EVENKEEL_INSTALLER_URL names a conda")
    of_installer = request.param in INSTALLERS
    command = str(install(request.param).prefix / "bin" / "conda") if of_installer else request.param
    found = Conda(command, tmp_path_factory.mktemp("home"))
    about = found.json("info")
    record_testsuite_property(request.param, f"conda {about['conda_version']}, {about['user_agent']}")
    return found


@pytest.fixture(scope="session")
def channel(conda: Conda, tmp_path_factory: pytest.TempPathFactory) -> Channel:
    """Packages with paths of every type."""
    return Channel(tmp_path_factory.mktemp("channel"))
