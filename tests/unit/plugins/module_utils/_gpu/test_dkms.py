# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of a build that failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import dkms
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command

LOG = """\
DKMS make.log for nvidia-590.48.01 for kernel 7.0.0-1-amd64 (x86_64)
make: Entering directory '/usr/src/linux-headers-7.0.0-1-amd64'
  CC [M]  /var/lib/dkms/nvidia/590.48.01/build/nvidia.o
/var/lib/dkms/nvidia/590.48.01/build/nvidia.c:12:5: error: implicit declaration of function 'dma_map_all'
   12 |     dma_map_all(NULL);
cc1: some warnings being treated as errors
make[2]: *** [scripts/Makefile.build:250: nvidia.o] Error 1
"""
FIRST = "/var/lib/dkms/nvidia/590.48.01/build/nvidia.c:12:5: error: implicit declaration of function 'dma_map_all'"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (LOG, FIRST),
        (
            "conftest.c:3: error: no member\nnvidia.c:1: fatal error: a.h: No such file\n",
            "nvidia.c:1: fatal error: a.h: No such file",
        ),
        (
            'ERROR: modpost: "gone" [nvidia.ko] undefined!\nmake: Error 1\n',
            'ERROR: modpost: "gone" [nvidia.ko] undefined!',
        ),
        ("make: *** No rule to make target\n", "make: *** No rule to make target"),
        ("", "the log is empty"),
    ],
    ids=["compiler", "a test of the configuration before it", "linker", "make alone", "nothing"],
)
def test_the_first_error_is_the_compilers(log: str, expected: str) -> None:
    assert dkms.first_error(log) == expected


def test_a_failed_build_names_kernel_version_error_and_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dkms, "LOGS", str(tmp_path / "logs"))
    build = tmp_path / "nvidia" / "590.48.01" / "build"
    build.mkdir(parents=True)
    earlier = dkms.logs(str(tmp_path))
    (build / "make.log").write_text(LOG)
    error = dkms.failed_since(earlier, str(tmp_path))
    assert error is not None
    for word in ("driver 590.48.01", "kernel 7.0.0-1-amd64", FIRST, "another branch", "remove 7.0.0-1-amd64"):
        assert word in str(error)
    assert Path(str(error.details["dkms"])).read_text() == LOG
    assert dkms.failed_since(dkms.logs(str(tmp_path)), str(tmp_path)) is None


def test_a_source_says_its_name_and_version(tmp_path: Path) -> None:
    source = tmp_path / "usr" / "src" / "nvidia-current-535.1"
    source.mkdir(parents=True)
    conf = 'PACKAGE_NAME="nvidia-current"\nPACKAGE_VERSION="535.1"\n'
    (source / "dkms.conf").write_text(conf)
    assert dkms.sources(str(tmp_path)) == [(str(source), "535.1")]
    assert (dkms.parse_name(conf), dkms.parse_version("PACKAGE_VERSION=1.2\n")) == ("nvidia-current", "1.2")


def test_modules_that_dkms_knows(tmp_path: Path) -> None:
    for place in ("nvidia/580.1/source", "nvidia-current/535.1/source", "zfs/2/source", "nvidia/kernel-6.1"):
        (tmp_path / place).mkdir(parents=True)
    assert dkms.registered(str(tmp_path)) == [("nvidia-current", "535.1"), ("nvidia", "580.1")]


def test_what_a_program_said_last() -> None:
    assert command.Done(1, "out\n", "a\n\nb\n").last_words(1) == "b"
    assert command.Done(1, "out\n", "").last_words() == "out"
    assert command.Done(1, "", "").last_words() == "it said nothing"
