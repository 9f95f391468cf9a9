# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import sources
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import ALIAS, ANACONDA


@pytest.mark.parametrize(
    ("files", "mirrors"),
    [
        ([], {}),
        ([{"channels": ["conda-forge", "https://m.example/conda-forge"], "ssl_verify": True}], {}),
        ([{"channel_alias": "https://m.example/cloud/"}], {ALIAS: "https://m.example/cloud"}),
        ([{"channel_alias": ALIAS}], {}),
        (
            [{"channel_alias": "https://one.example"}, {"channel_alias": "https://two.example"}],
            {ALIAS: "https://two.example"},
        ),
        (
            [{"default_channels": ["https://m.example/pkgs/main", "https://m.example/pkgs/r/", "conda-forge"]}],
            {f"{ANACONDA}/pkgs/main": "https://m.example/pkgs/main", f"{ANACONDA}/pkgs/r": "https://m.example/pkgs/r"},
        ),
        (
            [{"custom_channels": {"conda-forge": "https://m.example/cloud", "pkgs/main": "https://m.example"}}],
            {
                f"{ALIAS}/conda-forge": "https://m.example/cloud/conda-forge",
                f"{ANACONDA}/pkgs/main": "https://m.example/pkgs/main",
            },
        ),
        ([{"custom_channels": {"mine": "/srv/channels"}, "default_channels": None}], {}),
    ],
)
def test_mirrors_of_condas_configuration(files: list[dict[str, Any]], mirrors: dict[str, str]) -> None:
    assert sources.of_condarc(files) == mirrors


def test_variables_are_replaced_as_conda_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR", "m.example")
    assert sources.of_condarc([{"channel_alias": "https://$MIRROR/c"}]) == {ALIAS: "https://m.example/c"}


def test_the_file_that_a_variable_names_comes_last(home: Path, tmp_path: Path) -> None:
    (home / ".condarc").touch()
    (tmp_path / "other").touch()
    found = sources.condarc_files({"HOME": str(home), "CONDARC": str(tmp_path / "other")})
    assert found[-2:] == [home / ".condarc", tmp_path / "other"]


@pytest.mark.parametrize(
    ("variables", "configuration", "index"),
    [
        ({}, "", ""),
        ({}, "[global]\nindex-url = https://i.example/simple\n", "https://i.example/simple"),
        (
            {"PIP_INDEX_URL": "https://v.example/simple"},
            "[global]\nindex-url = https://i.example/%s",
            "https://v.example/simple",
        ),
        ({"UV_DEFAULT_INDEX": "https://u.example/simple"}, "[global]\nindex-url = https://i.example/simple\n", ""),
        ({}, "[install]\nindex-url = https://i.example/simple\n", "https://i.example/simple"),
        (
            {},
            "[install]\nindex-url = https://i.example/simple\n[global]\nindex-url = https://g.example/simple\n",
            "https://i.example/simple",
        ),
        ({}, "[global]\nIndex_URL = https://i.example/simple\n", "https://i.example/simple"),
        ({}, "[download]\nindex-url = https://d.example/simple\n", ""),
    ],
)
def test_the_index_of_pips_configuration(variables: dict[str, str], configuration: str, index: str, home: Path) -> None:
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text(configuration)
    assert sources.of_pip({"HOME": str(home), **variables}) == index


def test_a_configuration_that_is_none_is_reported(home: Path) -> None:
    (home / ".pip").mkdir()
    (home / ".pip" / "pip.conf").write_text("index-url = https://i.example\n")
    with pytest.raises(EvenkeelError, match=r"pip's configuration can't be read.*--pip-index"):
        sources.of_pip({"HOME": str(home)})


@pytest.mark.parametrize(
    ("text", "mirrors"),
    [
        ("", {}),
        ("# nothing yet\n\n", {}),
        ("# mine\nchannel_alias: https://m.example  #!final\n", {ALIAS: "https://m.example"}),
    ],
)
def test_a_file_may_hold_comments_alone(text: str, mirrors: dict[str, str], home: Path) -> None:
    (home / ".condarc").write_text(text)
    assert sources.chosen("", "", "linux-64").mirrors == mirrors


def test_options_come_before_configuration(home: Path) -> None:
    (home / ".condarc").write_text("channel_alias: https://m.example\n")
    assert sources.chosen("", "", "linux-64").mirrors == {ALIAS: "https://m.example"}
    found = sources.chosen("https://site.example/anaconda", "https://i.example/simple", "linux-64")
    assert found.mirrors[ANACONDA] == "https://site.example/anaconda"
    assert found.pip_index == "https://i.example/simple"
