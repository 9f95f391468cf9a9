# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock, entries
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.entries import check, conda_package, pip_package

LOCK = Path("/srv/fleet/conda-lock.yml")
SHA256 = "ab" * 32
#: As conda-lock writes it: two of pip's packages have only a source archive.
FOREIGN = """\
version: 1
metadata:
  content_hash: {linux-64: "0"}
  channels: [{url: conda-forge, used_env_vars: []}]
  platforms: [linux-64]
  sources: [environment.yml]
package:
- {name: python, version: 3.11.9, manager: conda, platform: linux-64, dependencies: {}, category: main, optional: false,
   url: "https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-h0_0.conda",
   hash: {sha256: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}}
- {name: docopt, version: 0.6.2, manager: pip, platform: linux-64, dependencies: {}, category: main, optional: false,
   url: "https://files.example/docopt-0.6.2.tar.gz",
   hash: {sha256: cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc}}
- {name: antlr4, version: "4.9", manager: pip, platform: linux-64, dependencies: {}, category: main, optional: false,
   url: "https://files.example/antlr4-4.9.zip?x=1",
   hash: {sha256: cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc}}
- {name: torch, version: 2.4.0+cu121, manager: pip, platform: linux-64, dependencies: {}, category: main,
   optional: false, url: "https://download.example/whl/cu121/torch-2.4.0%2Bcu121-cp311-cp311-linux_x86_64.whl",
   hash: {sha256: dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd}}
"""


def test_what_a_node_would_have_to_build_is_refused_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "conda-lock.yml"
    path.write_text(FOREIGN)
    lock = conda_lock.read(path)  # so that it can be locked again
    tool = Package("tool", "0.1", "", "", "pip", url=f"git+https://git.example/tool@{'ab' * 20}")
    with pytest.raises(EvenkeelError) as error:
        entries.require_built(path, [*lock.packages["linux-64"], tool])
    assert str(error.value) == (
        f"{path} holds source archives or commits, and nodes build nothing: antlr4 4.9, docopt 0.6.2, tool 0.1. "
        "Lock its environment.yml with Evenkeel's playbook lock.yml, which builds wheels of them once: "
        "lock_build: [antlr4, docopt, tool]."
    )
    entries.require_built(path, [one for one in lock.packages["linux-64"] if one.name not in ("antlr4", "docopt")])


@pytest.mark.parametrize(
    "url",
    [
        "https://download.example/whl/cu121/torch-2.4.0%2Bcu121-cp311-cp311-linux_x86_64.whl",
        "wheels/0123456789abcdef/tool-1.0-py3-none-any.whl",
        "../my wheels/0123456789abcdef/tool-1.0-py3-none-any.whl",
        "file:///srv/wheels/tool-1.0-py3-none-any.whl",
        f"git+https://git.example/tool.tar.gz@{'ab' * 20}",
    ],
)
def test_what_needs_no_build_or_is_in_older_locks_is_taken(url: str) -> None:
    packages = check(LOCK, [pip_package(LOCK, "tool", "1.0", url, None if url.startswith("git") else SHA256)])
    assert [package.url for package in packages] == [url]


@pytest.mark.parametrize("url", ["wheels/0f/tool-1.0-py3-none-any.whl", "../../wheels/0f/tool-1.0-py3-none-any.whl"])
def test_a_wheel_beside_the_lock_is_named_by_a_relative_path(url: str) -> None:
    assert pip_package(LOCK, "Tool", "1.0", url, SHA256) == Package("tool", "1.0", "", SHA256, PIP, url=url)


@pytest.mark.parametrize(
    ("url", "sha256"),
    [
        ("wheels/0f/tool-1.0-py3-none-any.whl", None),
        ("/srv/wheels/tool-1.0-py3-none-any.whl", SHA256),
        ("~/tool-1.0-py3-none-any.whl", SHA256),
        ("C:\\wheels\\tool-1.0-py3-none-any.whl", SHA256),
        ("wheels/tool", SHA256),
    ],
)
def test_other_paths_are_refused(url: str, sha256: str | None) -> None:
    with pytest.raises(EvenkeelError, match="whose content may change at any time"):
        pip_package(LOCK, "tool", "1.0", url, sha256)


@pytest.mark.parametrize(
    ("name", "version", "url"),
    [
        ("tool", "1.0\n-r /etc/shadow\n", "https://files.example/tool-1.0-py3-none-any.whl"),
        ("tool", "1.0 --hash=x", "https://files.example/tool-1.0-py3-none-any.whl"),
        ("tool", "-1", "https://files.example/tool-1.0-py3-none-any.whl"),
        ("tool", "1.0/2", "https://files.example/tool-1.0-py3-none-any.whl"),
        ("tool\n-r x", "1.0", "https://files.example/tool-1.0-py3-none-any.whl"),
        ("-r", "1.0", "https://files.example/tool-1.0-py3-none-any.whl"),
        ("tool", "1.0", "https://h/a b\n-r /etc/shadow\n.whl"),
        ("tool", "1.0", "https://h/${SECRET}/tool-1.0-py3-none-any.whl"),
        ("tool", "1.0", "https://[h/tool-1.0-py3-none-any.whl"),
        ("tool", "1.0", "wheels/a\n-r x.whl"),
        ("tool", "1.0", "file:///etc/shadow"),
        ("tool", "1.0", "/etc/tool-1.0-py3-none-any.whl"),
        ("tool", "1.0", f"git+ssh://-oProxyCommand=x/tool@{'ab' * 20}"),
        ("tool", "1.0", f"git+ssh://%2doProxyCommand=x/tool@{'ab' * 20}"),
        ("tool", "1.0", f"git+ssh://-oProxyCommand=x@host/tool@{'ab' * 20}"),
        ("tool", "1.0", f"git+ssh://git@-oProxyCommand=x/tool@{'ab' * 20}"),
    ],
)
def test_what_is_more_than_a_package_of_pip_is_refused(name: str, version: str, url: str) -> None:
    with pytest.raises(EvenkeelError):
        pip_package(LOCK, name, version, url, SHA256)


