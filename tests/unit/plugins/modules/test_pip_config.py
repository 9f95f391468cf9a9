# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.modules import pip_config

INDEX = "https://pip.example/simple"

Result = dict[str, Any]
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    # As on a node, where no test has loaded what the control node has.
    monkeypatch.setattr("ansible.module_utils._internal.is_controller", False)
    monkeypatch.setattr("ansible.module_utils.common.warnings._global_warnings", {}, raising=False)

    def run(**arguments: Any) -> Result:
        places = {"pip_conf": str(tmp_path / "pip.conf"), "uv_toml": str(tmp_path / "uv" / "uv.toml")}
        with patch_module_args({**places, **arguments}), pytest.raises(SystemExit):
            pip_config.main()
        result: Result = json.loads(capsys.readouterr().out)
        return result

    return run


def contents(tmp_path: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}


def test_both_are_told_and_the_second_run_changes_nothing(run: Run, tmp_path: Path) -> None:
    result = run(index=INDEX)
    assert result["changed"]
    assert result["paths"] == [str(tmp_path / "pip.conf"), str(tmp_path / "uv" / "uv.toml")]
    assert all(INDEX in text for text in contents(tmp_path).values())
    assert not run(index=INDEX)["changed"]
    assert run()["changed"]
    assert contents(tmp_path) == {}


def test_check_mode_shows_what_would_be_written(run: Run, tmp_path: Path) -> None:
    result = run(index=INDEX, _ansible_check_mode=True, _ansible_diff=True)
    assert result["changed"]
    record, *files = result["diff"]
    assert record["after_header"] == made.path_of("pip_config")
    assert [INDEX in diff["after"] for diff in files] == [True, True]
    assert contents(tmp_path) == {}


def test_credentials_are_neither_written_nor_shown(run: Run, tmp_path: Path) -> None:
    result = run(index="https://me:secret@pip.example/simple", proxy="http://token@proxy.example:1", _ansible_diff=True)
    assert INDEX in contents(tmp_path)["pip.conf"]
    for shown in (json.dumps(result), *contents(tmp_path).values()):
        assert "secret" not in shown
        assert "token" not in shown
    for name in ("index", "proxy"):
        assert f"The credentials of {name} are not written" in str(result["warnings"])


@pytest.mark.parametrize("index", ["me:secret@pip.example/simple", "https//me:secret@pip", "ftp://me:se@cret@pip"])
def test_credentials_of_what_is_no_url_are_not_shown_either(run: Run, index: str) -> None:
    result = run(index=index)
    assert "which is not a URL" in result["msg"]
    assert "cret" not in json.dumps(result)


def test_one_file_that_cannot_be_kept_leaves_the_other_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text("offline = true\n")
    result = run(index=INDEX)
    assert result["failed"]
    assert "uv.toml was not written by Evenkeel" in result["msg"]
    assert contents(tmp_path) == {"uv.toml": "offline = true\n"}


@pytest.mark.parametrize(
    "arguments",
    [{"index": "pip.example"}, {"proxy": "proxy:3128"}, {"index": "https://a\nb = 1"}, {"index": "https://a b"}],
)
def test_what_is_no_url_is_refused(run: Run, tmp_path: Path, arguments: dict[str, str]) -> None:
    result = run(**arguments)
    assert result["failed"]
    assert result["msg"].startswith(f"{next(iter(arguments))} is ")
    assert contents(tmp_path) == {}


def test_a_section_that_counts_more_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[install]\nindex-url = https://b/simple\n")
    assert "[install] of " in str(run(index=INDEX)["warnings"])


def test_files_with_something_of_ours_are_recorded_as_long_as_it_is_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\ntimeout = 1\n")
    run(index=INDEX, _ansible_check_mode=True)
    assert made.read("pip_config") == []
    run(index=INDEX)
    pip, uv = made.read("pip_config")
    assert (pip.name, pip.before[:7]) == (str(tmp_path / "pip.conf"), "sha256:")
    assert (uv.name, uv.before) == (str(tmp_path / "uv" / "uv.toml"), "absent")
    Path(made.path_of("pip_config")).unlink()
    assert run(index=INDEX)["changed"]
    assert [thing.before for thing in made.read("pip_config")] == ["unknown", "unknown"]
    run()
    assert made.read("pip_config") == []
