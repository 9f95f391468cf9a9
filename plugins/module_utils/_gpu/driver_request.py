# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a driver needs of the package manager and of the node's settings, computed from what is desired."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.kernel_packages import Needs
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import (
    Request,
    Wanted,
    hold_tools,
    matching,
)

PREFERENCES = "/etc/apt/preferences.d/evenkeel-nvidia-driver"
UNATTENDED = "/etc/apt/apt.conf.d/52evenkeel-nvidia-driver"
MODPROBE = "/etc/modprobe.d/evenkeel-nvidia-driver.conf"
DRACUT = "/etc/dracut.conf.d/evenkeel-nvidia-driver.conf"
#: The kernel of a node, which the driver's transaction never changes.
_KERNELS = ("linux-image-*", "kernel", "kernel-core")
#: What brings newer kernels, their headers and modules; held beside the driver.
_KERNEL_HOLDS = (
    *("linux-image-[!0-9]*", "linux-headers-[!0-9]*", "linux-modules-nvidia-*", "linux-generic*"),
    *("kernel", "kernel-*"),
)
#: By their fields in a repository's Release file, whose driver is kept out where the other's is wanted.
_DISTRIBUTION, _NVIDIA = "o=/^(Debian|Ubuntu)$/", "l=NVIDIA CUDA"
#: apt's priorities: of what is never installed, and of what is installed even if something newer is there.
_NEVER, _ALWAYS = -1, 1001
#: What a part of a shell's pattern that begins so is as a regular expression.
_OF_SHELL: dict[str, Callable[[str], str]] = {"*": lambda _part: ".*", "[": lambda part: part.replace("[!", "[^")}
#: What to do where no repository has a tool, by its use.
_WAY_TO_DKMS = (
    "It builds the driver's module, and EPEL has it: set nvidia_driver_epel of the role to the URL of EPEL or of a"
    " mirror of it, or enable EPEL on the node"
)
_WAY_TO_HOLD = (
    "It holds packages, and is in the distribution's BaseOS: enable that, or set nvidia_driver_hold of the"
    " role and nvidia_driver_hold_kernel of the role to false"
)
#: Packages that put a driver where NVIDIA's installer puts one.
_DRIVER_PACKAGES = re.compile(r"(nvidia-(kernel|dkms|driver)|kmod-nvidia)")


@dataclass(frozen=True)
class Runfile:
    """NVIDIA's installer."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Desired:
    """What a node must have; the options of the module ``nvidia_driver``, which describes them."""

    flavour: str
    gpu: bool
    version: str = ""
    repository: Repository | None = None
    packages: tuple[Wanted, ...] = ()
    absent: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    dkms: str = ""
    runfile: Runfile | None = None
    hold: bool = True
    hold_kernel: bool = True
    keep_off: bool = True
    persistence: bool = True
    fabric_manager: bool = False
    container: bool = False
    secure_boot: bool = False
    remove_leftovers: bool = False
    modules: str = ""
    kernel: str = "keep"
    dkms_repository: Repository | None = None
    lock_timeout: int = 300

    @property
    def is_built(self) -> bool:
        """Whether the kernel module is built on the node."""
        return bool(self.dkms or self.runfile)


def packages(desired: Desired) -> Request:
    """Return what is asked of the package manager for the driver."""
    holds = (desired.family if desired.hold else ()) + (_KERNEL_HOLDS if desired.hold_kernel else ())
    releases = (() if desired.hold else desired.family) + (() if desired.hold_kernel else _KERNEL_HOLDS)
    return Request(
        wanted=desired.packages,
        absent=desired.absent,
        hold=holds,
        release=releases,
        of_version=dict.fromkeys(desired.family, desired.version) if desired.version else {},
        of_origin=dict.fromkeys(desired.family, desired.repository.url) if desired.repository else {},
        by_preferences=() if desired.repository else desired.family,
        refuse=_KERNELS,
        may_go=desired.family,
        # A kernel's own scripts have DKMS build whichever driver is there.
        unfinished=("linux-*",),
        into="/usr",
    )


def prerequisites(desired: Desired, needs: Needs, manager: str) -> Request:
    """Return the packages that have to be there before the driver's.

    Parameters
    ----------
    manager
        The package manager, ``apt`` or ``dnf``.
    """
    tools = hold_tools(manager) if desired.hold or desired.hold_kernel else ()
    names = []
    if desired.is_built:
        names += ["dkms"]
        if desired.runfile:
            names += ["gcc"]  # the installer looks for `cc`, which a compiler by its version alone does not bring
        if desired.secure_boot:
            names += ["mokutil", "openssl"]
    request = Request(wanted=(*tools, *map(Wanted, names)), refuse=_KERNELS)
    return with_kernels(request, needs, desired) if desired.is_built else request


def tools_of_red_hat(desired: Desired, installed: Iterable[str]) -> dict[str, str]:
    """Return the tools that the node lacks and that RHEL's own repositories may not have, each with the way to it."""
    holds = desired.hold or desired.hold_kernel
    ways = {one.name: _WAY_TO_HOLD for one in hold_tools("dnf") if holds}
    if desired.is_built and desired.dkms_repository is None:
        ways["dkms"] = _WAY_TO_DKMS
    return {name: way for name, way in ways.items() if name not in set(installed)}


