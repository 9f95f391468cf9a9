# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import gzip
import io
import lzma
import tarfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha1, sha256

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from reality.parts.data.keys import fingerprints
from reality.parts.data.repository import Place, contents, order, require_signed, upstream
from reality.reach import MIB, RefusedError, TroubleError
from reality.world import World
from tests.unit.plugins.module_utils._site_copy.repositories import Deb
from tests.unit.reality.site import Site

PACKAGES = (
    Deb("nvidia-open", "580.1-1"),
    Deb("nvidia-open", "2:580.2-1"),
    Deb("cuda-12-8", "12.8.1-1", "cuda-drivers (>= 570.1)"),
)
MEMBER = "usr/share/keyrings/a.gpg"
KEY = b"\x98\x07\x04" + b"a key."
FINGERPRINT = sha1(b"\x99\x00\x07\x04a key.", usedforsecurity=False).hexdigest().upper()
PRIMARY = b"""<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
<package type="rpm"><name>nvidia-open</name><arch>noarch</arch><version epoch="3" ver="580.2" rel="1.el9"/>
<checksum type="sha256">aa</checksum><size package="1"/>
<location href="nvidia-open.rpm"/><format/></package></metadata>"""
FORMS = {".xz": lzma.compress, ".gz": gzip.compress, "": bytes}


def apt(site: Site) -> Place:
    return Place("apt", f"{site.url}/deb/", f"{site.url}/deb/key", "", "", "amd64", "debian12/x86_64")


def rpm(site: Site) -> Place:
    return Place("rpm", f"{site.url}/rpm/", f"{site.url}/rpm/key", "", "", "x86_64", "rhel9/x86_64")


def fill_apt(site: Site, packages: tuple[Deb, ...] = PACKAGES, forms: tuple[str, ...] = (".gz",)) -> None:
    """Have a site answer as a flat repository with one list in some forms."""
    text = "\n".join(one.paragraph() for one in packages).encode()
    lists = {f"Packages{form}": FORMS[form](text) for form in forms}
    sums = "".join(f" {sha256(content).hexdigest()} {len(content)} {name}\n" for name, content in lists.items())
    site.answer("/deb/InRelease", f"Origin: NVIDIA\nSHA256:\n{sums}".encode())
    for name, content in lists.items():
        site.answer(f"/deb/{name}", content)


def fill_rpm(site: Site) -> None:
    """Have a site answer as a repository of RPM."""
    primary = gzip.compress(PRIMARY)
    digest = sha256(primary).hexdigest()
    repomd = f"""<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary">
    <checksum type="sha256">{digest}</checksum><location href="repodata/primary.xml.gz"/></data></repomd>"""
    site.answer("/rpm/repodata/repomd.xml", repomd.encode())
    site.answer("/rpm/repodata/primary.xml.gz", primary)


@pytest.mark.parametrize("forms", [(".xz", ".gz"), (".gz",), ("",)])
def test_packages_of_apt_in_each_form(site: Site, world: World, forms: tuple[str, ...]) -> None:
    fill_apt(site, forms=forms)
    found = contents(apt(site), world)
    assert found.upstream("nvidia-open") == {"580.1", "580.2"}
    assert found.drivers == {("cuda-12-8", "12.8.1"): "570.1"}
    assert contents(apt(site), world) is found


def test_a_form_that_is_not_there_is_no_loss(site: Site, world: World) -> None:
    fill_apt(site, forms=(".xz", ".gz"))
    del site.replies["/deb/Packages.xz"]
    assert contents(apt(site), world).upstream("nvidia-open") == {"580.1", "580.2"}
    del site.replies["/deb/Packages.gz"]
    with pytest.raises(RefusedError):
        contents(apt(site), World(world.folder, world.store))


def test_packages_of_rpm(site: Site, world: World) -> None:
    fill_rpm(site)
    assert contents(rpm(site), world).upstream("nvidia-open") == {"580.2"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/deb/InRelease", "is no list of APT"),
        ("/deb/Packages.gz", "is not the list that its repository names"),
        ("/rpm/repodata/repomd.xml", "is no repomd.xml"),
        ("/rpm/repodata/primary.xml.gz", "is not the list that its repository names"),
    ],
)
def test_garbage_is_told_as_such(site: Site, world: World, path: str, said: str) -> None:
    fill_apt(site)
    fill_rpm(site)
    site.answer(path, b"<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(EvenkeelError, match=said):
        contents(apt(site) if path.startswith("/deb") else rpm(site), world)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Packages.gz", b"no gzip"),
        ("Packages.xz", b"no xz"),
        ("Packages.gz", gzip.compress(b"Package: a", mtime=0)[:-9]),
        ("Packages.gz", gzip.compress(b"a" * 999, mtime=0)[:10] + b"\xff" * 40),
    ],
    ids=["no gzip", "no xz", "its end is missing", "garbage"],
)
def test_a_list_that_can_not_be_unpacked(site: Site, world: World, name: str, content: bytes) -> None:
    site.answer("/deb/InRelease", f"SHA256:\n {sha256(content).hexdigest()} 7 {name}\n".encode())
    site.answer(f"/deb/{name}", content)
    with pytest.raises(EvenkeelError, match="can't be unpacked"):
        contents(apt(site), world)


