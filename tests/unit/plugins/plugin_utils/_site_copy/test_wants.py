# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator lists becomes exact files and sets of packages, as roles choose them; what can't be is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import site_copy
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._site_copy.wants import path_of, wants

A, B, C = "a" * 64, "b" * 64, "c" * 64
UPSTREAMS = [
    {"path": "anaconda", "url": "https://near.example.org/anaconda"},
    {"path": "internal", "url": "https://conda.example.org/team"},
]
PACKAGES = (
    Package("numpy", "2.0", "0", A, url="https://repo.anaconda.com/pkgs/main/linux-64/numpy-2.0-0.conda", size=7),
    Package("own", "1!1", "0", B, url="https://conda.example.org/team/tools/linux-64/own-1!1-0.conda"),
    Package("six", "1+cu1", "", C, PIP, url="https://files.example.org/six-1%2Bcu1-py3-none-any.whl"),
    Package("built", "1", "", C, PIP, url="wheels/cc/built-1-py3-none-any.whl"),
)


def write(folder: Path, *packages: Package, name: str = "conda-lock.yml") -> Path:
    lock = Lock(
        ("https://repo.anaconda.com/pkgs/main",),
        ("environment.yml",),
        {"linux-64": packages},
        {"linux-64": A},
        {"linux-64": {}},
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(conda_lock.render(lock, "x"))
    return path


def computed(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    found = wants(asked, UPSTREAMS, str(folder))
    given = {"directory": "/srv/copy", "wants": found}
    assert ArgumentSpecValidator(site_copy.ARGUMENT_SPEC).validate(given).error_messages == []
    return found


@pytest.mark.parametrize("named", ["ai-dev", "ai-dev/environment.yml", "ai-dev/conda-lock.yml"])
def test_packages_of_locks_have_the_paths_of_the_mirror(tmp_path: Path, named: str) -> None:
    write(tmp_path / "ai-dev", *PACKAGES)
    (tmp_path / "ai-dev" / "environment.yml").write_text("dependencies: [numpy]\n")
    found = computed({"locks": [named]}, tmp_path)
    assert found["conda"] == [
        {"path": "internal/tools/linux-64/own-1!1-0.conda", "sha256": B, "size": 0},
        {"path": "anaconda/pkgs/main/linux-64/numpy-2.0-0.conda", "sha256": A, "size": 7},
    ]
    assert [(one["project"], one["name"], one["sha256"]) for one in found["pip"]] == [
        ("six", "six-1+cu1-py3-none-any.whl", C)
    ]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://repo.anaconda.com/pkgs/r/noarch/x.conda", "anaconda/pkgs/r/noarch/x.conda"),
        ("https://conda.anaconda.org/conda-forge/noarch/x.conda", "anaconda/cloud/conda-forge/noarch/x.conda"),
        ("https://near.example.org/anaconda/pkgs/main/noarch/x.conda", "anaconda/pkgs/main/noarch/x.conda"),
    ],
)
def test_urls_have_paths(url: str, path: str) -> None:
    assert path_of(url, UPSTREAMS) == path


@pytest.mark.parametrize(
    ("distribution", "architecture", "repository", "package"),
    [
        ("Debian 12", "x86_64", "nvidia/cuda/debian12/x86_64", "nvidia-kernel-open-dkms=580.178.04"),
        ("Ubuntu 24.04", "aarch64", "nvidia/cuda/ubuntu2404/sbsa", "nvidia-dkms-580-open=580.178.04"),
        ("Rocky 9", "x86_64", "nvidia/cuda/rhel9/x86_64", "kmod-nvidia-open-dkms=580.178.04"),
    ],
)
def test_the_driver_is_that_of_the_role(
    tmp_path: Path, distribution: str, architecture: str, repository: str, package: str
) -> None:
    asked = {"distributions": [distribution], "architectures": [architecture], "driver": {"branches": ["580"]}}
    found = computed(asked, tmp_path)
    [one] = found["packages"]
    assert one["repositories"][0]["path"] == repository
    assert package in one["packages"]
    assert one["pins"][0]["version"] == "580.178.04"
    assert not one["complete"]
    assert found["files"][0]["path"] == one["repositories"][0]["key"]


