# SPDX-License-Identifier: GPL-3.0-or-later
"""Driver and toolkits come from one repository, which goes with the last of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cuda_repository, driver_request, runfile
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver_request import Desired
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import nvidia_repositories
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

CUDA = Repository("evenkeel-nvidia-cuda", "apt", "https://m/cuda/", "https://m/cuda/k.asc")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node with the repository, and without driver and toolkits."""
    monkeypatch.setattr(repository, "_APT", str(tmp_path))
    monkeypatch.setattr(repository, "_RPM", str(tmp_path / "yum.repos.d"))
    monkeypatch.setattr(repository, "_RPM_KEYS", str(tmp_path / "rpm-gpg"))
    monkeypatch.setattr(made, "FOLDER", str(tmp_path / "made"))
    monkeypatch.setattr(driver_request, "PREFERENCES", str(tmp_path / "preferences"))
    monkeypatch.setattr(driver_request, "MODPROBE", str(tmp_path / "modprobe"))
    monkeypatch.setattr(cuda_repository, "_OF_TOOLKITS", (str(tmp_path / "profile"),))
    monkeypatch.setattr(cuda_repository, "_OF_DNF", str(tmp_path))
    Path(CUDA.path).parent.mkdir()
    Path(CUDA.path).write_text(repository.text(CUDA, CUDA.key_path, "0", "0"))
    return tmp_path


@pytest.mark.parametrize(("repository_of", "uses"), [(CUDA, True), (None, False)], ids=["NVIDIA's", "the archive's"])
def test_the_driver_keeps_it_if_it_comes_from_there(repository_of: Repository | None, uses: bool, node: Path) -> None:
    wanted = Desired("open", gpu=True, family=("nvidia-*",), repository=repository_of)
    preferences = driver_request.package_files(wanted, "apt")[driver_request.PREFERENCES]
    (node / "preferences").write_text(preferences or "")
    (node / "modprobe").touch()
    removal, left = cuda_repository.without_toolkits()
    assert bool(removal.files) is not uses
    assert left == ("the repository evenkeel-nvidia-cuda: it goes with the driver, for which it is there too",) * uses


@pytest.mark.parametrize(
    ("settings", "by_installer", "uses"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_where_dnf_has_no_preferences_the_drivers_settings_show_it(
    settings: bool, by_installer: bool, uses: bool, node: Path
) -> None:
    if settings:
        (node / "modprobe").touch()
    made.note("nvidia_driver", [Thing("file", runfile.UNINSTALLER)] * by_installer)
    assert bool(cuda_repository.without_toolkits()[0].files) is not uses


@pytest.mark.parametrize("shown", ["settings", "record", ""])
def test_toolkits_keep_it_as_long_as_any_is_there(shown: str, node: Path) -> None:
    if shown == "settings":
        (node / "profile").touch()
    if shown == "record":
        made.note("cuda_toolkit", [Thing("package", "cuda-toolkit-12-8")])
    removal, left = cuda_repository.without_driver()
    assert bool(removal.files) is not bool(shown)
    assert bool(left) is bool(shown)


def test_nothing_is_said_of_a_repository_that_is_not_there(node: Path) -> None:
    Path(CUDA.path).unlink()
    (node / "profile").touch()
    removal, left = cuda_repository.without_driver()
    assert (list(removal.files), left) == ([], ())


def test_the_control_node_names_the_repositories_so() -> None:
    assert cuda_repository.NAME == nvidia_repositories.NAME
    epel = nvidia_repositories.epel(Platform("Rocky", "9.4", "x86_64"), "https://m/epel")
    assert epel is not None
    assert epel["name"] == cuda_repository.EPEL
