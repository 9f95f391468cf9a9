# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from maintenance import refresh_gpu_data
from maintenance.refresh_gpu_data import DATA, Found, first_drivers, refresh, refreshed_toolkits, understood

TODAY = "2026-12-24"
README = """\
# NVIDIA Linux Open GPU Kernel Module Source

This is the source release of the NVIDIA Linux open GPU kernel modules,
version {version}.

| Product Name                     | PCI ID         |
| -------------------------------- | -------------- |
{rows}
"""
B200 = "| NVIDIA B200                      | 2901 10DE 1999 |"
H20 = "| NVIDIA H20                       | 2329 10DE 198B |\n| NVIDIA H20-A                     | 2329 10DE 198C |"
NEW = "| NVIDIA B900 SXM9                 | 31FF 10DE 0001 |"
LAPTOP = "| NVIDIA GeForce RTX 9090 Laptop GPU | 2C18         |"
UNKNOWN = "| NVIDIA R100                      | 4000           |"
NOTES = """\
<table><tr><th>CUDA Toolkit</th><th>Linux</th></tr>
<tr><td>CUDA 13.4 Update 2</td><td>&gt;=615.80.01</td><td>N/A</td></tr>
<tr><td>CUDA 13.5 GA</td><td>&gt;=620.44</td><td>N/A</td></tr>
<tr><td>CUDA 13.0 GA</td><td>&gt;=999.1.2</td></tr>
<tr><td>CUDA 9.0 (9.0.76)</td><td>&gt;= 384.81</td></tr></table>
"""
INDEX = (
    '<a href="nvidia-fabricmanager_580.200.01-1_amd64.deb">x</a> cuda-drivers-570_570.250.01-0ubuntu1_amd64.deb'
    " nvidia-fabric-manager-535.300.01-1.x86_64.rpm nvidia-settings_999.1.1-1_amd64.deb"
)


def readme(version: str, *rows: str) -> str:
    return README.format(version=version, rows="\n".join(rows))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The collection's own data, where it may be changed."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("gpus", "nvidia_branches", "cuda_toolkits"):
        (folder / f"{name}.yml").write_text((DATA / f"{name}.yml").read_text())
    return folder


def given(folder: Path, *texts: str) -> list[str]:
    """Return files with these texts."""
    paths = [folder / f"given{number}" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return list(map(str, paths))


def loaded(folder: Path, name: str) -> Any:
    return yaml.safe_load((folder / f"{name}.yml").read_text())


def test_new_gpus_get_their_name_and_their_first_driver(data: Path, tmp_path: Path) -> None:
    before = loaded(data, "gpus")
    files = given(
        tmp_path,
        readme("615.71.09", B200, H20),
        readme("620.50.01", B200, H20, NEW, LAPTOP, UNKNOWN),
        readme("620.44", B200, H20, NEW),
    )
    said = refresh(files, data, TODAY)
    after = loaded(data, "gpus")
    assert after["names"] == {**before["names"], "0x2329": "H20", "0x31ff": "B900 SXM9"}
    assert list(after["names"]) == sorted(after["names"])
    rule = {"first": 0x31FF, "last": 0x31FF, "generation": "blackwell", "min_version": "620.44"}
    assert [one for one in after["ranges"] if one not in before["ranges"]] == [rule]
    assert after["ranges"].index(rule) > after["ranges"].index(
        {"first": 0x3100, "last": 0x31FF, "generation": "blackwell"}
    )
    assert after["read"] == TODAY
    assert "not known, add its range by hand: GPU 0x4000" in said
    assert refresh(files, data, TODAY)[-1:] == ["not known, add its range by hand: GPU 0x4000"]


def test_one_readme_shows_no_first_driver() -> None:
    assert first_drivers({"620.44": {"0x31ff": "B900"}}) == {}
    assert first_drivers({"620.44": {"0x31ff": "B900"}, "615.9.1": {}}) == {"0x31ff": "620.44"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(
            {
                "580": {"driver_info": [{"release_version": "580.200.01"}, {"release_version": "580.65.06"}]},
                "570": {"driver_info": [{"release_version": "570.250.01"}]},
                "535": {"driver_info": [{"release_version": "535.300.01"}]},
            }
        ),
        INDEX,
    ],
    ids=["releases.json", "index"],
)
def test_branches_get_newer_versions(text: str, data: Path, tmp_path: Path) -> None:
    before = loaded(data, "nvidia_branches")
    refresh(given(tmp_path, text), data, TODAY)
    after = loaded(data, "nvidia_branches")
    versions = {branch: one["version"] for branch, one in after["branches"].items()}
    expected = {"535": "535.300.01", "570": "570.250.01", "580": "580.200.01"}
    assert versions == {**{branch: one["version"] for branch, one in before["branches"].items()}, **expected}
    assert {**after, "branches": None, "read": None} == {**before, "branches": None, "read": None}


