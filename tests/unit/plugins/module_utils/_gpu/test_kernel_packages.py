# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernels of a node need of packages: named by releases, and by what the repositories have."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import kernel_packages
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.kernel_packages import Form
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Step
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Wanted

HEADERS = Form("apt")
MODULES = Form("apt", "linux-modules-nvidia-580-server-open-{kernel}")
RED_HAT = Form("dnf")
#: What Ubuntu 24.04 has, beside the packages of single releases.
FUTURE = {
    name: ["6.8.0-90.91"]
    for flavour in ("generic", "virtual", "generic-hwe-24.04", "aws", "azure", "gcp", "oracle", "nvidia", "nvidia-64k")
    for name in (f"linux-headers-{flavour}", f"linux-image-{flavour}", f"linux-{flavour}")
} | {f"linux-modules-nvidia-580-server-open-{one}": ["6.8.0-90.91"] for one in ("generic", "aws")}


@pytest.mark.parametrize(
    ("form", "release", "expected"),
    [
        (HEADERS, "6.8.0-90-generic", "linux-headers-6.8.0-90-generic"),
        (HEADERS, "6.1.0-49-cloud-amd64", "linux-headers-6.1.0-49-cloud-amd64"),
        (MODULES, "6.14.0-1017-aws", "linux-modules-nvidia-580-server-open-6.14.0-1017-aws"),
        (RED_HAT, "5.14.0-503.11.1.el9_5.x86_64", "kernel-devel-5.14.0-503.11.1.el9_5.x86_64"),
        (RED_HAT, "5.14.0-503.11.1.el9_5.x86_64+rt", "kernel-rt-devel-5.14.0-503.11.1.el9_5.x86_64"),
        (RED_HAT, "5.14.0-503.11.1.el9_5.aarch64+64k", "kernel-64k-devel-5.14.0-503.11.1.el9_5.aarch64"),
        (RED_HAT, "4.18.0-553.rt7.342.el8_10.x86_64", "kernel-rt-devel-4.18.0-553.rt7.342.el8_10.x86_64"),
    ],
)
def test_a_kernels_package_is_named_by_its_release(form: Form, release: str, expected: str) -> None:
    assert form.of(release) == expected


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ("linux-image-generic", "linux-headers-generic"),
        ("linux-image-virtual", "linux-headers-virtual"),
        ("linux-image-extra-virtual", "linux-headers-virtual"),
        ("linux-image-generic-hwe-24.04", "linux-headers-generic-hwe-24.04"),
        ("linux-image-aws", "linux-headers-aws"),
        ("linux-image-azure", "linux-headers-azure"),
        ("linux-image-gcp", "linux-headers-gcp"),
        ("linux-image-oracle", "linux-headers-oracle"),
        ("linux-image-nvidia-64k", "linux-headers-nvidia-64k"),
        ("linux-image-unsigned-6.8.0-90-generic", None),
        ("linux-image-6.8.0-90-generic", None),
        ("linux-image-amd64-dbg", None),
        ("linux-generic", None),
    ],
)
def test_headers_of_future_kernels_are_those_that_the_repositories_have(installed: str, expected: str | None) -> None:
    found = kernel_packages.needs(HEADERS, {}, [installed], FUTURE)
    assert found.wanted == ((Wanted(expected),) if expected else ())
    assert found.notes == ()
    assert kernel_packages.needs(HEADERS, {}, [installed, str(expected)], FUTURE).wanted == ()


@pytest.mark.parametrize(("image", "expected"), [("virtual", "generic"), ("extra-virtual", "generic"), ("aws", "aws")])
def test_modules_of_future_kernels_are_named_by_the_kernels_flavour(image: str, expected: str) -> None:
    found = kernel_packages.needs(MODULES, {}, [f"linux-image-{image}"], FUTURE)
    assert found.wanted == (Wanted(f"linux-modules-nvidia-580-server-open-{expected}"),)


def test_what_brings_kernels_alone_is_a_note() -> None:
    found = kernel_packages.needs(HEADERS, {}, ["linux-image-own"], FUTURE)
    assert (found.wanted, found.lost) == ((), {})
    assert found.notes == ("no repository has linux-headers-own, which newer kernels of linux-image-own need",)


def test_a_name_is_wanted_once() -> None:
    installed = ["linux-image-extra-virtual", "linux-image-virtual"]
    assert kernel_packages.needs(HEADERS, {}, installed, FUTURE).wanted == (Wanted("linux-headers-virtual"),)


def test_which_kernels_lack_their_package() -> None:
    kernels = [Kernel("6.8.0-87-generic", headers=False), Kernel("6.8.0-90-generic"), Kernel("own", headers=False)]
    assert kernel_packages.lacking(HEADERS, kernels, ["linux-headers-own"]) == {
        "6.8.0-87-generic": "linux-headers-6.8.0-87-generic"
    }
    assert kernel_packages.lacking(MODULES, kernels[:2], [MODULES.of("6.8.0-87-generic")]) == {
        "6.8.0-90-generic": "linux-modules-nvidia-580-server-open-6.8.0-90-generic"
    }


