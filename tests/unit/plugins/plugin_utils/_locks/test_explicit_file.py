# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.explicit_file import read, render

CHANNEL = "https://repo.anaconda.com/pkgs/main"
APP = Package("a-pp", "1.0", "py_0", "1a" * 32, url=f"{CHANNEL}/noarch/a-pp-1.0-py_0.conda", depends=("python >=3",))
PYTHON = Package("python", "3.11.2", "0_cpython", "2b" * 32, url=f"{CHANNEL}/linux-64/python-3.11.2-0_cpython.tar.bz2")
WHEEL = Package(
    "humanize", "4.11.0", "", "3c" * 32, "pip", url="https://files.example/humanize-4.11.0-py3-none-any.whl"
)
TOOL = Package("tool", "", "", "", "pip", url=f"git+https://host.example/tool@{'5f' * 20}")
TEXT = f"""\
# platform: linux-64
@EXPLICIT
{PYTHON.url}#{PYTHON.sha256}
{APP.url}#{APP.sha256}
# pip humanize @ {WHEEL.url}#sha256={WHEEL.sha256}
# pip tool @ {TOOL.url}
"""


def test_what_a_package_needs_stands_before_it() -> None:
    assert render("linux-64", (APP, PYTHON, WHEEL, TOOL)) == TEXT


def test_packages_that_need_each_other_are_written_once() -> None:
    python, app = replace(PYTHON, depends=("a-pp",)), APP
    assert sorted(render("linux-64", (app, python)).splitlines()) == sorted(TEXT.splitlines()[:4])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "conda-linux-64.lock"
    path.write_text(TEXT)
    assert [vars(package) for package in read(path, "linux-64")] == [
        vars(replace(package, depends=())) for package in (APP, PYTHON, WHEEL, TOOL)
    ]


@pytest.mark.parametrize(
    ("suffix", "hashes"),
    [
        ("4d" * 16, ("4d" * 16, "")),
        ("4D" * 16, ("4d" * 16, "")),
        ("5e" * 32, ("", "5e" * 32)),
        (f"sha256:{'5e' * 32}", ("", "5e" * 32)),
        (f"md5:{'4d' * 16}", ("4d" * 16, "")),
        ("", ("", "")),
    ],
)
def test_the_hashes_that_conda_knows(tmp_path: Path, suffix: str, hashes: tuple[str, str]) -> None:
    path = tmp_path / "explicit.txt"
    path.write_text(f"# created-by: conda 26.7.1\n@EXPLICIT\n\n{APP.url}#{suffix}\n")
    (package,) = read(path, "linux-64")
    assert (package.md5, package.sha256) == hashes
    assert (package.name, package.version, package.build) == ("a-pp", "1.0", "py_0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no line @EXPLICIT"),
        (TEXT.replace("@EXPLICIT", ""), "has no line @EXPLICIT"),
        ("# platform: linux-64\n@EXPLICIT\n", "names no package"),
        (TEXT.replace("platform: linux-64", "platform: osx-arm64"), "is for osx-arm64, not for linux-64"),
        (TEXT.replace("/linux-64/", "/linux-aarch64/"), "tar.bz2 is for linux-aarch64, not for linux-64"),
        (f"@EXPLICIT\n{APP.url}#{'4d' * 15}\n", "has the sha256 '4d4d.*', which is not valid"),
        (f"@EXPLICIT\n{APP.url}#{'zz' * 16}\n", "has the md5 'zz.*', which is not valid"),
        ("@EXPLICIT\nnumpy=2.0\n", "'numpy=2.0' is not the URL of a package of conda"),
        (TEXT + f"{APP.url}#{APP.sha256}\n", "holds a-pp twice: 1.0 py_0 and 1.0 py_0"),
        (f"@EXPLICIT\n# pip tool @ {WHEEL.url}\n", "has no SHA-256"),
        ("@EXPLICIT\n# pip tool @ git+https://host.example/tool@main\n", "whose content may change"),
    ],
)
def test_a_file_that_proves_nothing_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "explicit.txt"
    path.write_text(text)
    with pytest.raises(EvenkeelError, match=f"^{path}.*{message}"):
        read(path, "linux-64")


def test_the_version_of_a_wheel_is_the_one_that_its_url_means(tmp_path: Path) -> None:
    path = tmp_path / "explicit.txt"
    url = "https://files.example/torch-2.4.0%2Bcu121-cp311-cp311-linux_x86_64.whl"
    path.write_text(f"@EXPLICIT\n# pip torch @ {url}#sha256={'ab' * 32}\n")
    (package,) = read(path, "linux-64")
    assert (package.version, package.url) == ("2.4.0+cu121", url)
