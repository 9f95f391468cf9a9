# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver needs of the package manager and of the node's settings."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import driver_request
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver_request import Desired, Runfile
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.kernel_packages import Needs
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import transaction
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Step
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Wanted

DESIRED = Desired("open", gpu=True, version="580.178.04", family=("nvidia-driver*", "libcuda1"), dkms="nvidia-dkms")
NVIDIAS = Repository("cuda", "apt", "http://m/cuda/", "http://m/cuda/key.gpg")
RUNFILE = Desired("open", gpu=True, version="580.178.04", runfile=Runfile("http://m/x.run", "0" * 64))
READY = Kernel("6.1.0-50-amd64", modules=(Module("580.178.04", "open"),))


HEADERS = Needs(wanted=(Wanted("linux-headers-6.1.0-49-amd64"),))
NEWER = dataclasses.replace(HEADERS, kernel=(Wanted("linux-image-amd64", "6.1.170-1"),))


@pytest.mark.parametrize(
    ("desired", "manager", "expected"),
    [
        (DESIRED, "apt", ["dkms", "linux-headers-6.1.0-49-amd64"]),
        (RUNFILE, "apt", ["dkms", "gcc", "linux-headers-6.1.0-49-amd64"]),
        (DESIRED, "dnf", ["python3-dnf-plugin-versionlock", "dkms", "linux-headers-6.1.0-49-amd64"]),
        (dataclasses.replace(DESIRED, dkms=""), "apt", []),
        (
            dataclasses.replace(DESIRED, secure_boot=True),
            "apt",
            ["dkms", "mokutil", "openssl", "linux-headers-6.1.0-49-amd64"],
        ),
        (dataclasses.replace(DESIRED, dkms="", hold=False, hold_kernel=False), "dnf", []),
        (dataclasses.replace(DESIRED, dkms="", hold=False), "dnf", ["python3-dnf-plugin-versionlock"]),
    ],
    ids=["apt", "installer", "dnf", "modules come built", "Secure Boot", "nothing is held", "the kernel alone is held"],
)
def test_prerequisites(desired: Desired, manager: str, expected: list[str]) -> None:
    request = driver_request.prerequisites(desired, HEADERS, manager)
    assert request.wanted == tuple(map(Wanted, expected))


def test_only_what_asks_for_a_newer_kernel_changes_kernels() -> None:
    steps = [Step("linux-image-amd64", "6.1.1-1", "6.1.170-1"), Step("linux-image-6.1.0-51-amd64", "", "6.1.170-1")]
    held = ["linux-image-amd64", "linux-headers-amd64"]
    request = driver_request.prerequisites(DESIRED, NEWER, "apt")
    assert request.wanted[-1] == NEWER.kernel[0]
    transaction.judge(request, steps, held)
    with pytest.raises(EvenkeelError, match=r"would remove others: linux-image-6\.1\.0-50-amd64"):
        transaction.judge(request, [*steps, Step("linux-image-6.1.0-50-amd64", "6.1.1-1", "")], held)


@pytest.mark.parametrize("kernel", ["linux-image-amd64", "linux-image-6.1.0-51-amd64", "kernel", "kernel-core"])
@pytest.mark.parametrize("before", ["", "6.1-1"])
def test_no_transaction_changes_a_kernel(kernel: str, before: str) -> None:
    step = Step(kernel, before, "6.2-1")
    for request in (
        driver_request.packages(DESIRED),
        driver_request.prerequisites(DESIRED, HEADERS, "apt"),
    ):
        with pytest.raises(EvenkeelError, match=f"would change what it must not: {kernel}"):
            transaction.judge(request, [step])


def test_the_driver_may_replace_its_own_packages_and_no_others() -> None:
    request = driver_request.packages(dataclasses.replace(DESIRED, absent=("nvidia-closed",)))
    transaction.judge(request, [Step("libcuda1", "570", ""), Step("nvidia-closed", "580", "")])
    with pytest.raises(EvenkeelError, match=r"would remove others: libc6 2\.36 -> removed"):
        transaction.judge(request, [Step("libc6", "2.36", "")])


