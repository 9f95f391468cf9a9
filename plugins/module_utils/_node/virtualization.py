# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a node is a container or a virtual machine, and of which kind."""

from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

_MARKS = {"/run/.containerenv": "podman", "/.dockerenv": "docker"}
#: What hypervisors call the machines that they make, by the beginnings of vendor and product.
_MACHINES = (
    ("QEMU", "", "kvm"),
    ("Red Hat", "KVM", "kvm"),
    ("OpenStack", "", "kvm"),
    ("Google", "Google Compute Engine", "google"),
    ("Amazon EC2", "", "amazon"),
    ("VMware", "", "vmware"),
    ("Microsoft Corporation", "Virtual Machine", "microsoft"),
    ("Xen", "", "xen"),
    ("innotek", "", "oracle"),
)
#: Windows Subsystem for Linux, by its kernel's release, or by the device through which Windows lends its GPU.
#: Source: https://learn.microsoft.com/windows/wsl/, https://docs.nvidia.com/cuda/wsl-user-guide/
WSL = "wsl"
_WINDOWS_GPU = "/dev/dxg"
_BARE = (".metal", "-metal")


def container(system: Sysroot) -> str:
    """Return the kind of container, such as ``podman``; empty outside of one."""
    kind = system.text("/run/systemd/container")
    if kind:
        return kind
    for path, kind in _MARKS.items():
        if system.exists(path):
            return kind
    return "kubernetes" if "/kubepods" in system.text("/proc/1/cgroup") else ""


def machine(system: Sysroot) -> str:
    """Return the kind of virtual machine, such as ``kvm``, or ``wsl``, Linux within Windows; empty on bare metal."""
    if "microsoft" in system.text("/proc/sys/kernel/osrelease").lower() or system.exists(_WINDOWS_GPU):
        return WSL
    vendor, product = (system.text("/sys/class/dmi/id/" + name) for name in ("sys_vendor", "product_name"))
    for maker, model, kind in _MACHINES:
        if vendor.startswith(maker) and product.startswith(model) and not any(mark in product for mark in _BARE):
            return kind
    return ""
