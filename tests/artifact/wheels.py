# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a control node and ansible-test install, downloaded once, as this machine's pip is configured."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import cache, locks, paths

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements.txt"
#: Of ansible-test's tests that install something; in ansible-core's wheel.
_SANITY = re.compile(r"ansible_test/_data/requirements/sanity\.[a-z0-9.-]+\.txt")
_PIP = ("ansible_test/_internal/python_requirements.py", re.compile(r"pip='([\d.]+)'"))


def gather(core: str, python: str) -> Path:
    """Return the folder with the wheels of an ansible-core such as ``2.19`` for a Python such as ``3.11``."""
    folder = paths.CACHE / "wheels" / f"core-{core}-{python}-{cache.key(REQUIREMENTS, Path(__file__))}"
    with locks.held(f"wheels-core-{core}"):
        if not folder.exists():
            stage = cache.staging(folder)
            _download(stage, python, f"ansible-core=={core}.*", "--requirement", str(REQUIREMENTS))
            _download(stage, python, f"pip=={pip_version(stage)}")
            with zipfile.ZipFile(_core(stage)) as wheel, TemporaryDirectory() as scratch:
                for name in filter(_SANITY.fullmatch, wheel.namelist()):
                    _download(stage, python, "--requirement", wheel.extract(name, scratch))
            stage.rename(folder)
    return folder


def pip_version(folder: Path) -> str:
    """Return the version of pip that ansible-test puts into its virtual environments."""
    file, version = _PIP
    with zipfile.ZipFile(_core(folder)) as wheel:
        found = version.search(wheel.read(file).decode())
    assert found, f"{file} names no pip"
    return found[1]


def _core(folder: Path) -> Path:
    return next(folder.glob("ansible_core-*.whl"))


def _download(folder: Path, python: str, *wanted: str) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder)]
    subprocess.run([*pip, "--only-binary=:all:", f"--python-version={python}", *wanted], check=True)