def test_the_driver_comes_in_its_version_alone() -> None:
    request = driver_request.packages(DESIRED)
    transaction.judge(request, [Step("libcuda1", "", "580.178.04-1"), Step("libc6", "2.36", "2.37")])
    with pytest.raises(EvenkeelError, match=r"other versions than 580\.178\.04: libcuda1 610"):
        transaction.judge(request, [Step("libcuda1", "", "610.57.04-1")])
    any_version = driver_request.packages(dataclasses.replace(DESIRED, version=""))
    transaction.judge(any_version, [Step("libcuda1", "", "610.57.04-1")])


def test_holds_follow_the_options() -> None:
    held = driver_request.packages(DESIRED)
    assert {"libcuda1", "linux-image-[!0-9]*"} <= set(held.hold)
    assert held.release == ()
    kernels = ["kernel", "kernel-core", "kernel-modules", "linux-generic-hwe-24.04", "linux-headers-amd64"]
    assert transaction.matching([*kernels, "linux-image-6.1.0-49-amd64"], held.hold) == tuple(kernels)
    free = driver_request.packages(dataclasses.replace(DESIRED, hold=False, hold_kernel=False))
    assert (free.hold, free.release) == ((), held.hold)
    of_installer = driver_request.packages(dataclasses.replace(RUNFILE, hold_kernel=False))
    assert "linux-image-[!0-9]*" in of_installer.release
    kernel = driver_request.packages(dataclasses.replace(DESIRED, hold=False))
    assert (kernel.release, "libcuda1" in kernel.hold) == (DESIRED.family, False)


@pytest.mark.parametrize(
    ("repository", "never"),
    [(NVIDIAS, "o=/^(Debian|Ubuntu)$/"), (None, "l=NVIDIA CUDA")],
    ids=["from a repository of ours", "from the distribution"],
)
def test_the_version_is_pinned_for_the_whole_family_and_the_other_source_is_kept_out(
    repository: Repository | None, never: str
) -> None:
    desired = dataclasses.replace(DESIRED, family=("src:nvidia-graphics-drivers*", "libcuda1"), repository=repository)
    names = "Package: src:nvidia-graphics-drivers*:any\n"
    expected = [f"{names}Pin: release {never}\nPin-Priority: -1\n"]
    expected += [f"{names}Pin: version 580.178.04-*\nPin-Priority: 1001\n"]
    expected += [f"{names}Pin: release *\nPin-Priority: -1\n"]
    preferences = driver_request.package_files(desired, "apt")[driver_request.PREFERENCES]
    assert preferences == f"{kept_files.MARK}\n" + "\n".join(expected)
    of_any_version = dataclasses.replace(desired, version="")
    preferences = driver_request.package_files(of_any_version, "apt")[driver_request.PREFERENCES]
    assert preferences == f"{kept_files.MARK}\n" + "\n".join(expected[:1])
    by_name = dataclasses.replace(desired, family=("nvidia-driver*", "libcuda1"))
    assert "Package: nvidia-driver* libcuda1\n" in str(
        driver_request.package_files(by_name, "apt")[driver_request.PREFERENCES]
    )


def test_companions_of_the_distribution_s_driver_are_not_nvidia_s() -> None:
    of_distribution = dataclasses.replace(DESIRED, companions=("src:nvidia-persistenced*",), repository=None)
    record = "Package: src:nvidia-persistenced*:any\nPin: release l=NVIDIA CUDA\nPin-Priority: -1\n"
    assert record in str(driver_request.package_files(of_distribution, "apt")[driver_request.PREFERENCES])
    of_nvidia = dataclasses.replace(of_distribution, repository=NVIDIAS)
    assert "persistenced" not in str(driver_request.package_files(of_nvidia, "apt")[driver_request.PREFERENCES])


