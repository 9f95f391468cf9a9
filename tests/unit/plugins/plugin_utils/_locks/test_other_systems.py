# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.other_systems import require_linux

FILE = Path("environment.yml")
#: Shortened from what `conda env export` writes on each system.
WINDOWS = (
    "ca-certificates=2022.07.19=haa95532_0",
    "m2w64-gcc-libs=5.3.0=7",
    "python=3.9.12=h6244533_0",
    "vc=14.2=h21ff451_1",
    "vs2015_runtime=14.27.29016=h5e58377_2",
    "wincertstore=0.2=py39haa95532_2",
)
MACOS = (
    "appnope=0.1.2=py38hecd8cb5_1001",
    "ca-certificates=2022.07.19=hecd8cb5_0",
    "libcxx=12.0.0=h2f01273_0",
    "python=3.8.13=hdfd78df_0",
)
LINUX = (
    "_libgcc_mutex=0.1=main",
    "_openmp_mutex=5.1=1_gnu",
    "ca-certificates=2022.07.19=h06a4308_0",
    "libcxx",
    "libcxx>=14",
    "python=3.9.12=h12debd9_1",
)


@pytest.mark.parametrize(
    ("packages", "pip", "message", "remedy"),
    [
        (
            WINDOWS,
            (),
            "m2w64-gcc-libs, vc, vs2015_runtime, wincertstore, which only Windows has",
            "m2w64-gcc-libs # [win]",
        ),
        (MACOS, (), "appnope, libcxx, which only macOS has", "appnope # [osx]"),
        (
            ("python",),
            ("tensorflow-macos==2.12.0", "tensorflow-metal"),
            "tensorflow-macos (pip), tensorflow-metal (pip), which only macOS",
            "darwin",
        ),
        (("tensorflow-macos",), (), "tensorflow-macos, which only macOS has", "# [osx]"),
        (("python", "PyWin32 >=300"), (), "pywin32, which only Windows has", "pywin32 # [win]"),
        (("defaults::pywin32",), (), "pywin32, which only Windows has", "pywin32 # [win]"),
        ((), ("pywin32==306",), "pywin32 (pip), which only Windows has", 'pywin32 ; sys_platform == "win32"'),
        (
            ("m2-a", "m2-b", "m2-c", "m2-d", "m2-e", "m2-f", "m2-g"),
            (),
            "m2-a, m2-b, m2-c, m2-d, m2-e and 2 more",
            "m2-a #",
        ),
    ],
)
def test_an_export_of_another_system_is_recognised(
    packages: tuple[str, ...], pip: tuple[str, ...], message: str, remedy: str
) -> None:
    with pytest.raises(EvenkeelError) as error:
        require_linux(packages, pip, FILE)
    assert error.value.what.startswith(f"environment.yml: dependencies holds {message}")
    assert "conda env export --from-history" in error.value.remedy
    assert remedy in error.value.remedy


def test_an_export_of_linux_is_taken() -> None:
    require_linux(LINUX, ("colorama==0.4", "pywin32==306; sys_platform == 'win32'"), FILE)
