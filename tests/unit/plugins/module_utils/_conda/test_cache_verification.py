# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import cache_verification
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.cache_verification import Damage
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ARCHIVE = b"the archive"
NUMPY = Package("numpy", "2.3.1", "0", hashlib.sha256(ARCHIVE).hexdigest())
EINOPS = Package("einops", "0.8.1", "", "12" * 32, PIP)
OTHER = Package("six", "1.17.0", "py_0", "ef" * 32)


class Caches:
    """Caches that hold all of two packages."""

    def __init__(self, pkgs: Path) -> None:
        self.pkgs = pkgs
        self.rattler, self.conda = (pkgs / cache / NUMPY.stem for cache in ("rattler", "conda"))
        for home in (self.rattler, self.conda):
            self.write(home / "lib" / "code.py", "code")
            self.write(home / "share" / "data", "data")
            (home / "link").symlink_to("lib/code.py")
            paths = [
                {"_path": path, "path_type": "hardlink", "sha256": sha256(text), "size_in_bytes": len(text)}
                for path, text in (("lib/code.py", "code"), ("share/data", "data"))
            ]
            paths.append({"_path": "link", "path_type": "softlink", "sha256": sha256("code"), "size_in_bytes": 4})
            self.write(home / "info" / "paths.json", json.dumps({"paths": paths, "paths_version": 1}))
            self.write(home / "info" / "index.json", json.dumps({"name": "numpy"}))
        self.archive = Path(f"{self.conda}.conda")
        self.archive.write_bytes(ARCHIVE)
        self.bytecode = pkgs / "bytecode" / "cpython-311" / NUMPY.sha256
        self.write(self.bytecode / "lib" / "code.pyc", "compiled")
        index = {"bytecode": {"lib/code.pyc": sha256("compiled")}, "rewritten": []}
        self.write(self.bytecode / "index.json", json.dumps(index))
        self.wheel = pkgs / "uv" / "archive-v0" / "AbC"
        self.write(self.wheel / "einops" / "core.py", "einops")
        digest = base64.urlsafe_b64encode(bytes.fromhex(sha256("einops"))).decode().rstrip("=")
        record = f"einops/core.py,sha256={digest},6\neinops-0.8.1.dist-info/RECORD,,\n"
        self.write(self.wheel / "einops-0.8.1.dist-info" / "RECORD", record)

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def damaged(self, *packages: Package) -> tuple[Damage, ...]:
        return cache_verification.damaged(str(self.pkgs), packages or (NUMPY, EINOPS, OTHER))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def caches(tmp_path: Path) -> Caches:
    return Caches(tmp_path / "pkgs[1]")


RATTLER, CONDA, COMPILED, WHEEL = (
    *("rattler/numpy-2.3.1-0", "conda/numpy-2.3.1-0"),
    *("bytecode/cpython-311 of numpy", "uv/einops-0.8.1"),
)
BOOKKEEPING = "its own bookkeeping"


def test_what_is_whole_stays(caches: Caches) -> None:
    assert caches.damaged() == ()


@pytest.mark.parametrize(
    ("spoil", "reported"),
    [
        (lambda caches: os.truncate(caches.rattler / "lib" / "code.py", 0), f"{RATTLER} (lib/code.py)"),
        (lambda caches: (caches.rattler / "lib" / "code.py").write_text("c0de"), f"{RATTLER} (lib/code.py)"),
        (lambda caches: (caches.rattler / "share" / "data").unlink(), f"{RATTLER} (share/data)"),
        (lambda caches: (caches.rattler / "link").unlink(), f"{RATTLER} (link)"),
        (lambda caches: (caches.rattler / "info" / "paths.json").write_text(""), f"{RATTLER} ({BOOKKEEPING})"),
        (lambda caches: (caches.rattler / "info" / "paths.json").write_text("[]"), f"{RATTLER} ({BOOKKEEPING})"),
        (lambda caches: (caches.rattler / "info" / "paths.json").unlink(), f"{RATTLER} ({BOOKKEEPING})"),
        (lambda caches: (caches.rattler / "info" / "index.json").write_text("{"), f"{RATTLER} ({BOOKKEEPING})"),
        (lambda caches: os.truncate(caches.conda / "lib" / "code.py", 0), f"{CONDA} (lib/code.py)"),
        (lambda caches: os.truncate(caches.archive, 3), f"{CONDA}.conda"),
        (lambda caches: os.truncate(caches.bytecode / "lib" / "code.pyc", 0), f"{COMPILED} (lib/code.pyc)"),
        (lambda caches: (caches.bytecode / "lib" / "code.pyc").unlink(), f"{COMPILED} (lib/code.pyc)"),
        (lambda caches: os.truncate(caches.bytecode / "index.json", 0), f"{COMPILED} ({BOOKKEEPING})"),
        (lambda caches: os.truncate(caches.wheel / "einops" / "core.py", 0), f"{WHEEL} (einops/core.py)"),
        (lambda caches: os.truncate(caches.wheel / "einops-0.8.1.dist-info" / "RECORD", 0), f"{WHEEL} ({BOOKKEEPING})"),
    ],
)
def test_what_is_damaged_is_named_and_removed_alone(
    caches: Caches, spoil: Callable[[Caches], object], reported: str
) -> None:
    spoil(caches)
    (damage,) = caches.damaged()
    assert str(damage) == reported
    cache_verification.remove([damage])
    assert caches.damaged() == ()
    left = [place.exists() for place in (caches.rattler, caches.conda, caches.archive, caches.bytecode, caches.wheel)]
    assert left.count(False) == 1


def test_what_other_environments_need_is_not_looked_at(caches: Caches) -> None:
    os.truncate(caches.rattler / "lib" / "code.py", 0)
    assert caches.damaged(EINOPS, OTHER) == ()


def test_of_many_files_some_are_named() -> None:
    assert str(Damage("a", "/a", ("1", "2", "3", "4", "5"))) == "a (1, 2, 3 and 2 more)"


def test_without_caches_there_is_nothing(tmp_path: Path) -> None:
    assert cache_verification.damaged(str(tmp_path / "pkgs"), [NUMPY, EINOPS]) == ()


def test_what_cannot_be_read_is_damaged(caches: Caches, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str) -> str:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(cache_verification, "sha256_of", fail)
    assert [damage.name for damage in caches.damaged()] == [COMPILED, CONDA, f"{CONDA}.conda", RATTLER, WHEEL]


def test_what_cannot_be_removed_is_named(caches: Caches) -> None:
    with pytest.raises(EvenkeelError, match=r"gone can't be removed from the package cache: No such file"):
        cache_verification.remove([Damage("gone", str(caches.pkgs / "gone"))])
