# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What of a node's surroundings prevents a driver, or keeps it from being of use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def problems(facts: Mapping[str, Any], version: str) -> list[str]:
    """Return what prevents a driver of this version (empty if unknown); ``facts`` as ``gpu_facts`` documents them."""
    return [*_elsewhere(facts), *_legacy_peer_memory(facts, version)]


def notes(facts: Mapping[str, Any], version: str, *, source: str) -> list[str]:
    """Return what limits the use of the driver from a source."""
    return [*_fabric(facts), *_imex(facts), *_peer_memory(facts, version, source)]


def _elsewhere(facts: Mapping[str, Any]) -> list[str]:
    """Return why the driver of the node is not its own."""
    if facts["virtualization"]["vm"] == "wsl" and not facts["virtualization"]["container"]:
        return [
            "The node is Linux on Windows (WSL), where the driver belongs to Windows. Install NVIDIA's driver on"
            " Windows, and remove the node from gpu_nodes."
        ]
    virtual = [f"{gpu['address']} (its host has {_host_driver(gpu)})" for gpu in facts["gpus"] if gpu["vgpu"]]
    if virtual:
        return [
            f"The node's GPU is NVIDIA's vGPU: {', '.join(virtual)}. It needs NVIDIA's GRID driver of its host's"
            " release, which Evenkeel does not install. Install it from NVIDIA's licensing portal, and remove the node"
            " from gpu_nodes."
        ]
    passed = [gpu["address"] for gpu in facts["gpus"] if gpu["passed_through"]]
    if passed and len(passed) == len(facts["gpus"]):
        return [
            f"All GPUs of the node ({', '.join(passed)}) are passed through to virtual machines (vfio-pci)."
            " Remove the node from gpu_nodes, or give a GPU back to the host."
        ]
    return []


def _host_driver(gpu: Mapping[str, Any]) -> str:
    return f"the driver {gpu['vgpu_host']}" if gpu["vgpu_host"] else "a driver of an unknown version"


def _legacy_peer_memory(facts: Mapping[str, Any], version: str) -> list[str]:
    installed = facts["driver"]["installed"]
    if not facts["peer_memory"]["legacy"] or (installed and version in ("", installed)):
        return []
    return [
        "The node has nv_peer_mem, a module for GPUDirect RDMA that was built for"
        f" {f'the driver {installed}' if installed else 'another driver'}, and that nothing rebuilds for the driver"
        f" {version or 'of the distribution'}. Remove its package"
        " (nvidia-peer-memory-dkms, or nvidia_peer_memory on the Red Hat family); the driver's own module"
        " nvidia-peermem replaces it."
    ]


def _fabric(facts: Mapping[str, Any]) -> list[str]:
    return [
        f"The fabric manager lacks {missing}, without which CUDA ends with the error 802. See `lspci -d 15b3:`, and"
        " have mlx5_ib and ib_umad loaded at boot (/etc/modules-load.d). On Ubuntu, linux-modules-extra may have them."
        for missing in facts["fabric_manager"]["missing"]
    ]


def _imex(facts: Mapping[str, Any]) -> list[str]:
    if not facts["imex"]["needed"] or facts["imex"]["configured"]:
        return []
    return [
        "The node's NVLink reaches other nodes, and nvidia-imex does not know them. List the addresses of the domain's"
        " nodes in /etc/nvidia-imex/nodes_config.cfg, and start nvidia-imex."
    ]


def _peer_memory(facts: Mapping[str, Any], version: str, source: str) -> list[str]:
    found, installed = facts["peer_memory"], facts["driver"]["installed"]
    if found["ofed"] and source == "distribution":
        return [
            "The distribution's module nvidia-peermem was not built for the node's network drivers (OFED, DOCA), so"
            " GPUDirect RDMA works only through DMA-BUF. Set nvidia_driver_source to nvidia to have it built for them."
        ]
    if installed and version == installed:
        return [
            f"nvidia-peermem of the kernel {kernel} is older than the node's network drivers (OFED, DOCA), and may not"
            f" load. Build it again: `dkms build --force nvidia/{version} -k {kernel}`, then `dkms install --force"
            f" nvidia/{version} -k {kernel}`."
            for kernel in found["stale"]
        ]
    return []
