# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.upstream.conda.standin.conda_standin.activation import Activation
from lab.upstream.conda.standin.conda_standin.condarc import Settings, Source


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings with a base and the environments ``one`` and ``two``."""
    for prefix in (tmp_path, tmp_path / "envs" / "one", tmp_path / "envs" / "two"):
        (prefix / "conda-meta").mkdir(parents=True)
        (prefix / "conda-meta" / "history").touch()
    return Settings((), tmp_path, tmp_path / "home")


def activated(settings: Settings, name: str, **more: str) -> dict[str, str]:
    prefix = settings.root_prefix / "envs" / name
    return {
        "PATH": f"{prefix}/bin:/usr/bin",
        "CONDA_PREFIX": str(prefix),
        "CONDA_SHLVL": "1",
        "CONDA_PROMPT_MODIFIER": f"({name}) ",
        "PS1": f"({name}) $ ",
        **more,
    }


def test_activates_by_name(settings: Settings) -> None:
    code = Activation(settings, {"PATH": "/usr/bin", "PS1": "$ "}).activate("one").splitlines()
    prefix = settings.root_prefix / "envs" / "one"
    assert f"export PATH={prefix}/bin:/usr/bin" in code
    assert f"export CONDA_PREFIX={prefix}" in code
    assert "export CONDA_SHLVL=1" in code
    assert "export CONDA_DEFAULT_ENV=one" in code
    assert "PS1='(one) $ '" in code


def test_calls_an_environment_by_its_path_unless_its_folder_is_named_envs(settings: Settings) -> None:
    other = settings.root_prefix / "generations" / "one"
    (other / "conda-meta").mkdir(parents=True)
    (other / "conda-meta" / "history").touch()
    elsewhere = Settings((Source("file", {"envs_dirs": [str(other.parent)]}),), settings.root_prefix, settings.home)
    assert f"export CONDA_DEFAULT_ENV={other}" in Activation(elsewhere, {}).activate("one").splitlines()
    assert "export CONDA_DEFAULT_ENV=base" in Activation(settings, {}).activate(None).splitlines()


def test_a_second_environment_takes_the_place_of_the_first(settings: Settings) -> None:
    code = Activation(settings, activated(settings, "one")).activate("two").splitlines()
    envs = settings.root_prefix / "envs"
    assert f"export PATH={envs}/two/bin:/usr/bin" in code
    assert f"export CONDA_PREFIX_1={envs}/one" in code
    assert "export CONDA_SHLVL=2" in code
    assert "PS1='(two) $ '" in code


def test_a_stacked_environment_stands_before_the_first(settings: Settings) -> None:
    code = Activation(settings, activated(settings, "one")).activate("two", stack=True)
    envs = settings.root_prefix / "envs"
    assert f"export PATH={envs}/two/bin:{envs}/one/bin:/usr/bin" in code


def test_deactivation_goes_back(settings: Settings) -> None:
    envs = settings.root_prefix / "envs"
    environ = activated(settings, "two", CONDA_SHLVL="2", CONDA_PREFIX_1=f"{envs}/one")
    code = Activation(settings, environ).deactivate().splitlines()
    assert f"export PATH={envs}/one/bin:/usr/bin" in code
    assert f"export CONDA_PREFIX={envs}/one" in code
    assert "export CONDA_SHLVL=1" in code
    last = Activation(settings, activated(settings, "one")).deactivate().splitlines()
    assert "unset CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER" in last
    assert "export PATH=/usr/bin" in last
    assert "PS1='$ '" in last
    assert Activation(settings, {}).deactivate() == ""


def test_scripts_and_variables_come_and_go(settings: Settings) -> None:
    prefix = settings.root_prefix / "envs" / "one"
    for folder in ("activate.d", "deactivate.d"):
        (prefix / "etc" / "conda" / folder).mkdir(parents=True)
        (prefix / "etc" / "conda" / folder / "cuda.sh").touch()
    (prefix / "conda-meta" / "state").write_text(json.dumps({"env_vars": {"MODELS": "/srv/my models", "bad-": "x"}}))
    code = Activation(settings, {"PATH": "/usr/bin", "MODELS": "before"}).activate("one").splitlines()
    assert code[-1] == f". {prefix}/etc/conda/activate.d/cuda.sh"
    assert "export MODELS='/srv/my models'" in code
    assert "export __CONDA_SHLVL_0_MODELS=before" in code
    assert "bad-" not in "\n".join(code)
    code = Activation(settings, activated(settings, "one", __CONDA_SHLVL_0_MODELS="before")).deactivate().splitlines()
    assert code[0] == f". {prefix}/etc/conda/deactivate.d/cuda.sh"
    assert code.index("unset MODELS") < code.index("export MODELS=before")


def test_leaves_the_prompt_alone_when_told_to(settings: Settings) -> None:
    quiet = Settings((Source("file", {"changeps1": False}),), settings.root_prefix, settings.home)
    assert "PS1='$ '" in Activation(quiet, {"PS1": "$ "}).activate("one")
