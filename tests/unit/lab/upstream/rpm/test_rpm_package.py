# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.upstream.nvidia import cuda_rpm as nvidia_cuda_rpm
from lab.upstream.os_package import OsPackage
from lab.upstream.rpm import rpm_package, rpm_repository

PACKAGE = OsPackage(
    "example",
    "3:1.2-1.el9",
    "noarch",
    "Example",
    depends=("other = 3:1.2",),
    files={"etc/example.conf": "", "usr/bin/example": ""},
    scripts={"post": "/sbin/ldconfig\n"},
)


def test_packages_of_one_name_or_path_are_made_one_after_the_other() -> None:
    first, second, other = (OsPackage(name, "1-1", "noarch", "") for name in ("a", "a", "b"))
    assert rpm_package.batches([first, second, other]) == [[first, other], [second]]
    open_, proprietary = (OsPackage(name, "1-1", "noarch", "", files={"usr/src/c": name}) for name in ("c", "d"))
    assert rpm_package.batches([open_, proprietary]) == [[open_], [proprietary]]


def test_what_rpmbuild_reads() -> None:
    text = rpm_package.spec([PACKAGE])
    assert "%package -n example\nVersion: 1.2\nRelease: 1.el9\nEpoch: 3\n" in text
    assert "BuildArch: noarch\nRequires: other = 3:1.2\n" in text
    assert "%post -n example\n/sbin/ldconfig\n" in text
    assert "%config(noreplace) /etc/example.conf\n/usr/bin/example\n" in text


def test_how_streams_name_packages() -> None:
    assert rpm_repository.nevra(PACKAGE) == "example-3:1.2-1.el9.noarch"
    assert rpm_repository.nevra(OsPackage("a", "1-1", "x86_64", "")) == "a-0:1-1.x86_64"


@pytest.mark.parametrize(
    ("debian", "expected"),
    [
        ("dkms", "dkms"),
        ("cuda-nvcc-12-8 (>= 12.8.1)", "cuda-nvcc-12-8 >= 12.8.1"),
        ("cuda-drivers (>= 570)", "cuda-drivers >= 3:570"),
        ("cuda-cudart-dev-12-8", "cuda-cudart-devel-12-8"),
        ("libnccl2 (= 2.28.9-1+cuda13.0)", "libnccl = 2.28.9-1+cuda13.0"),
        ("libcudnn9-dev-cuda-13 (<< 10)", "libcudnn9-devel-cuda-13 < 10"),
    ],
)
def test_what_a_package_needs_in_the_other_format(debian: str, expected: str) -> None:
    assert nvidia_cuda_rpm.relation(debian) == expected
