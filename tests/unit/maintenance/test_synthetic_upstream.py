# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request

import pytest

from maintenance import synthetic_upstream
from maintenance.synthetic_upstream import Asked

FILE = """
channels: [conda-forge, "https://conda.example/team"]
dependencies:
  - python=3.8.5=h7579374_1
  - conda-forge::NumPy>=1.20,<2
  - pytorch[version='>=2.1', build='*cuda12*']
  - scipy
  - sel(linux): kernel-headers >3
  - pip:
      - --extra-index-url https://wheels.example/cu121
      - torch==2.1.0+cu121
      - Uvicorn[standard]<1
      - git+https://git.example/clip@abc
"""
EXPLICIT = """
@EXPLICIT
https://conda.example/team/linux-64/xz-5.2.4-h14c3975_4.tar.bz2#0123456789abcdef0123456789abcdef
https://conda.example/team/linux-64/zlib-1.3-0.conda#89abcdef
https://conda.example/team/noarch/scipy-1.0-0.tar.bz2#fedcba9876543210fedcba9876543210
"""


@pytest.fixture
def asked() -> Asked:
    asked = Asked()
    for text in (FILE, EXPLICIT, "# comment\n-r other.txt\nhttpx == 0.27 ; python_version > '3'\n", "- [", "{}"):
        asked.add_file(text)
    return asked


def test_what_one_odd_file_asks_for_spoils_no_other() -> None:
    asked = Asked()
    asked.add_file("dependencies: [s\u0441ipy, requests=2.28+, numpy=1!1.26, pandas=2.0+cu1]\n")
    assert asked.conda == {("numpy", "1!1.26", "0"), ("pandas", "2.0+cu1", "0")}
    asked.archives["noarch", "s\u0441ipy-1-0.conda"] = ""
    assert "s\u0441ipy" in synthetic_upstream.repodata(asked, "noarch").decode()


def test_each_name_is_there_in_a_version_that_is_asked_for(asked: Asked) -> None:
    assert asked.conda == {
        ("kernel-headers", "3", "0"),
        ("kernel-headers", "3.1", "0"),
        ("numpy", "1.20", "0"),
        ("numpy", "2", "0"),
        ("python", "3.8.5", "h7579374_1"),
        ("pytorch", "2.1", "cuda12"),
        ("scipy", "1.0", "0"),
    }
    assert asked.archives == {
        ("linux-64", "xz-5.2.4-h14c3975_4.tar.bz2"): "0123456789abcdef" * 2,
        ("noarch", "scipy-1.0-0.tar.bz2"): "fedcba9876543210" * 2,
    }
    assert asked.pip == {"httpx": {"0.27"}, "torch": {"2.1.0+cu121"}, "uvicorn": {"1", "0.0.1"}}
    assert asked.extras["uvicorn"] == {"standard"}


def test_each_host_is_mirrored(asked: Asked) -> None:
    mirrors = synthetic_upstream.mirrors(asked.hosts, "http://127.0.0.1:1")
    assert mirrors["https://conda.example"] == "http://127.0.0.1:1/conda.example"
    assert {f"https://{host}" for host in ("wheels.example", "git.example", "conda.anaconda.org")} <= set(mirrors)


@pytest.mark.parametrize(
    ("rest", "versions"),
    [
        ("", {("1.0", "0")}),
        ("=1.2", {("1.2", "0")}),
        ("==1.2.*", {("1.2", "0")}),
        ("=1.2=py38_0", {("1.2", "py38_0")}),
        (" 1.2 py38_0", {("1.2", "py38_0")}),
        ("=*=*cuda*", {("1.0", "cuda")}),
        ("<2", {("2", "0"), ("0.0.1", "0")}),
        ("!=2", {("2", "0"), ("2.1", "0")}),
        (">=1.2a3|2.0", {("1.2a3", "0"), ("2.0", "0")}),
        ("[build=*_cuda]", {("1.0", "_cuda")}),
        ("~= 1.2", {("1.2", "0")}),
        ("=1!157.2=0_h1", {("1!157.2", "0_h1")}),
        (" >=1.2 , <3", {("1.2", "0"), ("3", "0")}),
    ],
)
def test_versions_of_a_specification(rest: str, versions: set[tuple[str, str]]) -> None:
    assert set(synthetic_upstream.versions_of_spec(rest)) == versions


@pytest.mark.parametrize(
    ("rest", "versions"),
    [
        ("", {"1.0"}),
        ("==1.2.*", {"1.2"}),
        (">=1.2,<3", {"1.2", "3"}),
        (">1.2", {"1.2", "1.2.1"}),
        ("!=1.2", {"1.2", "1.2.1", "0.0.1"}),
        ("~=1.4.2", {"1.4.2"}),
        ("==1.0.0-rc1", {"1.0.0rc1"}),
        ("(>=1.2)", {"1.2"}),
        ("==1.2 --hash=sha256:ab", {"1.2"}),
    ],
)
def test_versions_of_a_requirement(rest: str, versions: set[str]) -> None:
    assert set(synthetic_upstream.versions_of_requirement(rest)) == versions


def get(url: str) -> str:
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - a server of this test
        return str(answer.read().decode())


def test_the_server_is_every_channel_and_every_index(asked: Asked) -> None:
    with synthetic_upstream.serving(asked) as url:
        index = json.loads(get(f"{url}/conda.example/team/noarch/repodata.json"))
        assert index["packages.conda"]["python-3.12.7-0.conda"]["depends"] == []
        assert "scipy-1.0-0.conda" not in index["packages.conda"]
        assert index["packages"]["scipy-1.0-0.tar.bz2"]["md5"] == "fedcba9876543210" * 2
        index = json.loads(get(f"{url}/conda.example/team/linux-64/repodata.json"))
        assert index["packages"]["xz-5.2.4-h14c3975_4.tar.bz2"]["md5"] == "0123456789abcdef" * 2
        assert index["packages.conda"] == {}
        page = get(f"{url}/wheels.example/cu121/Torch/")
        text = get(f"{url}/wheels/torch-2.1.0+cu121-py3-none-any.whl.metadata")
        assert f'data-core-metadata="sha256={hashlib.sha256(text.encode()).hexdigest()}"' in page
        assert "Version: 2.1.0+cu121" in text
        assert "Provides-Extra: standard" in get(f"{url}/wheels/uvicorn-1-py3-none-any.whl.metadata")
        assert "torch-2.1.0+cu121" in get(f"{url}/wheels.example/torch_stable.html")
        for missing in ("simple/nobody/", "x/noarch/repodata.json.zst", "x/repodata_shards.msgpack.zst"):
            with pytest.raises(urllib.error.HTTPError):
                get(f"{url}/{missing}")