def test_the_distributions_own_packages_come_out_of_its_repositories(tmp_path: Path) -> None:
    debian = [{"path": "debian", "suite": "bookworm", "components": ["main"], "key": "debian/key.asc"}]
    asked = {
        "distributions": ["Debian 12"],
        "driver": {"branches": ["580"], "fabric_manager": True},
        "cuda": {"versions": ["12.8"], "cudnn": "9"},
        "container_toolkit": True,
        "repositories": {"Debian 12": debian},
        "packages": {"Debian 12": ["htop"]},
        "files": [{"path": "debian/key.asc", "sha256": A}],
    }
    found = computed(asked, tmp_path)
    driver, cuda, toolkit, own = found["packages"]
    assert all(one["complete"] and one["repositories"][-1]["path"] == "debian" for one in found["packages"])
    assert {"nvidia-fabricmanager=580.178.04", "nvidia-imex=580.178.04"} <= set(driver["packages"])
    assert cuda["packages"][:2] == ["cuda-toolkit-12-8", "libcudnn9-cuda-12"]
    assert toolkit["repositories"][0]["key"] == "nvidia/container/gpgkey"
    assert {"dkms", "linux-headers-amd64", "nginx", "htop"} <= set(own["packages"])
    assert {"path": "debian/key.asc", "sha256": A} in found["files"]
    without = computed({**asked, "os_packages": False}, tmp_path)
    assert without["packages"][-1]["packages"] == ["htop"]


