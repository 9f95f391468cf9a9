# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
from pathlib import Path

from lab.people import directory_service


def test_the_library_has_what_the_name_service_calls(tmp_path: Path) -> None:
    path = tmp_path / "libnss_directory.so.2"
    path.write_bytes(directory_service._library())
    library = ctypes.CDLL(str(path))
    for function in ("getpwnam_r", "getpwuid_r", "getgrnam_r", "getgrgid_r"):
        assert getattr(library, f"_nss_directory_{function}")


def test_accounts_have_homes_for_themselves_alone() -> None:
    command = directory_service.join({"lena": 70001})
    assert "lena:x:70001:70001::/home/lena:/bin/bash" in command
    assert command.endswith("install -d --owner=lena --group=lena --mode=0700 /home/lena")
