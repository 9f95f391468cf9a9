# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node has after the role cuda_toolkit, with the lab's stand-ins of NVIDIA's packages."""

from __future__ import annotations

import pytest
from testinfra.host import Host

OLD, NEW = "/usr/local/cuda-12.8", "/usr/local/cuda-13.0"
LINK = "/usr/local/cuda"


@pytest.mark.parametrize(("path", "release"), [(OLD, "12.8"), (NEW, "13.0")])
def test_toolkits_are_side_by_side(host: Host, path: str, release: str) -> None:
    assert f"release {release}" in host.check_output("%s/bin/nvcc --version", path)


def test_the_default_is_the_chosen_one_and_stays_so_when_a_newer_one_comes(host: Host) -> None:
    assert host.check_output("readlink --canonicalize %s", LINK) == OLD
    assert host.file(LINK).linked_to == OLD
    said = host.check_output("LC_ALL=C update-alternatives --display cuda")
    assert "manual" in said.splitlines()[0]
    assert f"{NEW} - priority 130" in said


@pytest.mark.parametrize("shell", ["bash --login", "fish --login"])
def test_login_shells_of_users_find_the_default(host: Host, shell: str) -> None:
    found, home = host.check_output(f"sudo -u nobody {shell} -c 'command -v nvcc; echo $CUDA_HOME'").splitlines()
    assert (found, home) == (f"{LINK}/bin/nvcc", LINK)


def test_the_loader_finds_the_default_toolkits_libraries(host: Host) -> None:
    known = host.check_output("/sbin/ldconfig -p")
    assert f"{LINK}/lib64/libcudart.so.12" in known or f"{LINK}/targets/x86_64-linux/lib/libcudart.so.12" in known


def test_no_driver_came_along(host: Host) -> None:
    names = host.check_output(
        "rpm --query --all --queryformat '%{NAME}\\n'"
        if is_red_hat(host)
        else "dpkg-query --show --showformat '${Package}\\n'"
    ).split()
    assert {"cuda-toolkit-12-8", "cuda-toolkit-13-0"} <= set(names)
    assert not [name for name in names if name.startswith(("cuda-drivers", "nvidia-", "kmod-nvidia", "libcuda1"))]
    assert "cuda" not in names


def test_libraries_are_of_the_default_toolkits_cuda_and_held(host: Host) -> None:
    if is_red_hat(host):
        assert host.run("rpm --query libcudnn9-cuda-12 libcudnn9-devel-cuda-12").rc == 0
        assert host.run("rpm --query libcudnn9-cuda-13").rc != 0
        assert "libnccl-0:2.26.2-1+cuda12.8.*" in host.file("/etc/dnf/plugins/versionlock.list").content_string
        return
    assert host.package("libcudnn9-cuda-12").is_installed
    assert not host.package("libcudnn9-cuda-13").is_installed
    assert host.package("libnccl-dev").version == "2.26.2-1+cuda12.8"
    assert "libnccl2" in host.check_output("apt-mark showhold").split()


def is_red_hat(host: Host) -> bool:
    return bool(host.file("/etc/redhat-release").exists)