def test_installers_are_the_known_ones(tmp_path: Path) -> None:
    found = computed(
        {
            "installers": ["miniconda", {"distribution": "miniforge", "version": "26.3.2-3", "sha256": A}],
            "architectures": ["x86_64", "aarch64"],
        },
        tmp_path,
    )["files"]
    assert [one["path"].rpartition("-")[2] for one in found] == ["x86_64.sh", "aarch64.sh"] * 2
    assert found[0]["path"].startswith("anaconda/miniconda/Miniconda3-py3")
    assert len(found[0]["sha256"]) == 64
    assert found[2] == {"path": "miniforge/26.3.2-3/Miniforge3-26.3.2-3-Linux-x86_64.sh", "sha256": A}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (None, "package_mirror_copy is empty. Set it to a mapping"),
        (["ai-dev"], "package_mirror_copy is a list. Set it to a mapping"),
        ({"lock": []}, "holds 'lock', which is none of its keys. Use locks instead"),
        ({"locks": "ai-dev"}, "package_mirror_copy.locks is 'ai-dev'. Set it to a list"),
        ({"distributions": "Debian 12"}, "distributions is 'Debian 12'. Set it to a list"),
        ({"distributions": ["Debian 12"], "driver": {"branches": 580}}, "driver.branches is 580. Set it to a list"),
        ({"distributions": ["Debian 12"], "driver": True}, "driver is true. Set it to a mapping"),
        ({"distributions": ["Debian 12"], "cuda": {"versions": ["12.8"], "cudn": "9"}}, "Use cudnn instead"),
        ({"distributions": ["Debian 12"], "container_toolkit": 1.17}, "nvidia_container_toolkit_version is '1.17'"),
        ({"installers": [{"version": "1"}]}, r"installers\[0\].distribution is not set"),
        ({"installers": [7]}, r"installers\[0\] is 7. Set it to a mapping"),
        ({"packages": ["htop"]}, "packages is a list. Set it to a mapping"),
        ({"packages": {"Debian 12": "htop"}}, r"packages\[Debian 12\] is 'htop'. Set it to a list"),
        ({"repositories": {"Debian 12": ["debian"]}}, r"repositories\[Debian 12\]\[0\] is 'debian'. Set it to a map"),
        ({"repositories": {"Debian 12": [{"pth": "x"}]}}, "holds 'pth', which is none of its keys. Use path instead"),
        ({"files": [{"url": "https://h/x"}]}, r"files\[0\].path is not set"),
        ({"locks": ["none"]}, "There is no lock .*none"),
        ({"locks": ["ai-dev"], "platforms": ["linux-aarch64"]}, "is for linux-64, not for linux-aarch64"),
        ({"locks": ["git"]}, "own 1 is from git.*, which has no fixed content"),
        ({"locks": ["other"]}, "and no upstream of the mirror does"),
        ({"installers": ["anaconda"]}, "There is no distribution 'anaconda'"),
        ({"installers": ["miniconda"], "architectures": ["arm"]}, "is 'arm'. Set it to one of"),
        ({"distributions": ["Debian 9"]}, "does not support NVIDIA's packages on Debian 9"),
        ({"distributions": ["Debian 12"], "driver": {"branches": ["1"]}}, "driver 1 on Debian 12.*branch 1"),
        ({"distributions": ["Ubuntu 26.04"], "driver": {"branches": ["580"]}}, "has no branch 580"),
        ({"distributions": ["Debian 12"], "driver": {"branch": "580"}}, "driver holds 'branch', which is none"),
        ({"distributions": ["Debian 12"], "cuda": {"versions": [12.8]}}, "not a version in quotes"),
        ({"distributions": ["Debian 12"], "container_toolkit": "1.1.0"}, "container toolkit on Debian 12"),
        ({"packages": {"Debian 12": ["htop"]}}, "which is not among its distributions"),
        ({"distributions": ["Debian 12"], "packages": {"Debian 12": ["htop"]}}, "has no repositories of it"),
    ],
)
def test_what_cannot_be_given_is_named(tmp_path: Path, asked: Any, message: str) -> None:
    write(tmp_path / "ai-dev", *PACKAGES)
    (tmp_path / "git").mkdir()
    write(tmp_path / "git", Package("own", "1", "", "", PIP, url="git+https://git.example.org/own@" + "a" * 40))
    write(tmp_path / "other", Package("x", "1", "0", A, url="https://elsewhere.example.org/c/noarch/x-1-0.conda"))
    with pytest.raises(EvenkeelError, match=message):
        wants(asked, UPSTREAMS, str(tmp_path))


@pytest.mark.parametrize(
    "asked",
    [
        {"locks": "ai-dev"},
        {"locks": ["none"]},
        {"packages": {"Debian 12": ["htop"]}},
        {"distributions": ["Debian 12"], "packages": {"Debian 12": ["htop"]}},
        {"distributions": ["Debian 12"], "driver": {"branches": ["1"]}},
    ],
)
def test_messages_name_the_variable_that_has_it(tmp_path: Path, asked: dict[str, Any]) -> None:
    with pytest.raises(EvenkeelError, match=r"bundle_copy\b") as refused:
        wants(asked, UPSTREAMS, str(tmp_path), "bundle_copy")
    assert "package_mirror_copy" not in str(refused.value)


@pytest.mark.parametrize(("text", "sets"), [("false", 0), ("yes", 1), (True, 1), ("1.20.1", 1)])
def test_words_for_true_and_false(tmp_path: Path, text: Any, sets: int) -> None:
    asked = {"distributions": ["Debian 12", "Debian 12"], "container_toolkit": text}
    assert len(computed(asked, tmp_path)["packages"]) == sets
    asked = {"distributions": ["Debian 12"], "driver": {"branches": ["580"], "graphics": "false"}}
    plain = {"distributions": ["Debian 12"], "driver": {"branches": ["580"]}}
    assert computed(asked, tmp_path) == computed(plain, tmp_path)
