# SPDX-License-Identifier: GPL-3.0-or-later
"""Those who serve a site's mirror and those who ask it agree on the paths."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import site as sites
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import mirrors, site_mirror

INDEX, FILES = "https://i.example.org/root/+simple/", "https://f.example.org/packages"


def urls(mirror: Any, **options: Any) -> dict[str, str]:
    return {one["path"]: one["url"] for one in site_mirror.upstreams(mirror, **options)}


@pytest.mark.parametrize("mirror", [*mirrors.presets(), "https://m.example.org/anaconda", {"host": "m.example.org"}])
def test_all_that_nodes_ask_is_served(mirror: Any) -> None:
    served = sites.upstreams(site_mirror.upstreams(mirror))
    channels = [name for name in ("conda-forge", "defaults") if mirrors.mirror_of(mirror).carried(name)]
    answer = mirrors.answer({"host": "own"}, channels)
    asked = [*answer["repodata"], site_mirror.repository({"host": "own"}, "nvidia/cuda")]
    asked += [answer["installers"][kind] for kind in mirrors.mirror_of(mirror).installers]
    paths = [url.partition("//own:8008/")[2] for url in asked]
    assert [path for path in paths if not any(f"{path}/".startswith(f"{one.path}/") for one in served)] == []


@pytest.mark.parametrize(
    ("mirror", "path", "url"),
    [
        ("anaconda", "anaconda/cloud", "https://conda.anaconda.org"),
        ("anaconda", "nvidia/cuda", "https://developer.download.nvidia.com/compute/cuda/repos"),
        ("conda-forge", "anaconda/cloud", "https://conda.anaconda.org"),
        ("tuna", "anaconda/cloud/Paddle", "https://mirrors.tuna.tsinghua.edu.cn/anaconda/cloud/Paddle"),
        ("tuna", "pypi", "https://mirrors.tuna.tsinghua.edu.cn/pypi/web"),
        ({"host": "up", "port": 80}, "anaconda", "http://up:80/anaconda"),
        ({"host": "up", "tls": True}, "nvidia/container", "https://up:8443/nvidia/container"),
        ({"host": "fd00::1"}, "pypi/simple", "http://[fd00::1]:8008/pypi/simple"),
    ],
)
def test_a_path_has_the_upstream_of_the_mirror(mirror: Any, path: str, url: str) -> None:
    assert urls(mirror)[path] == url


def test_an_index_has_pages_whose_links_stay_here() -> None:
    found = {one["path"]: one for one in site_mirror.upstreams("anaconda", INDEX, [FILES])}
    assert found["pypi/simple"] == {
        "path": "pypi/simple",
        "url": "https://i.example.org/root/+simple",
        "pages": True,
        "links": {FILES: "pypi/files/f.example.org/packages"},
    }
    assert found["pypi"]["url"] == "https://i.example.org/root"
    assert found["pypi/files/f.example.org/packages"]["url"] == FILES


def test_links_to_a_path_of_the_index_lead_to_its_host() -> None:
    index = "https://i.example.org:8443/root/simple/"
    found = {one["path"]: one for one in site_mirror.upstreams("anaconda", index, ["/packages/"])}
    assert found["pypi/simple"]["links"] == {"/packages": "pypi/files/i.example.org_8443/packages"}
    assert found["pypi/files/i.example.org_8443/packages"]["url"] == "https://i.example.org:8443/packages"


def test_an_index_without_a_folder_is_refused() -> None:
    with pytest.raises(EvenkeelError, match="has no folder of its own"):
        site_mirror.upstreams("anaconda", "https://i.example.org")


def test_what_an_operator_names_wins() -> None:
    further = {"debian": "https://d.example.org/debian", "nvidia/cuda": "", "/miniforge/": "https://f.example.org"}
    found = urls("anaconda", further=further)
    assert found["debian"] == "https://d.example.org/debian"
    assert found["miniforge"] == "https://f.example.org"
    assert "nvidia/cuda" not in found


@pytest.mark.parametrize(
    ("wish", "url"),
    [
        ("anaconda", ""),
        ("", ""),
        ({"url": "https://m.example.org"}, ""),
        (["tuna"], ""),
        ([{"host": "m"}, "tuna"], "http://m:8008/nvidia/cuda"),
        ({"host": "m", "port": 9000}, "http://m:9000/nvidia/cuda"),
    ],
)
def test_a_mirror_of_channels_alone_has_no_other_repositories(wish: Any, url: str) -> None:
    assert site_mirror.repository(wish, "nvidia/cuda") == url


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"host": "m/x"}, r"host is 'm/x'"),
        ({"host": "m", "port": "http"}, r"port 'http'"),
        ({"host": "m", "channels": ["c"]}, "unknown keys channels"),
    ],
)
def test_a_host_that_is_none_is_refused(wish: Any, words: str) -> None:
    with pytest.raises(EvenkeelError, match=words):
        mirrors.mirror_of(wish)


def test_every_channel_comes_from_the_sites_mirror() -> None:
    answer = mirrors.answer({"host": "m", "pip_index": ""}, ["defaults", "conda-forge", "own"])
    assert answer["custom_channels"] == dict.fromkeys(("conda-forge", "own"), "http://m:8008/anaconda/cloud")
    assert answer["prefixes"] == {
        "https://repo.anaconda.com": "http://m:8008/anaconda",
        "https://conda.anaconda.org": "http://m:8008/anaconda/cloud",
    }
    assert answer["pip_index"] == ""


def test_a_group_names_mirrors_in_its_order() -> None:
    hostvars = {
        "b": {"ansible_host": "192.0.2.7", "package_mirror_tls": True},
        "a": {"package_mirror_host": "a.example.org", "package_mirror_port": 80, "package_mirror_pip_index": "none"},
        "c": {},
        "gone": {"package_mirror_state": "absent"},
    }
    assert site_mirror.of_group({"package_mirrors": ["b", "gone", "a", "c"]}, hostvars) == [
        {"host": "192.0.2.7", "tls": True},
        {"host": "a.example.org", "port": 80, "pip_index": ""},
        {"host": "c"},
    ]
    assert site_mirror.of_group({}, {}) == []