def test_a_kernel_whose_headers_are_gone_is_lost_and_the_others_get_theirs() -> None:
    lacking = {release: HEADERS.of(release) for release in ("6.8.0-31-generic", "6.8.0-90-generic")}
    found = kernel_packages.needs(HEADERS, lacking, [], {"linux-headers-6.8.0-90-generic": ["1"]})
    assert found.wanted == (Wanted("linux-headers-6.8.0-90-generic"),)
    assert found.lost == {"6.8.0-31-generic": "linux-headers-6.8.0-31-generic"}
    assert "the kernel 6.8.0-31-generic has no module: no repository has linux-headers" in str(
        kernel_packages.left_without(found.lost)
    )


def test_the_refusal_says_what_is_gone_and_the_way_out() -> None:
    said = str(kernel_packages.refusal(HEADERS, {"6.8.0-31-generic": "linux-headers-6.8.0-31-generic"}))
    assert said == (
        "No repository of the node has the package linux-headers-6.8.0-31-generic: the kernel 6.8.0-31-generic has no"
        " headers, so no module can be built for it. Nothing was changed. If the node boots another kernel, remove this"
        " one. Otherwise install a newer kernel with its packages, reboot, and run again; nvidia_driver_kernel of"
        " the role set to upgrade does that."
    )
    assert str(kernel_packages.refusal(MODULES, {"x": "y"})).endswith("set nvidia_driver_source of the role to nvidia.")


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        (["6.8.0-9-generic", "6.8.0-87-generic"], "6.8.0-87-generic"),
        (["6.14.0-1017-aws", "6.8.0-1040-aws"], "6.14.0-1017-aws"),
        (["5.14.0-503.el9.x86_64", "5.14.0-503.11.1.el9_5.x86_64"], "5.14.0-503.11.1.el9_5.x86_64"),
    ],
)
def test_the_newest_kernel(releases: list[str], expected: str) -> None:
    assert kernel_packages.newest(map(Kernel, releases)) == expected


@pytest.mark.parametrize(
    ("release", "installed", "expected"),
    [
        ("6.8.0-87-generic", ["linux-image-virtual", "linux-image-6.8.0-87-generic"], ["linux-image-virtual"]),
        ("6.8.0-87-generic", [], ["linux-image-generic"]),
        ("6.14.0-1017-nvidia-64k", [], ["linux-image-nvidia-64k"]),
        ("6.1.0-49-cloud-amd64", [], ["linux-image-cloud-amd64"]),
        ("6.12.43+deb13-amd64", [], ["linux-image-amd64"]),
    ],
)
def test_what_brings_a_newer_kernel(release: str, installed: list[str], expected: list[str]) -> None:
    assert list(kernel_packages.bringers(HEADERS, release, installed)) == expected


def test_a_newer_kernel_comes_by_what_brings_it() -> None:
    archive = {"linux-image-virtual": ["6.8.0-90.91", "6.8.0-31.31"]}
    installed = {"linux-image-virtual": "6.8.0-31.31"}
    newer = kernel_packages.newer(HEADERS, "6.8.0-31-generic", installed, archive)
    assert newer == (Wanted("linux-image-virtual", "6.8.0-90.91"),)
    with pytest.raises(EvenkeelError, match=r"no newer kernel|newer kernel than 6\.8\.0-90-generic"):
        kernel_packages.newer(HEADERS, "6.8.0-90-generic", {"linux-image-virtual": "6.8.0-90.91"}, archive)


def test_on_red_hat_the_newest_kernel_that_has_headers_comes_with_them() -> None:
    archive = {"kernel-rt": ["0:5.14.0-570.el9", "0:5.14.0-503.el9"], "kernel-rt-devel": ["0:5.14.0-503.el9"]}
    newer = kernel_packages.newer(RED_HAT, "5.14.0-427.el9.x86_64+rt", {}, archive)
    assert newer == (Wanted("kernel-rt", "0:5.14.0-503.el9"), Wanted("kernel-rt-devel", "0:5.14.0-503.el9"))
    with pytest.raises(EvenkeelError, match="newer kernel than 5"):
        kernel_packages.newer(RED_HAT, "5.14.0-503.el9.x86_64+rt", {}, archive)


def test_the_kernels_that_a_transaction_brings() -> None:
    steps = [
        Step("linux-image-generic", "1", "2"),
        Step("linux-image-6.8.0-90-generic", "", "2"),
        Step("linux-image-unsigned-6.8.0-91-generic", "", "2"),
        Step("linux-image-6.8.0-31-generic", "1", ""),
        Step("linux-modules-6.8.0-90-generic", "", "2"),
    ]
    assert kernel_packages.coming(steps) == ["6.8.0-90-generic", "6.8.0-91-generic"]


def test_a_kernel_of_ones_own_is_of_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    owned = {"/boot/vmlinuz-6.8.0-90-generic", "/lib/modules/6.12.0-55.el10/vmlinuz"}
    monkeypatch.setattr(kernel_packages.owners, "owned", lambda paths, manager: owned & set(paths))
    releases = ["6.8.0-90-generic", "6.9.0-custom", "6.12.0-55.el10"]
    assert kernel_packages.of_no_package(releases, "apt") == ["6.9.0-custom"]


def test_the_ways_out_of_a_kernel_of_ones_own() -> None:
    said = str(kernel_packages.refusal_of_own(HEADERS, ["6.9.0-custom"]))
    for words in ("6.9.0-custom is of no package", "/lib/modules/6.9.0-custom/build points", "remove that kernel"):
        assert words in said
    assert "nvidia_driver_source" not in said
    assert "nvidia_driver_source" in str(kernel_packages.refusal_of_own(MODULES, ["6.9.0-custom"]))
