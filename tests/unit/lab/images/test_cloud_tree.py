# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
import stat
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab import process
from lab.errors import LabError
from lab.images import cloud_tree

LINUX, BIOS = "0fc63daf-8483-4772-8e79-3d69d8477de4", "21686148-6449-6e6f-744e-656564454649"
EFI, BOOT = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "bc13c2ff-59e6-4262-a352-b275fd6f7172"
ROOT = "2048 4192256\n"


@pytest.mark.parametrize(
    ("listed", "root", "boot"),
    [
        (
            f"262144 4017119 {LINUX}\n2048 6144 {BIOS}\n8192 253952 {EFI}\n",
            "offset=134217728,sizelimit=2056764928",
            "",
        ),
        (
            f"2324480 5015519 {LINUX}\n2048 8192 {BIOS}\n10240 217088 {EFI}\n227328 1869824 {BOOT}\n",
            "offset=1190133760,sizelimit=2567945728",
            "offset=116391936,sizelimit=957349888",
        ),
        ("2048 4192256 0x83\n4194304 204800 0x82\n", "offset=1048576,sizelimit=2146435072", ""),
        (ROOT, "offset=1048576,sizelimit=2146435072", ""),
    ],
)
def test_where_the_root_and_boot_are(listed: str, root: str, boot: str) -> None:
    assert cloud_tree.root_and_boot(listed) == (root, boot)


def qcow2(version: int = 3, backing: int = 0, features: int = 0) -> bytes:
    return struct.pack(">4sIQ56xQ", b"QFI\xfb", version, backing, features) + bytes(24)


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (qcow2(), "qcow2"),
        (qcow2(features=1), "qcow2"),
        (qcow2(version=2, features=4), "qcow2"),
        (b"KDMV" + bytes(600), "raw"),
        (qcow2()[:40], "raw"),
        (b"", "raw"),
    ],
)
def test_the_format_of_an_image(content: bytes, form: str, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(content)
    assert cloud_tree.format_of(image) == form


@pytest.mark.parametrize("content", [qcow2(backing=112), qcow2(version=2, backing=72), qcow2(features=4)])
def test_an_image_that_consists_of_other_files_is_refused(content: bytes, tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(content)
    with pytest.raises(LabError, match=r"image\.qcow2 names another file"):
        cloud_tree.make(image, tmp_path / "stage" / "tree", [], {}, lambda _said: None)


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="needs qemu-img")
@pytest.mark.parametrize(
    ("options", "is_refused"),
    [
        (["-f", "qcow2", "{image}", "1M"], False),
        (["-f", "qcow2", "-o", "compat=0.10", "{image}", "1M"], False),
        (["-f", "qcow2", "-F", "raw", "-b", "{other}", "{image}"], True),
        (["-f", "qcow2", "-o", "compat=0.10", "-F", "raw", "-b", "{other}", "{image}"], True),
        (["-f", "qcow2", "-o", "data_file={other}", "{image}", "1M"], True),
    ],
)
def test_images_that_qemu_makes(options: Sequence[str], is_refused: bool, tmp_path: Path) -> None:
    image, other = tmp_path / "image", tmp_path / "other"
    other.write_bytes(b"secret".ljust(1 << 20, b"\0"))
    process.run(["qemu-img", "create", *(one.format(image=image, other=other) for one in options)], remedy="")
    if is_refused:
        with pytest.raises(LabError, match="names another file"):
            cloud_tree.format_of(image)
    else:
        assert cloud_tree.format_of(image) == "qcow2"


class Machine:
    """Its programs, of which one fails; it remembers what they were called with."""

    def __init__(self, partitions: str, fails: str = "") -> None:
        self._partitions, self._fails = partitions, fails
        self.calls: list[list[str]] = []
        self.modes: list[int] = []

    def run(self, argv: Sequence[str | Path], *, remedy: str, **_more: object) -> str:
        words = [str(word) for word in argv]
        self.calls.append(words)
        if words[0] == "qemu-img":
            Path(words[-1]).write_bytes(b"secret")
            self.modes.append(stat.S_IMODE(Path(words[-1]).parent.stat().st_mode))
        if self._fails and any(word.endswith(self._fails) for word in words):
            raise LabError(f"{self._fails} failed", remedy)
        return self._partitions


@pytest.mark.parametrize(
    ("machine", "says", "remedy"),
    [
        (Machine(ROOT, "losetup"), "losetup failed", "modprobe loop"),
        (Machine(ROOT, "qemu-img"), "qemu-img failed", "image.qcow2 a cloud image? It must be"),
        (Machine(ROOT, "partx"), "partx failed", "image.qcow2 a cloud image? It must be"),
        (Machine(""), "image.qcow2 has no partitions", "image.qcow2 a cloud image? It must be"),
        (Machine(ROOT, "unpack.sh"), "unpack.sh failed", "image.qcow2 a cloud image? It must be"),
        (Machine(ROOT, "cloud_tree.sh"), "cloud_tree.sh failed", "https_proxy"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_fails_has_a_remedy_that_fits_and_leaves_no_disk(
    machine: Machine, says: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "run", machine.run)
    image, stage = tmp_path / "image.qcow2", tmp_path / "stage"
    image.write_bytes(qcow2())
    stage.mkdir()
    with pytest.raises(LabError, match=says) as caught:
        cloud_tree.make(image, stage / "tree", [], {}, lambda _said: None)
    assert remedy in caught.value.remedy
    assert list(stage.iterdir()) == []
    assert set(machine.modes) <= {0o700}


def test_an_image_is_read_as_what_it_is_and_its_disk_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(ROOT)
    monkeypatch.setattr(process, "run", machine.run)
    image, stage = tmp_path / "image.qcow2", tmp_path / "stage"
    image.write_bytes(qcow2())
    stage.mkdir()
    cloud_tree.make(image, stage / "tree", [Path("script.sh")], {}, lambda _said: None)
    convert = next(words for words in machine.calls if words[0] == "qemu-img")
    assert convert[1:7] == ["convert", "-f", "qcow2", "-O", "raw", str(image)]
    assert machine.calls[-1][-3:] == [str(cloud_tree.INSTALL), str(stage / "tree"), "script.sh"]
    assert (list(stage.iterdir()), machine.modes) == ([], [0o700])
