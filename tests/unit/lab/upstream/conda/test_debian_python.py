# SPDX-License-Identifier: GPL-3.0-or-later
"""Undoing what binds Debian's Python to /usr."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.upstream.conda import debian_python
from lab.upstream.conda.conda_package import PREFIX_PLACEHOLDER as PREFIX
from lab.upstream.conda.debian_python import DebianPython


@pytest.mark.parametrize(
    ("full", "version", "nodot", "depends"),
    [
        ("3.11.2", "3.11", "311", "python >=3.11,<3.12.0a0"),
        ("3.13.5", "3.13", "313", "python >=3.13,<3.14.0a0"),
    ],
)
def test_names_of_one_python(full: str, version: str, nodot: str, depends: str) -> None:
    python = DebianPython(full, "sid", (2, 40))
    assert (python.version, python.nodot, python.depends) == (version, nodot, depends)
    assert python.site_packages == f"lib/python{version}/site-packages"


@pytest.mark.parametrize(
    ("files", "newest"),
    [
        ([b"\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.9\0"], (2, 34)),
        ([b"\0GLIBC_2.2.5\0", b"\0GLIBC_2.38\0"], (2, 38)),
        ([b"\0GLIBC_2.17\0", b"needs GLIBC_2.99 or so\0"], (2, 17)),
    ],
)
def test_required_glibc_is_the_newest_symbol_version_of_any_file(files: list[bytes], newest: tuple[int, ...]) -> None:
    assert debian_python.required_glibc(files) == newest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("'prefix': '/usr',", f"'prefix': '{PREFIX}',"),
        ("'BINDIR': '/usr/bin',", f"'BINDIR': '{PREFIX}/bin',"),
        ("'EXENAME': '/usr/bin/python3.13',", f"'EXENAME': '{PREFIX}/bin/python3.13',"),
        ("'LIBDIR': '/usr/lib/x86_64-linux-gnu',", f"'LIBDIR': '{PREFIX}/lib',"),
        ("'A': '/usr /usr/include/python3.11'", f"'A': '{PREFIX} {PREFIX}/include/python3.11'"),
        ("'INSTALL': '/usr/bin/install -c',", "'INSTALL': '/usr/bin/install -c',"),
        ("'TZPATH': '/usr/share/zoneinfo:/usr/lib/zoneinfo',", "'TZPATH': '/usr/share/zoneinfo:/usr/lib/zoneinfo',"),
    ],
)
def test_sysconfigdata_names_the_prefix_but_leaves_the_system_alone(before: str, after: str) -> None:
    assert debian_python.relocated_sysconfigdata(before) == after


def test_sysconfig_installs_where_cpython_does() -> None:
    source = "        else:\n            prefix_scheme = 'posix_local'\n"
    assert debian_python.upstream_scheme(source) == source.replace("posix_local", "posix_prefix")


def test_a_sysconfig_that_debian_no_longer_changes_this_way_is_refused() -> None:
    with pytest.raises(LabError, match="posix_local"):
        debian_python.upstream_scheme("prefix_scheme = 'posix_prefix'\n")


def test_ensurepip_has_its_wheels_beside_it() -> None:
    source = "_WHEEL_PKG_DIR = sysconfig.get_config_var('WHEEL_PKG_DIR')\n"
    assert "os.path.dirname(__file__)" in debian_python.with_own_wheels(source)
    with pytest.raises(LabError, match="WHEEL_PKG_DIR"):
        debian_python.with_own_wheels("")


def test_sitecustomize_adds_site_packages_and_runs_its_pth_files(tmp_path: Path) -> None:
    site_packages = tmp_path / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"
    site_packages.mkdir(parents=True)
    (tmp_path / "more").mkdir()
    (site_packages / "more.pth").write_text(f"{tmp_path / 'more'}\n")
    program = (
        f"import site, sys; site.PREFIXES = [{str(tmp_path)!r}] * 2\n{debian_python.SITECUSTOMIZE}\n"
        "print(*site.getsitepackages(), *sys.path[-2:], sep='\\n')"
    )
    shown = subprocess.run([sys.executable, "-S", "-c", program], check=True, capture_output=True, text=True).stdout
    assert shown.splitlines() == [str(site_packages), str(site_packages), str(tmp_path / "more")]