@pytest.mark.parametrize(
    "file",
    [
        "..%2f..%2fa-1-0.conda",
        "a-1%2f..-0.conda",
        "a-1-..%2f0.conda",
        "a%0a-1-0.conda",
        ".a-1-0.conda",
        "a-1%20-0.conda",
        "a b-1-0.conda",
        "-a-1-0.conda",
    ],
)
def test_what_is_more_than_a_package_of_conda_is_refused(file: str) -> None:
    with pytest.raises(EvenkeelError):
        conda_package(LOCK, f"https://conda.example/c/noarch/{file}", None, SHA256, "linux-64")


@pytest.mark.parametrize(
    "url",
    [
        "https://conda.example/c/linux-64/_libgcc_mutex-0.1-conda_forge.tar.bz2",
        "https://conda.example/c/linux-64/x264-1!164.3095-h166bdaf_2.tar.bz2",
        "file:///srv/channel/noarch/a.b-c_d-1.0+cu12-py_0.conda",
    ],
)
def test_names_versions_and_builds_of_real_packages_are_taken(url: str) -> None:
    assert conda_package(LOCK, url, None, SHA256, "linux-64").url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://conda.example/c/win-64/a-1-0.conda",
        "https://conda.example/linux-64/../osx-64/a-1-0.conda",
        "https://conda.example/c/%2e%2e/linux-64/a-1-0.conda",
        "https://conda.example/c\\..\\linux-64/linux-64/a-1-0.conda",
        "https://conda.example/a-1-0.conda",
        "https://conda.example/a-1-0.conda?x=/linux-64/a-1-0.conda",
        "https://conda.example/c/linux-64/a-1-0.conda?sig=x",
        "https://conda.example/c/linux-64/a-1-0.conda#x",
        "ftp://conda.example/c/linux-64/a-1-0.conda",
        "file://host/c/linux-64/a-1-0.conda",
        "file:///srv/../etc/linux-64/a-1-0.conda",
        "git+https://conda.example/c/linux-64/a-1-0.conda",
        "/srv/c/linux-64/a-1-0.conda",
    ],
)
def test_a_package_of_conda_is_in_a_channel_for_its_platform(url: str) -> None:
    with pytest.raises(EvenkeelError):
        conda_package(LOCK, url, None, SHA256, "linux-64")


@pytest.mark.parametrize(
    "url",
    [
        "https://ada:sesame@h.example",
        "https://ada@h.example",
        "https://h.example/t/sesame",
        "https://h.example/api/repo/t/sesame",
        "https://h.example/get?token=sesame&file=",
    ],
)
def test_credentials_are_neither_taken_nor_shown(url: str) -> None:
    for read in (
        lambda: conda_package(LOCK, f"{url}/c/linux-64/a-1-0.conda", None, SHA256, "linux-64"),
        lambda: pip_package(LOCK, "a", "1", f"{url}/a-1-py3-none-any.whl", SHA256),
    ):
        with pytest.raises(EvenkeelError, match="carries credentials") as error:
            read()
        assert "sesame" not in str(error.value)


@pytest.mark.parametrize("needed", ["", " b", "b\n-r /etc/shadow", "b \x1b[2J", "-b", "../b"])
def test_what_names_no_package_is_no_dependency(needed: str) -> None:
    for read in (
        lambda: conda_package(LOCK, "https://h/linux-64/a-1-0.conda", None, SHA256, "linux-64", [needed]),
        lambda: pip_package(LOCK, "a", "1", "https://h/a-1-py3-none-any.whl", SHA256, [needed]),
    ):
        with pytest.raises(EvenkeelError, match=r"a depends on '.*', which names no package"):
            read()


def test_dependencies_as_real_locks_have_them_are_taken() -> None:
    needs = ("__glibc >=2.17,<3.0.a0", "_openmp_mutex >=4.5", "python >=3.11,<3.12.0a0", "zlib ==1.3|1.4 h*_0")
    package = conda_package(LOCK, "https://h/linux-64/a-1-0.conda", None, SHA256, "linux-64", needs)
    assert package.depends == needs
    needs = ("jupyter-client (>=6) ; extra == 'x'", "requests[socks]>=2", "typing_extensions")
    assert pip_package(LOCK, "a", "1", "https://h/a-1-py3-none-any.whl", SHA256, needs).depends == needs
