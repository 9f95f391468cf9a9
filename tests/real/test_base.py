# SPDX-License-Identifier: GPL-3.0-or-later
"""Real installers: base with its Python, its solver and its plugins, as the module keeps it."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import former_paths, terms
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.distribution import HOME

from tests.path_types import Channel
from tests.real.conftest import Conda, Distribution


@pytest.fixture
def base(distribution: Distribution, tmp_path: Path) -> Conda:
    return Conda(str(distribution.prefix / "bin" / "conda"), tmp_path)


def test_a_second_run_changes_nothing(distribution: Distribution) -> None:
    result = distribution.converge()
    assert (result["changed"], result["drift"]) == (False, [])


def test_python_is_the_one_that_the_installer_names(distribution: Distribution, base: Conda) -> None:
    if not distribution.python:
        pytest.skip("The name of this installer names no Python")
    version = base.json("info")["python_version"]
    assert version.startswith(f"{distribution.python}."), version


def test_the_solver_is_libmamba_and_loads(base: Conda) -> None:
    about = base.json("info")
    assert "solver/libmamba" in about["user_agent"], about["user_agent"]
    assert base.json("config", "--show", "solver")["solver"] == "libmamba"


def test_base_is_kept_from_conda_and_pip(distribution: Distribution, base: Conda) -> None:
    refused = base.run("install", "--yes", "--offline", "--name", "base", "six")
    assert (refused.returncode != 0, "EnvironmentIsFrozen" in refused.stderr + refused.stdout) == (True, True)
    pip = [distribution.prefix / "bin" / "python", "-m", "pip", "install", "--no-index", "six"]
    done = subprocess.run(pip, check=False, capture_output=True, text=True, timeout=120)
    assert "externally-managed-environment" in done.stderr
    assert distribution.converge()["drift"] == []


def test_doctor_finds_nothing_in_base(base: Conda, distribution: Distribution) -> None:
    said = base.shown("doctor", "--verbose", "--prefix", distribution.prefix)
    assert "no packages with altered files" in said, said


@pytest.mark.skipif(os.geteuid() != 0, reason="the record of what Evenkeel has made is root's")
def test_a_link_elsewhere_is_the_same_conda(distribution: Distribution, tmp_path: Path) -> None:
    directory = tmp_path / "bin"
    distribution.converge(command_directory=str(directory))
    try:
        link = Conda(str(directory / "conda"), tmp_path)
        assert link.json("info")["root_prefix"] == os.path.realpath(distribution.prefix)
        said = link.say("run", "--prefix", distribution.prefix, "python", "-c", "import sys; print(sys.prefix)")
        assert os.path.realpath(said.strip()) == os.path.realpath(distribution.prefix)
    finally:
        distribution.converge()


def test_what_conda_init_writes_is_found(
    base: Conda, distribution: Distribution, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only what a user's own start-up files say: the lines of all others are not looked at."""
    base.say("init", "bash", "zsh", "fish")
    monkeypatch.setattr(former_paths, "local_users", list)
    files = [str(path) for path in tmp_path.rglob("*") if path.is_file() and path.name in ("config.fish", ".bashrc")]
    monkeypatch.setattr(former_paths, "OF_ALL", tuple(files))
    monkeypatch.setattr(former_paths, "FOLDERS_OF_ALL", ())
    named = former_paths.named(str(distribution.folder / "store"), HOME).files
    assert named == {os.path.realpath(distribution.prefix): tuple(sorted(files))}


def test_the_plugin_for_terms_of_service_reads_what_was_accepted(
    base: Conda, distribution: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(os.path.realpath(distribution.prefix), "conda-meta", "tos")
    if base.run("tos", "--help").returncode != 0:
        pytest.skip("This distribution has no terms-of-service plugin")
    monkeypatch.setattr(terms, "SITE", str(place))
    channel = "https://repo.anaconda.com/pkgs/main"
    moment = datetime(2025, 7, 15, tzinfo=UTC)
    content = {"version": moment.isoformat(), "text": "The terms", "support": "https://support.example"}
    terms.apply(terms.Plan(accept=(terms.Terms(channel, moment, content),)), moment)
    (file,) = place.rglob("*.json")
    assert json.loads(file.read_text())["tos_accepted"] is True
    said = base.run("tos", "--override-channels", "--channel", channel)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "accepted" in said.stdout, said.stdout


def test_environments_are_built_with_its_python(distribution: Distribution, tmp_path: Path) -> None:
    """The node's own Python runs py-rattler in a node's runtime; here, its conda builds."""
    prefix = Channel(tmp_path).build("by-base", "conda", str(distribution.prefix / "bin" / "conda"))
    assert (prefix / "lib" / "hello.txt").read_text() == "hello\n"
