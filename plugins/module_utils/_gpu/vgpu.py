# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a GPU is a virtual one: NVIDIA's vGPU, which the guest's driver must fit.

The hypervisor's driver puts a vendor-specific capability, ``VF``, into the device's configuration space. Of its
records, the one of kind 0 has the version and the branch of that driver, each in ten bytes.
Source: github.com/NVIDIA/k8s-device-plugin, internal/vgpu; https://docs.nvidia.com/vgpu/.
"""

from __future__ import annotations

_WHOLE = 256
_STATUS, _HAS_CAPABILITIES = 0x06, 0x10
_FIRST_CAPABILITY, _VENDOR_SPECIFIC = 0x34, 0x09
_SIGNATURE, _RECORDS = b"VF", 5
_HOST, _VERSION_LENGTH = 0, 10


def read(config: bytes) -> tuple[bool | None, str]:
    """Return whether a configuration space is a vGPU's, and the version of its host's driver, if it has that.

    None is not known: an ordinary user sees the first 64 bytes only.
    """
    if len(config) < _WHOLE:
        return None, ""
    capability = _capability(config)
    if capability[3:_RECORDS] != _SIGNATURE:
        return False, ""
    return True, _host_version(capability)


def _capability(config: bytes) -> bytes:
    """Return the vendor-specific capability; empty without one."""
    if not config[_STATUS] & _HAS_CAPABILITIES:
        return b""
    place, seen = config[_FIRST_CAPABILITY], set[int]()
    while place and place not in seen and place + 3 <= _WHOLE:
        seen.add(place)
        if config[place] == _VENDOR_SPECIFIC:
            return config[place : place + config[place + 2]]
        place = config[place + 1]
    return b""


def _host_version(capability: bytes) -> str:
    place = _RECORDS
    while place + 2 + _VERSION_LENGTH <= len(capability):
        if capability[place] == _HOST:
            return capability[place + 2 : place + 2 + _VERSION_LENGTH].strip(b"\0").decode("ascii", "replace")
        length = capability[place + 1]
        if not length:
            break
        place += length
    return ""
