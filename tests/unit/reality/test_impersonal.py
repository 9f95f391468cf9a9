# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from reality import impersonal
from reality.world import ROOT

UUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "trainer-7.lab.corp.example")
    monkeypatch.setenv("SUDO_USER", "ann.smith")
    monkeypatch.setenv("USER", "root")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("trainer-7.lab.corp.example does not answer", "HOST does not answer"),
        ("on trainer-7: driver 580.178.04", "on HOST: driver 580.178.04"),
        ("trainer-71 and mytrainer-7 are others", "trainer-71 and mytrainer-7 are others"),
        ("ann.smith may not open /dev/nvidia0", "USER may not open /dev/nvidia0"),
        ("ann.smithson", "ann.smithson"),
        ("/home/bob/envs/x: the check failed", "~/envs/x: the check failed"),
        (f"{ROOT}/x and {Path.home()}/y", "./x and ~/y"),
        (f"GPU-{UUID} and MIG-{UUID.upper()}", "GPU-UUID and MIG-UUID"),
        ("link 52:54:00:12:ab:ff is down", "link MAC is down"),
        ("serial number: 1320223054321", "serial number: …"),
        ('"Serial": "PCB0123456"', '"Serial": "…"'),
        ("https://a.example/x.sh?X-Amz-Signature=SECRET answered 403", "https://a.example/x.sh?… answered 403"),
        ("is it https://a.example/x? Yes", "is it https://a.example/x? Yes"),
        ("a serial port; serial console", "a serial port; serial console"),
        ("GPU 0000:01:00.0 and 12.9.1", "GPU 0000:01:00.0 and 12.9.1"),
        (
            "root and ubuntu2404 of docker.io/library/ubuntu:24.04",
            "root and ubuntu2404 of docker.io/library/ubuntu:24.04",
        ),
    ],
)
def test_a_text_names_neither_machine_nor_people(text: str, plain: str) -> None:
    assert impersonal.impersonal(text) == plain


@pytest.mark.parametrize(
    ("home", "text", "plain"),
    [
        ("/", "https://conda.example/x and /usr/lib", "https://conda.example/x and /usr/lib"),
        ("/root", "/root/x, /root. /rootfs, /root-2/x", "~/x, ~. /rootfs, /root-2/x"),
        ("/root", "https://site.example/root/x", "https://site.example/root/x"),
        ("/root/", "file:///root/x", "file://~/x"),
    ],
)
def test_a_home_is_left_out_where_it_is_one(home: str, text: str, plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    assert impersonal.impersonal(text) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("/data/ann/envs/torch-2: torch fails", "…/torch-2: torch fails"),
        ("~/x/y, /srv/team-b/", "…/y, …/team-b"),
        ("/usr/lib/libcuda.so.1 and /dev/nvidia0", "/usr/lib/libcuda.so.1 and /dev/nvidia0"),
        ("/etcetera/x", "…/x"),
        ("https://site.example/a/b", "https://site.example/a/b"),
        ("up to 3/4 of it", "up to 3/4 of it"),
    ],
)
def test_folders_of_their_own_are_left_out(text: str, plain: str) -> None:
    assert impersonal.without_paths(text) == plain


def test_a_host_that_is_called_as_a_distribution_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "debian.corp.example")
    assert impersonal.impersonal("debian:12 on debian.corp.example") == "debian:12 on HOST"


def test_each_text_of_a_record_is_changed_and_nothing_else() -> None:
    record = {"gpus": [{"uuid": f"GPU-{UUID}", "memory_mib": 81559, "mig": False}], "cuda": None, "of": ("trainer-7",)}
    expected = {"gpus": [{"uuid": "GPU-UUID", "memory_mib": 81559, "mig": False}], "cuda": None, "of": ["HOST"]}
    assert impersonal.mapped(record) == expected
    json.dumps(impersonal.mapped(record))


def test_it_needs_no_package() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); from reality.impersonal import *; print(impersonal('x'))"
    argv = ["python3", "-S", "-I", "-c", code, str(ROOT)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, env={"PATH": "/usr/bin"})
    assert done.stdout == "x\n"