def test_a_branch_is_never_set_back_and_a_new_one_is_named(data: Path, tmp_path: Path) -> None:
    before = loaded(data, "nvidia_branches")["branches"]
    releases = {
        "580": {"driver_info": [{"release_version": "580.65.06"}]},
        "630": {"driver_info": [{"release_version": "630.10"}]},
        "470": {"driver_info": [{"release_version": "470.256.02"}]},
    }
    said = refresh(given(tmp_path, json.dumps(releases)), data, TODAY)
    assert loaded(data, "nvidia_branches")["branches"] == before
    assert [line for line in said if "by hand" in line] == ["not known, add it by hand: branch 630 (630.10)"]


def test_toolkits_get_their_drivers(data: Path, tmp_path: Path) -> None:
    before = loaded(data, "cuda_toolkits")
    refresh(given(tmp_path, NOTES), data, TODAY)
    after = loaded(data, "cuda_toolkits")
    expected = {**before["toolkits"], "13.5": {"13.5.0": "620.44"}}
    expected["13.4"] = {**before["toolkits"]["13.4"], "13.4.2": "615.80.01"}
    assert after["toolkits"] == expected
    assert {**after, "toolkits": None, "read": None} == {**before, "toolkits": None, "read": None}


def test_nothing_new_leaves_the_text_as_it_is() -> None:
    text = (DATA / "cuda_toolkits.yml").read_text()
    assert refreshed_toolkits(text, {"13.0.0": "580.65.06", "9.0.0": "384.81"}) == text


@pytest.mark.parametrize("text", ["", "<html>Log in</html>", "{}x", '{"580": []}', '{"580": {"driver_info": [{}]}}'])
def test_what_says_nothing_is_refused_and_nothing_is_written(text: str, data: Path, tmp_path: Path) -> None:
    before = {path: path.read_text() for path in data.iterdir()}
    with pytest.raises(EvenkeelError):
        refresh(given(tmp_path, INDEX, text), data, TODAY)
    assert {path: path.read_text() for path in data.iterdir()} == before


def test_names_of_a_readme() -> None:
    found = Found()
    understood("README.md", readme("620.44", "| Tesla T4 | 1EB8 10DE 12A2 |", H20, LAPTOP), found)
    assert found.names["620.44"] == {
        "0x1eb8": "Tesla T4",
        "0x2329": "H20",
        "0x2c18": "GeForce RTX 9090 Laptop GPU",
    }


def test_the_program(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(refresh_gpu_data, "DATA", data)
    monkeypatch.setattr(sys, "argv", ["refresh_gpu_data", *given(tmp_path, INDEX)])
    assert refresh_gpu_data.main() == 0
    assert '"580": {version: 580.200.01' in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["refresh_gpu_data", str(tmp_path / "none")])
    assert refresh_gpu_data.main() == 1
    assert "can't be read" in capsys.readouterr().err