def test_a_declared_repository_alone_may_bring_the_driver() -> None:
    assert driver_request.packages(DESIRED).of_origin == {}
    request = driver_request.packages(dataclasses.replace(DESIRED, repository=NVIDIAS))
    assert request.of_origin == dict.fromkeys(DESIRED.family, NVIDIAS.url)


def test_the_distribution_s_driver_leaves_nothing_of_other_repositories() -> None:
    of = lambda repository: driver_request.packages(dataclasses.replace(DESIRED, repository=repository))  # noqa: E731
    assert (of(None).by_preferences, of(NVIDIAS).by_preferences) == (DESIRED.family, ())


def test_updates_are_kept_off_the_drivers_names() -> None:
    desired = dataclasses.replace(DESIRED, family=("src:nvidia-graphics-drivers*", *DESIRED.family))
    assert driver_request.package_files(desired, "apt")[driver_request.UNATTENDED] == (
        f"{kept_files.MARK}\nUnattended-Upgrade::Package-Blacklist {{\n"
        '    "^nvidia\\-driver.*$";\n    "^libcuda1$";\n    "^cuda-drivers";\n'
        '    "^linux-image-";\n    "^linux-headers-";\n};\n'
    )


def test_a_kernel_that_is_not_held_may_be_upgraded_unattended() -> None:
    desired = dataclasses.replace(DESIRED, hold_kernel=False, family=("nvidia-dkms-[!ap0-9]*",))
    unattended = str(driver_request.package_files(desired, "apt")[driver_request.UNATTENDED])
    assert '{\n    "^nvidia\\-dkms\\-[^ap0-9].*$";\n    "^cuda-drivers";\n}' in unattended


@pytest.mark.parametrize(
    ("change", "absent"),
    [({"family": ()}, driver_request.PREFERENCES), ({"keep_off": False}, driver_request.UNATTENDED)],
)
def test_files_that_must_not_be_there(change: dict[str, object], absent: str) -> None:
    assert driver_request.package_files(dataclasses.replace(DESIRED, **change), "apt")[absent] is None


@pytest.mark.parametrize(("desired", "manager"), [(DESIRED, "dnf"), (RUNFILE, "apt")])
def test_dnf_and_the_installer_need_no_files(desired: Desired, manager: str) -> None:
    assert driver_request.package_files(desired, manager) == {}


def test_nouveau_is_kept_off_and_out_of_dracuts_images() -> None:
    assert list(driver_request.nouveau_files(has_dracut=False)) == [driver_request.MODPROBE]
    assert driver_request.nouveau_files(has_dracut=True) == {
        driver_request.MODPROBE: f"{kept_files.MARK}\nblacklist nouveau\nblacklist nova_core\n"
        "options nouveau modeset=0\ninstall nouveau /bin/false\n",
        driver_request.DRACUT: f'{kept_files.MARK}\nomit_drivers+=" nouveau nova_core "\n',
    }


def test_packages_that_have_brought_a_driver() -> None:
    names = ["bash", "kmod-nvidia-open-dkms", "libcuda1", "nvidia-container-toolkit", "nvidia-kernel-dkms"]
    assert driver_request.driver_packages(names) == ["kmod-nvidia-open-dkms", "nvidia-kernel-dkms"]


@pytest.mark.parametrize(
    ("desired", "kernels", "words"),
    [
        (DESIRED, [READY], []),
        (
            RUNFILE,
            [READY],
            ["the persistence daemon was not enabled: NVIDIA's installer has no systemd unit for it"],
        ),
        (dataclasses.replace(RUNFILE, persistence=False), [READY], []),
        (DESIRED, [], ["no kernel module was built: the node has no kernel of its own"]),
        (
            dataclasses.replace(DESIRED, container=True),
            [READY],
            ["the kernel module is not loaded: the node is a container"],
        ),
        (
            dataclasses.replace(DESIRED, gpu=False),
            [READY],
            ["the driver's services were not started: the node has no GPU"],
        ),
    ],
)
def test_what_is_left_is_reported(desired: Desired, kernels: list[Kernel], words: list[str]) -> None:
    assert driver_request.what_is_left(desired, kernels) == words
