# SPDX-License-Identifier: GPL-3.0-or-later
"""The CDI specification: where it is, whether it is of the loaded driver, and when none can be made."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cdi
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

SPECIFICATION = """\
cdiVersion: 0.5.0
kind: nvidia.com/gpu
containerEdits:
  mounts:
    - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.178.04
      hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.178.04
"""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", cdi.DEFAULT),
        ("# NVIDIA_CTK_CDI_OUTPUT_FILE_PATH=/etc/cdi/nvidia.yaml\n", cdi.DEFAULT),
        ("NVIDIA_CTK_DEBUG=1\nNVIDIA_CTK_CDI_OUTPUT_FILE_PATH=/etc/cdi/nvidia.yaml\n", "/etc/cdi/nvidia.yaml"),
        ('NVIDIA_CTK_CDI_OUTPUT_FILE_PATH="/etc/cdi/a b.yaml"\n', "/etc/cdi/a b.yaml"),
        ("NVIDIA_CTK_CDI_OUTPUT_FILE_PATH=\n", cdi.DEFAULT),
    ],
)
def test_people_may_have_it_elsewhere(settings: str, expected: str) -> None:
    assert cdi.place(settings) == expected


@pytest.mark.parametrize(
    ("version", "specification", "expected"),
    [
        ("580.178.04", SPECIFICATION, True),
        ("580.178", SPECIFICATION, False),
        ("595.91.07", SPECIFICATION, False),
        ("580.178.04", "", False),
    ],
)
def test_a_specification_is_of_one_driver(version: str, specification: str, expected: bool) -> None:
    assert cdi.is_current(version, specification) is expected


@pytest.mark.parametrize(
    ("loaded", "libraries", "words"),
    [
        ("580.178.04", {"580.178.04"}, ""),
        ("580.178.04", {"580.178.04", "535.274.02"}, ""),
        ("", {"580.178.04"}, "no driver is loaded"),
        ("", set(), "no driver is loaded"),
        ("580.178.04", set(), "libraries are not installed"),
        (
            "580.159.03",
            {"580.178.04"},
            "waits for a reboot: the driver 580.159.03 is loaded, and 580.178.04 is installed",
        ),
    ],
)
def test_why_none_can_be_made_now(loaded: str, libraries: set[str], words: str) -> None:
    why = cdi.why_left(loaded, libraries)
    assert words in why
    assert bool(why) is bool(words)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A service that makes the specification of driver 580.178.04; what it was asked."""
    place = tmp_path / "nvidia.yaml"
    asked: list[list[str]] = []

    def require(argv: list[str], remedy: str) -> str:
        asked.append(argv)
        place.write_text(SPECIFICATION)
        return ""

    monkeypatch.setattr(cdi, "DEFAULT", str(place))
    monkeypatch.setattr(cdi, "SERVICE_SETTINGS", str(tmp_path / "none"))
    monkeypatch.setattr(command, "require", require)
    return asked


def test_the_toolkits_own_service_makes_it(service: list[list[str]]) -> None:
    cdi.refresh("580.178.04")
    assert service == [["systemctl", "restart", "nvidia-cdi-refresh.service"]]
    assert cdi.is_current("580.178.04", cdi.read())


def test_a_service_that_makes_none_is_an_error(service: list[list[str]]) -> None:
    with pytest.raises(EvenkeelError, match=r"created no specification of the driver 595\.91\.07 in .*journalctl"):
        cdi.refresh("595.91.07")


def test_libraries_are_found_where_distributions_have_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lib64/libcuda.so.580.178.04", "x86_64-linux-gnu/libcuda.so.1", "nvidia/libcuda.so.535.274.02"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(cdi, "_LIBRARIES", [f"{tmp_path}/lib64", f"{tmp_path}/*-linux-gnu", f"{tmp_path}/nvidia"])
    assert cdi.libraries() == {"580.178.04", "535.274.02"}


@pytest.mark.parametrize(
    ("text", "there", "loaded", "words"),
    [
        (SPECIFICATION, True, "580.178.04", ""),
        (SPECIFICATION, True, "", ""),
        (SPECIFICATION, True, "595.91.07", "names the driver 580.178.04, and 595.91.07 is loaded"),
        (
            SPECIFICATION,
            False,
            "580.178.04",
            "names files that are gone: /usr/lib/x86_64-linux-gnu/libcuda.so.580.178.04",
        ),
        (SPECIFICATION, False, "", "names files that are gone"),
        ('{"kind":"nvidia.com/gpu","hostPath":"/usr/bin/gone"}', True, "", "gone: /usr/bin/gone"),
        # A service's socket comes and goes.
        ("kind: nvidia.com/gpu\nhostPath: /run/nvidia-persistenced/socket\n", True, "580.178.04", ""),
    ],
)
def test_a_specification_of_something_else_is_stale(
    text: str, there: bool, loaded: str, words: str, tmp_path: Path
) -> None:
    library = tmp_path / "usr/lib/x86_64-linux-gnu/libcuda.so.580.178.04"
    library.parent.mkdir(parents=True)
    if there:
        library.touch()
    (tmp_path / "etc/cdi").mkdir(parents=True)
    (tmp_path / "etc/cdi/nvidia.yaml").write_text(text)
    (tmp_path / "etc/cdi/other.json").write_text('{"kind": "example.com/gpu"}')
    (found,) = cdi.specifications(Sysroot(str(tmp_path)))
    assert words in found.why_stale(loaded)
    assert bool(found.why_stale(loaded)) is bool(words)
