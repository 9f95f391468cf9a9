# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that are signed by another key, or altered after they were signed, are refused."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import signatures

from tests.unit.plugins.module_utils._site_copy.conftest import Copy, Upstream
from tests.unit.plugins.module_utils._site_copy.repositories import Deb, put_apt
from tests.unit.plugins.module_utils._site_copy.test_package_sets import apt

BEGIN, END = (f"-----{word} PGP PUBLIC KEY BLOCK-----".encode() for word in ("BEGIN", "END"))
CONTROL = b"Package: keys\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: Keys\n"
pytestmark = pytest.mark.skipif(not (shutil.which("gpg") and shutil.which("gpgv")), reason="the machine has no GnuPG")


@dataclass(frozen=True)
class Signer:
    home: Path

    def gpg(self, *arguments: str, text: bytes = b"") -> bytes:
        argv = [
            "gpg",
            "--homedir",
            str(self.home),
            "--batch",
            "--quiet",
            "--passphrase",
            "",
            "--pinentry-mode=loopback",
        ]
        return subprocess.run([*argv, *arguments], check=True, capture_output=True, input=text).stdout

    def key(self, name: str, *, armoured: bool) -> Path:
        path = self.home.parent / name
        path.write_bytes(self.gpg(*(["--armor"] if armoured else []), "--export"))
        return path


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Signer]]:
    made: list[Signer] = []

    def make(name: str) -> Signer:
        home = tmp_path_factory.mktemp(name) / "home"
        home.mkdir(0o700)
        found = Signer(home)
        made.append(found)
        found.gpg("--quick-generate-key", f"{name} <{name}@example.org>", "ed25519", "sign", "never")
        return found

    yield make
    for one in made:
        subprocess.run(["gpgconf", "--homedir", str(one.home), "--kill", "all"], check=True)


@pytest.fixture(scope="module")
def owner(signer: Callable[[str], Signer]) -> Signer:
    return signer("owner")


@pytest.fixture(scope="module")
def other(signer: Callable[[str], Signer]) -> Signer:
    return signer("other")


@pytest.mark.parametrize("armoured", [True, False])
def test_a_signature_is_that_of_the_key(owner: Signer, other: Signer, tmp_path: Path, *, armoured: bool) -> None:
    signed, detached = tmp_path / "InRelease", tmp_path / "Release.gpg"
    signed.write_bytes(owner.gpg("--clearsign", text=b"Suite: stable\n"))
    text = tmp_path / "Release"
    text.write_bytes(b"Suite: stable\n")
    detached.write_bytes(owner.gpg("--armor", "--detach-sign", text=b"Suite: stable\n"))
    right, wrong = owner.key("owner.key", armoured=armoured), other.key("other.key", armoured=armoured)
    signatures.require_signed("x", str(signed), "", str(right), "")
    signatures.require_signed("x", str(text), str(detached), str(right), "")
    for place, signature in ((signed, ""), (text, str(detached))):
        with pytest.raises(EvenkeelError, match="The signature of x is not by the key"):
            signatures.require_signed("x", str(place), signature, str(wrong), "")
        place.write_bytes(place.read_bytes().replace(b"stable", b"unstab"))
        with pytest.raises(EvenkeelError, match="The signature of x is not by the key"):
            signatures.require_signed("x", str(place), signature, str(right), "")


MEMBER = "/usr/share/keyrings/a.gpg"


def package(folder: Path, *files: tuple[str, bytes]) -> Path:
    """Return a Debian package with these files."""
    for name, content in (("DEBIAN/control", CONTROL), *files):
        path = folder / "package" / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    made = folder / "keys.deb"
    argv = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(folder / "package"), str(made)]
    subprocess.run(argv, check=True, capture_output=True)
    return made


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="the machine has no dpkg-deb")
def test_a_key_in_a_package(owner: Signer, other: Signer, tmp_path: Path) -> None:
    signed = tmp_path / "InRelease"
    signed.write_bytes(owner.gpg("--clearsign", text=b"Suite: stable\n"))
    files = [(MEMBER, owner.gpg("--export")), ("/etc/other", b"x"), ("/wrong.gpg", other.gpg("--export"))]
    keys = str(package(tmp_path, *files))
    signatures.require_signed("x", str(signed), "", keys, MEMBER)
    with pytest.raises(EvenkeelError, match="The signature of x is not by the key"):
        signatures.require_signed("x", str(signed), "", keys, "/wrong.gpg")
    for none in (keys, str(signed)):
        with pytest.raises(EvenkeelError, match=f"{none} is no package of the key /none.gpg"):
            signatures.require_signed("x", str(signed), "", none, "/none.gpg")


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="the machine has no dpkg-deb")
def test_a_package_that_grows_without_end_is_unpacked_in_part(tmp_path: Path) -> None:
    keys = package(tmp_path, ("/a", b"\0" * (64 << 20)), (MEMBER, b"a key"))
    with pytest.raises(EvenkeelError, match="is no package of the key"):
        signatures.require_signed("x", str(tmp_path / "x"), "", str(keys), MEMBER)


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (b"no armour", b"no armour"),
        (BEGIN + b"\n\na2V5\n=aaaa\n" + END, b"key"),
        (BEGIN + b"\nVersion: 1\nHash: a:b\n\na2\nV5\n" + END + b"\n" + BEGIN + b"\r\n\r\na2V5\r\n" + END, b"keykey"),
        (BEGIN + b"\n" + BEGIN + b"\n\na2V5\n" + END, b"key"),
        (BEGIN + b"\n" + b"a:b:c:d\n" * 100000, BEGIN + b"\n" + b"a:b:c:d\n" * 100000),
    ],
)
def test_keys_without_their_armour(content: bytes, keys: bytes) -> None:
    assert signatures.unarmoured(content) == keys


def test_a_repository_of_another_key_is_refused(copy: Copy, upstream: Upstream, owner: Signer, other: Signer) -> None:
    put_apt(upstream, [Deb("a")], inline=False)
    release = upstream.folder / "debian" / "dists" / "stable" / "Release"
    inline = release.with_name("InRelease")
    inline.write_bytes(owner.gpg("--clearsign", text=release.read_bytes()))
    right, wrong = owner.key("right.key", armoured=True), other.key("wrong.key", armoured=True)
    assert copy(wants=apt(["a"], repository={"key": str(right)}))["changed"]
    with pytest.raises(EvenkeelError, match="InRelease is not by the key of its repository"):
        copy(wants=apt(["a"], repository={"key": str(wrong)}))
    inline.unlink()
    with pytest.raises(EvenkeelError, match="Release has no signature"):
        copy(wants=apt(["a"], repository={"key": str(right)}))


def test_without_gpgv_the_signature_is_left_to_the_nodes(
    copy: Copy, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_apt(upstream, [Deb("a")])
    key = tmp_path / "key.asc"
    key.write_text("key")
    monkeypatch.setattr(signatures.shutil, "which", lambda name: None)
    warnings = copy(wants=apt(["a"], repository={"key": str(key)}))["warnings"]
    assert warnings == [
        "The signature of c/debian/dists/stable/InRelease is left to the nodes, as the machine has no gpgv"
    ]
