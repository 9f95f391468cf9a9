# SPDX-License-Identifier: GPL-3.0-or-later
"""A small bundle, made of a store that has a few files."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import check, control, source
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.check import Checked
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.signature import Trust
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import File, Manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import Store
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bundle import packing

PYTHON = ("3.11", "x86_64")


@dataclass(frozen=True)
class Workshop:
    """Where bundles are made and signed."""

    folder: Path

    @property
    def store(self) -> Store:
        return Store(str(self.folder / "store"))

    @property
    def signers(self) -> Path:
        return self.folder / "signers"

    def key(self, name: str) -> Path:
        path = self.folder / f"key-{name}"
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path

    def fingerprint(self, name: str) -> str:
        listed = subprocess.run(
            ["ssh-keygen", "-l", "-f", str(self.key(name))], check=True, capture_output=True, text=True
        )
        return listed.stdout.split()[1]

    def allow(self, *names: str) -> Trust:
        public = [f"{name}@site.example {self.key(name).with_suffix('.pub').read_text()}" for name in names]
        self.signers.write_text("".join(public))
        return Trust(signers=str(self.signers))

    def copy(self, contents: Mapping[str, bytes], time: str = "2026-11-29T20:00:00Z") -> Manifest:
        files = []
        for path, content in contents.items():
            sha256 = hashlib.sha256(content).hexdigest()
            files.append(File(path, len(content), sha256))
            partial = Path(self.store.partial(sha256))
            partial.write_bytes(content)
            self.store.keep(str(partial), sha256)
        return manifest.of({}, files, {"time": time, "version": "0.2.0", "commit": "c"})

    def bundle(self, copy: Manifest, former: Manifest | None = None, *, key: str = "ana", as_tar: bool = False) -> Path:
        packed = packing.pack(self.store, copy, former, "c0ffee", str(self.key(key)) if key else "")
        folder = self.folder / "bundles"
        folder.mkdir(exist_ok=True)
        return packing.write(packed, folder, as_tar=as_tar)[0]

    def checked(self, bundle: Path) -> Checked:
        return check.check(source.at(str(bundle)), Trust(unsigned=True))


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def archive(**texts: str) -> bytes:
    """Return a ``.tar.gz``."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def uv(tmp_path: Path, script: str = 'for last; do :; done; [ "$1" != venv ] || mkdir -p "$last/bin"') -> bytes:
    """Return the wheel of a uv that makes empty environments."""
    place = tmp_path / "uv.whl"
    with zipfile.ZipFile(place, "w") as wheel:
        wheel.writestr(zipfile.ZipInfo("uv-0.13.9.data/scripts/uv"), f"#!/bin/sh\n{script}\n")
    return place.read_bytes()


def of_control(tmp_path: Path, project: str = "one") -> dict[str, bytes]:
    """Return what a copy has for a control node, beside a package."""
    folder = control.wheels_folder(*PYTHON)
    return {
        f"{folder}uv-0.13.9-py3-none-any.whl": uv(tmp_path),
        f"{folder}humanize-1-py3-none-any.whl": b"wheel",
        control.PROJECT: archive(**{"site.yml": project}),
        "anaconda/pkgs/main/noarch/tool-1-0.conda": b"package",
    }
