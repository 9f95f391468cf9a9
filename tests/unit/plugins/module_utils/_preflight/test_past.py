# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a node's past."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt import conda_places
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, tcp_port
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.tcp_port import Holder
from ansible_collections.evenkeel.gpu.plugins.module_utils._preflight import past

POLICY = """nvidia-utils-535-server:
  Installed: 535.274.02-0ubuntu0.24.04.1
  Candidate: 580.1-1
  Version table:
     580.1-1 600
        600 https://m/cuda  Packages
 *** 535.274.02-0ubuntu0.24.04.1 500
        500 http://archive.example.org/ubuntu noble/restricted amd64 Packages
        100 /var/lib/dpkg/status
libnvidia-cfg1-535-server:
  Installed: 535.1
  Candidate: 535.1
  Version table:
 *** 535.1 100
        100 /var/lib/dpkg/status
"""
INSTALLED = """ii \tnvidia-utils-535-server\t535.274.02-0ubuntu0.24.04.1
rc \tnvidia-dkms-470\t470.1
un \tnvidia-driver\t
ii \tlibnvidia-container1\t1.19.1-1
ii \tlibnvidia-cfg1-535-server\t2:535.1
ii \tbash\t5.2
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nvidia-open-580", True),
        ("nvidia-headless-no-dkms-535-server", True),
        ("libnvidia-compute-535-server", True),
        ("linux-modules-nvidia-580-open-6.8.0-90-generic", True),
        ("kmod-nvidia-open-dkms", True),
        ("libnvidia-container1", False),
        ("nvidia-container-toolkit", False),
        ("nvidia-cuda-toolkit", False),
        ("python3-nvidia", False),
    ],
)
def test_packages_of_a_driver(name: str, expected: bool) -> None:
    assert past.is_driver(name) is expected


def test_origins() -> None:
    assert past.parse_policy(POLICY) == {
        "nvidia-utils-535-server": "http://archive.example.org/ubuntu",
        "libnvidia-cfg1-535-server": "",
    }


def test_drivers_by_version_and_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"dpkg-query": INSTALLED, "apt-cache": POLICY}
    monkeypatch.setattr(shutil, "which", lambda name, path: name if name in answers else None)
    monkeypatch.setattr(command, "run", lambda argv, **_options: Done(0, answers[argv[0]], ""))
    assert past.drivers() == [
        {"version": "535.1", "origin": "", "packages": ["libnvidia-cfg1-535-server"]},
        {
            "version": "535.274.02-0ubuntu0.24.04.1",
            "origin": "http://archive.example.org/ubuntu",
            "packages": ["nvidia-utils-535-server"],
        },
    ]


def test_drivers_of_rpms(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "nvidia-driver\t580.1-1.el9\tNVIDIA\nbash\t5-1\tRocky\n"
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    monkeypatch.setattr(command, "run", lambda argv, **_options: Done(0, rows, ""))
    assert past.drivers() == [{"version": "580.1-1.el9", "origin": "NVIDIA", "packages": ["nvidia-driver"]}]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("deb [signed-by=/k] https://m.example.org/cuda/repos/ubuntu2404/x86_64/ /", 1),
        ("# deb https://m.example.org/cuda/repos/x/ /", 0),
        ("deb http://archive.example.org/ubuntu noble main", 0),
        ("Types: deb\nURIs: https://nvidia.github.io/libnvidia-container/stable/deb/amd64\nSuites: /", 1),
        ("Enabled: no\nURIs: https://nvidia.github.io/libnvidia-container/stable/deb/amd64", 0),
        ("[cuda]\nbaseurl=https://m/cuda/repos/rhel9/\ngpgkey=https://m/cuda/key.pub\nenabled=1", 1),
        ("[cuda]\nbaseurl=https://m/cuda/repos/rhel9/\nenabled = 0", 0),
        ("deb file:/srv/nvidia/x /", 1),
    ],
)
def test_addresses_of_nvidia(text: str, urls: int) -> None:
    assert len(past.foreign(text)) == urls


def test_files_of_others(tmp_path: Path) -> None:
    folder = tmp_path / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    for name in ("cuda.list", "evenkeel-nvidia-cuda.sources", "cuda.list.save"):
        (folder / name).write_text("deb https://m/cuda/x /\n")
    assert past.repositories(Sysroot(str(tmp_path))) == ["/etc/apt/sources.list.d/cuda.list (https://m/cuda/x)"]


def test_distributions_of_conda(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [{"path": "/opt/anaconda3", "kind": "distribution"}, {"path": "/opt/x/envs/y", "kind": "environment"}]
    asked = []

    def find(own: list[str], *_seconds: float, measure: bool) -> dict[str, list[Any]]:
        asked.append((own, measure))
        return {"places": places, "settings": [], "unread": ["ana: hangs"]}

    monkeypatch.setattr(conda_places, "find", find)
    assert past.conda(["/opt/miniconda3"]) == ["/opt/anaconda3"]
    assert asked == [(["/opt/miniconda3"], False)]


def test_the_port_of_the_notebook_server(monkeypatch: pytest.MonkeyPatch) -> None:
    holders = [
        Holder("127.0.0.1", 1, "systemd", "init.scope"),
        Holder("127.0.0.1", 8, "jupyter-lab", "jupyter@ada.service"),
        Holder("0.0.0.0", 9, "jupyter-lab", "user@1000.service"),  # noqa: S104
    ]
    monkeypatch.setattr(tcp_port, "read", lambda address, port: holders if port == 8888 else [])
    assert past.port_holders(8888) == ["jupyter-lab, pid 9 (user@1000.service)"]
    assert past.port_holders(8889) == []