def test_a_list_without_a_package_of_this_architecture_is_none(site: Site, world: World) -> None:
    fill_apt(site)
    with pytest.raises(EvenkeelError, match="lists no package for arm64"):
        contents(replace(apt(site), architecture="arm64"), world)


def test_a_list_that_is_too_long_to_be_fetched(site: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reality.parts.data.repository._MOST_PACKED", 0)
    fill_apt(site)
    with pytest.raises(TroubleError, match="sends more than 0 MiB"):
        contents(apt(site), world)


def test_a_list_that_grows_without_end(site: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_apt(site, PACKAGES * 10000)
    monkeypatch.setattr("reality.parts.data.repository._MOST_BYTES", MIB)
    with pytest.raises(EvenkeelError, match="has more than 1 MiB unpacked"):
        contents(apt(site), world)


def test_lists_without_a_signature_are_refused(site: Site, world: World) -> None:
    fill_apt(site)
    site.answer("/deb/key", b"no key")
    with pytest.raises(EvenkeelError, match="is not by the key of its repository"):
        require_signed(apt(site), world)


def test_versions() -> None:
    assert [upstream(one) for one in ("3:580.178.04-1.el9", "570.26", "580.1-0ubuntu1")] == [
        "580.178.04",
        "570.26",
        "580.1",
    ]
    assert order("580.95.05") < order("580.178.04")


def ar(title: str, size: object, body: bytes = b"") -> bytes:
    return f"{title:<48}{size!s:<10}`\n".encode() + body + b"\n" * (len(body) % 2)


def package(*files: tuple[str, bytes], pack: Callable[[bytes], bytes] = lzma.compress, ending: str = ".xz") -> bytes:
    """Return a Debian package with these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files:
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    data = pack(packed.getvalue())
    return b"!<arch>\n" + ar("debian-binary", 4, b"2.0\n") + ar(f"data.tar{ending}", len(data), data)


def armoured(*lines: str, end: str = "-----END PGP PUBLIC KEY BLOCK-----\n") -> bytes:
    body = "".join(f"{line}\n" for line in lines)
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n{body}{end}".encode()


LONG_NAME = tarfile.TarInfo()
LONG_NAME.type = tarfile.GNUTYPE_LONGNAME
BASE64 = base64.b64encode(KEY).decode()


@pytest.mark.parametrize(
    "content",
    [
        KEY,
        armoured("", BASE64, "=aaaa"),
        armoured("Version: 1", "Comment: a:b:c", "", BASE64[:4], BASE64[4:], "=aaaa"),
        armoured("", BASE64).replace(b"\n", b"\r\n"),
        b"A key of somebody\n" + armoured("", BASE64),
    ],
)
def test_fingerprints_of_keys(content: bytes) -> None:
    assert fingerprints(content) == [FINGERPRINT]
    assert fingerprints(content * 2) == [FINGERPRINT] * 2


@pytest.mark.parametrize(("ending", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress), ("", bytes)])
def test_fingerprints_of_keys_in_packages(ending: str, pack: Callable[[bytes], bytes]) -> None:
    assert fingerprints(package(("a", b"x"), (MEMBER, KEY), pack=pack, ending=ending), f"/{MEMBER}") == [FINGERPRINT]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"!<arch>\n",
        b"\x98",
        b"\xff" * 40,
        b"!<arch>\n" + b"x" * 90,
        b"!<arch>\n" + ar("debian-binary", -60),
        b"!<arch>\n" + ar("debian-binary", "1_0"),
        b"!<arch>\n" + ar("data.tar", 10**9),
        b"!<arch>\n" + ar("data.tar", 512 * 9999, LONG_NAME.tobuf() * 9999),
        package((MEMBER, b""), ending=".gz"),
        package(("another", KEY)),
        armoured("a:b:c:d", "a:b:c:d", *["a:b:c:d"] * 100000, end=""),
    ],
)
def test_what_is_no_key_has_no_fingerprint(content: bytes) -> None:
    assert fingerprints(content) == []
    assert fingerprints(content, MEMBER) == []


@pytest.mark.parametrize("name", ["before", MEMBER])
def test_a_package_that_grows_without_end_is_unpacked_in_part(name: str) -> None:
    content = package((name, b"\0" * (64 * MIB)), (MEMBER, KEY), pack=gzip.compress, ending=".gz")
    tracemalloc.start()
    try:
        assert fingerprints(content, MEMBER) == []
        assert tracemalloc.get_traced_memory()[1] < 32 * MIB
    finally:
        tracemalloc.stop()