def require_tools(tools: Mapping[str, str], archive: Mapping[str, Sequence[str]]) -> None:
    """Refuse a node whose repositories lack one of these tools.

    Raises
    ------
    EvenkeelError
        One is missing; the message says the way to it.
    """
    for name, way in tools.items():
        if not archive[name]:
            raise EvenkeelError("No repository of the node has the package %s" % name, "Nothing was changed. " + way)


def with_kernels(request: Request, needs: Needs, desired: Desired) -> Request:
    """Return a request with what the kernels need; only a newer kernel lets it change kernels."""
    request = replace(request, wanted=(*request.wanted, *needs.wanted, *needs.kernel))
    return of_kernel(request, desired) if needs.kernel else request


def of_kernel(request: Request, desired: Desired) -> Request:
    """Return a request that may bring a newer kernel; dnf keeps only so many beside each other."""
    hold, release = (_KERNEL_HOLDS, ()) if desired.hold_kernel else ((), _KERNEL_HOLDS)
    return replace(
        request,
        hold=(*request.hold, *hold),
        release=(*request.release, *release),
        refuse=(),
        may_go=(*request.may_go, "kernel", "kernel-*"),
    )


def package_files(desired: Desired, manager: str) -> dict[str, str | None]:
    """Return the files of the package manager, with their texts; None for a file that must not be there."""
    if manager != "apt" or desired.runfile:
        return {}
    preferences = unattended = None
    if desired.family:
        # Each pattern makes apt look at all that it knows, at every start; the few sources cover all names.
        sources = ["%s:any" % one for one in desired.family if one.startswith("src:")]
        names = " ".join(sources or desired.family)
        companions = " ".join("%s:any" % one for one in desired.companions)
        pins = [(names, "release %s" % (_DISTRIBUTION if desired.repository else _NVIDIA), _NEVER)]
        if companions and not desired.repository:
            pins.append((companions, "release %s" % _NVIDIA, _NEVER))
        if desired.version:
            # apt takes the first record of a package's name that a version matches; pins of "*" count after these.
            pins += [(names, "version %s-*" % desired.version, _ALWAYS), (names, "release *", _NEVER)]
        records = ["\nPackage: %s\nPin: %s\nPin-Priority: %d\n" % pin for pin in pins]
        preferences = "%s\n%s" % (kept_files.MARK, "".join(records).lstrip())
    if desired.keep_off:
        names_of_driver = [one for one in desired.family if not one.startswith("src:")]
        patterns = [*map(_regular_expression, names_of_driver), "^cuda-drivers"]
        kernel = ["^linux-image-", "^linux-headers-"] if desired.hold_kernel else []
        lines = "".join('    "%s";\n' % pattern for pattern in dict.fromkeys([*patterns, *kernel]))
        unattended = "%s\nUnattended-Upgrade::Package-Blacklist {\n%s};\n" % (kept_files.MARK, lines)
    return {PREFERENCES: preferences, UNATTENDED: unattended}


def keeps_distribution_out(preferences: str) -> bool:
    """Return whether a text of apt's preferences has the driver come from NVIDIA's repository or one like it."""
    return "Pin: release %s\n" % _DISTRIBUTION in preferences


def nouveau_files(*, has_dracut: bool) -> dict[str, str | None]:
    """Return the files that keep nouveau off the hardware, with their texts."""
    modprobe = "blacklist nouveau\nblacklist nova_core\noptions nouveau modeset=0\ninstall nouveau /bin/false\n"
    files: dict[str, str | None] = {MODPROBE: "%s\n%s" % (kept_files.MARK, modprobe)}
    if has_dracut:
        files[DRACUT] = '%s\nomit_drivers+=" nouveau nova_core "\n' % kept_files.MARK
    return files


def of_driver_or_kernel(names: Iterable[str]) -> list[str]:
    """Return those of the packages that are held beside a driver, and the driver's main ones."""
    listed = list(names)
    return sorted({*driver_packages(listed), *matching(listed, _KERNEL_HOLDS)})


def driver_packages(installed: Iterable[str]) -> list[str]:
    """Return the installed packages that have brought a driver."""
    return sorted(filter(_DRIVER_PACKAGES.match, installed))


def what_is_left(desired: Desired, kernels: Sequence[Kernel]) -> list[str]:
    """Return what could not be done on a node, and why."""
    left = []
    if not kernels:
        left.append("no kernel module was built: the node has no kernel of its own")
    elif desired.container:
        left.append("the kernel module is not loaded: the node is a container")
    if desired.runfile and desired.persistence:
        left.append("the persistence daemon was not enabled: NVIDIA's installer has no systemd unit for it")
    if not desired.gpu:
        left.append("the driver's services were not started: the node has no GPU")
    return left


def _regular_expression(pattern: str) -> str:
    """Return a shell pattern of package names as a regular expression of unattended-upgrades."""
    parts = re.split(r"(\*|\[[^]]*\])", pattern)
    return "^%s$" % "".join(_OF_SHELL.get(part[:1], re.escape)(part) for part in parts)
