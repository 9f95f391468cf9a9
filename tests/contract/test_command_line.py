# SPDX-License-Identifier: GPL-3.0-or-later
"""What Evenkeel and people rely on beyond the recorded calls: names, settings, links, prompts, shells."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract.world import World

CHANNEL = "http://mirror.example/conda/main"
CREATE = ("create", "--json", "-y", "--override-channels", "-c", CHANNEL)
HOOK = Path(__file__).parents[2] / "lab" / "upstream" / "conda" / "standin" / "conda.sh"


def condarc(world: World, text: str) -> None:
    """Write the user's condarc."""
    (world.folder / "home" / ".condarc").write_text(world.here(text))


def test_version_is_parseable_and_says_who_answers(world: World) -> None:
    answer = world.run("--version")
    assert answer.status == 0
    assert answer.stdout.split()[0:2] == ["conda", "26.7.1"]
    if "EVENKEEL_CONDA" not in os.environ:
        assert "stand-in" in answer.stdout


@pytest.mark.parametrize(
    "text",
    [
        "channels: [http://mirror.example/conda/main]",
        "channels: [main]\nchannel_alias: http://mirror.example/conda",
        "channels: [main]\ncustom_channels: {main: http://mirror.example/conda}",
        "channels: [defaults]\ndefault_channels: [http://mirror.example/conda/main]",
        "channels: [ours]\ncustom_multichannels: {ours: [http://mirror.example/conda/main]}",
    ],
    ids=["url", "alias", "custom", "defaults", "multichannel"],
)
def test_finds_packages_through_every_way_to_name_a_mirror(world: World, text: str) -> None:
    condarc(world, text)
    answer = world.run("create", "--json", "-y", "-p", "/srv/envs/e1", "idna")
    assert answer.status == 0, answer
    assert {package["base_url"] for package in answer.json["actions"]["LINK"]} == {CHANNEL}


def test_says_that_no_channel_is_configured(world: World) -> None:
    condarc(world, "channels: []")
    answer = world.run("create", "--json", "-y", "-p", "/srv/envs/e1", "idna")
    assert answer.status == 1
    assert answer.json["exception_name"] == "NoChannelsConfiguredError"
    assert not (world.envs / "e1").exists()


def test_condarc_says_where_named_environments_go(world: World) -> None:
    condarc(world, "envs_dirs: [/srv/envs/named]")
    assert world.run(*CREATE, "-n", "ai-dev", "idna").status == 0
    assert (world.envs / "named" / "ai-dev" / "conda-meta" / "history").is_file()
    listed = world.run("env", "list", "--json").json["envs_details"]
    assert listed["/srv/envs/named/ai-dev"]["name"] == "ai-dev"


def test_reaches_an_environment_through_a_link(world: World) -> None:
    condarc(world, "envs_dirs: [/srv/envs/named]")
    assert world.run(*CREATE, "-p", "/srv/envs/generations/1", "idna").status == 0
    (world.envs / "named").mkdir()
    (world.envs / "named" / "ai-dev").symlink_to("../generations/1")
    assert [package["name"] for package in world.run("list", "--json", "-n", "ai-dev").json] == [
        "idna",
        "pip",
        "python",
    ]
    assert world.run("install", *CREATE[1:], "-n", "ai-dev", "six").status == 0
    assert world.run("run", "-n", "ai-dev", "sh", "-c", "echo $CONDA_PREFIX").stdout.strip() == "/srv/envs/named/ai-dev"
    assert "/srv/envs/named/ai-dev" in world.run("env", "list", "--json").json["envs"]
    assert world.run("remove", "--json", "-y", "--all", "-n", "ai-dev").status == 0
    assert not (world.envs / "named" / "ai-dev").is_symlink()
    assert (world.envs / "generations" / "1").is_dir()


def test_a_frozen_environment_gives_its_reason_and_can_be_overridden(world: World) -> None:
    world.run(*CREATE, "-p", "/srv/envs/e1", "idna")
    (world.envs / "e1" / "conda-meta" / "frozen").write_text('{"message": "shared by the team"}')
    install = ("install", *CREATE[1:], "-p", "/srv/envs/e1", "six")
    assert "shared by the team" in world.run(*install).json["message"]
    assert world.run(*install, "--override-frozen").status == 0


@pytest.mark.parametrize(("answer", "kept"), [("", True), ("n\n", True), ("y\ny\n", False)])
def test_asks_before_it_replaces_an_environment(world: World, answer: str, kept: bool) -> None:
    world.run(*CREATE, "-p", "/srv/envs/e1", "idna")
    note = world.envs / "e1" / "note"
    note.touch()
    done = world.run("create", "--override-channels", "-c", CHANNEL, "-p", "/srv/envs/e1", "idna", stdin=answer)
    assert done.status == 0, done
    assert note.exists() == kept


def test_a_create_that_fails_leaves_nothing(world: World) -> None:
    answer = world.run(*CREATE, "-p", "/srv/envs/e1", "idna", "python=2")
    assert (answer.status, answer.json["exception_name"]) == (1, "PackagesNotFoundInChannelsError")
    assert not (world.envs / "e1").exists()


def test_writes_the_history_last(world: World) -> None:
    assert world.run(*CREATE, "-p", "/srv/envs/e1", "witness").status == 0
    assert "history" not in (world.envs / "e1" / "seen").read_text().split()
    assert (world.envs / "e1" / "conda-meta" / "history").read_text()


def test_explains_in_the_solvers_own_words_why_nothing_fits(world: World) -> None:
    answer = world.run(*CREATE, "-p", "/srv/envs/e1", "stuck")
    assert (answer.status, answer.json["allow_retry"]) == (1, False)
    assert "Unsatisfiable" in answer.json["exception_name"]
    assert "no-such-package" in answer.json["message"]


@pytest.mark.parametrize("name", ["a b", "a/b", "base", "a:b", "a#b"])
def test_refuses_names_that_no_environment_can_have(world: World, name: str) -> None:
    answer = world.run(*CREATE, "-n", name, "idna")
    assert (answer.status, answer.json["exception_name"]) == (1, "CondaValueError")


def test_takes_default_packages_unless_told_not_to(world: World) -> None:
    condarc(world, "create_default_packages: [six]")
    world.run(*CREATE, "-p", "/srv/envs/with", "idna")
    world.run(*CREATE, "-p", "/srv/envs/without", "--no-default-packages", "idna")
    for name, expected in (("with", True), ("without", False)):
        assert any((world.envs / name / "conda-meta").glob("six-*.json")) == expected


def test_removes_a_package_and_keeps_the_others(world: World) -> None:
    world.run(*CREATE, "-p", "/srv/envs/e1", "idna", "six")
    assert world.run("remove", *CREATE[1:], "-p", "/srv/envs/e1", "six").status == 0
    names = [package["name"] for package in world.run("list", "--json", "-p", "/srv/envs/e1").json]
    assert names == ["idna", "pip", "python"]
    assert not list(world.envs.glob("e1/lib/python*/site-packages/six*"))
    missing = world.run("remove", *CREATE[1:], "-p", "/srv/envs/e1", "six")
    assert (missing.status, missing.json["packages_formatted"]) == (1, "\n  - six")


def test_installs_offline_what_the_cache_holds(world: World) -> None:
    world.run(*CREATE, "-p", "/srv/envs/e1", "idna")
    listing = world.run("list", "--explicit", "--sha256", "-p", "/srv/envs/e1").stdout
    (world.folder / "explicit.txt").write_text(world.here(listing))
    world.run("clean", "--json", "-y", "-i")
    assert world.run("create", "--json", "-y", "--offline", "-p", "/srv/envs/e2", "--file", "explicit.txt").status == 0
    (world.folder / "explicit.txt").write_text(world.here(f"@EXPLICIT\n{CHANNEL}/noarch/six-1.17.0-py_0.conda\n"))
    assert world.run("create", "--json", "-y", "--offline", "-p", "/srv/envs/e3", "--file", "explicit.txt").status == 1


def test_shows_what_pip_installed(world: World) -> None:
    world.run(*CREATE, "-p", "/srv/envs/e1", "idna")
    dist_info = world.envs / "e1" / "lib" / "python3.11" / "site-packages" / "My_Thing-1.0.dist-info"
    dist_info.mkdir()
    (dist_info / "METADATA").write_text("Metadata-Version: 2.1\nName: My_Thing\nVersion: 1.0\n")
    (dist_info / "RECORD").write_text("My_Thing-1.0.dist-info/METADATA,,\nMy_Thing-1.0.dist-info/RECORD,,\n")
    listed = {package["name"]: package for package in world.run("list", "--json", "-p", "/srv/envs/e1").json}
    assert (listed["my-thing"]["channel"], listed["my-thing"]["build_string"]) == ("pypi", "pypi_0")
    exported = world.run("env", "export", "--json", "-p", "/srv/envs/e1").json
    assert exported["dependencies"][-1] == {"pip": ["my-thing==1.0"]}


def test_sources_of_settings(world: World) -> None:
    condarc(world, "channels: [http://mirror.example/conda/main]\nalways_yes: true\n")
    sources = world.run("config", "--show-sources", "--json").json
    mine = next(values for name, values in sources.items() if name.endswith("home/.condarc"))
    assert mine == {"channels": [CHANNEL], "always_yes": True}
    assert world.run("config", "--show", "--json").json["channels"] == [CHANNEL]
    assert world.run("config", "--show", "always_yes", "--json").json == {"always_yes": True}


@pytest.mark.parametrize("text", ["channels: {", "channels: main", "auto_activate: true\nauto_activate_base: false"])
def test_refuses_a_broken_condarc(world: World, text: str) -> None:
    condarc(world, text)
    answer = world.run("info", "--json")
    assert answer.status == 1
    assert ".condarc" in answer.stdout + answer.stderr


def test_run_passes_the_exit_status_on(world: World) -> None:
    world.run(*CREATE, "-p", "/srv/envs/e1", "idna")
    scripts = world.envs / "e1" / "etc" / "conda" / "activate.d"
    scripts.mkdir(parents=True)
    (scripts / "mine.sh").write_text("export MINE=set\n")
    (world.envs / "e1" / "conda-meta" / "state").write_text('{"env_vars": {"THEIRS": "two words"}}')
    shown = 'printf \'%s|%s|%s\' "$CONDA_DEFAULT_ENV" "$MINE" "$THEIRS"; exit 7'
    answer = world.run("run", "-p", "/srv/envs/e1", "sh", "-c", shown)
    assert (answer.status, answer.stdout) == (7, "e1|set|two words")


@pytest.mark.parametrize(
    ("setting", "name"), [("", "TOKENIZERS_PARALLELISM"), ("envvars_force_uppercase: false", "tokenizers_parallelism")]
)
def test_names_of_variables_are_in_upper_case_unless_that_is_turned_off(world: World, setting: str, name: str) -> None:
    world.run(*CREATE, "-p", "/srv/envs/e1", "idna")
    condarc(world, setting)
    (world.envs / "e1" / "conda-meta" / "state").write_text('{"env_vars": {"tokenizers_parallelism": "false"}}')
    lines = world.run("run", "-p", "/srv/envs/e1", "env").stdout.splitlines()
    assert [line for line in lines if "parallelism" in line.lower()] == [f"{name}=false"]


def test_an_environment_is_called_by_its_path_unless_its_folder_is_named_envs(world: World) -> None:
    condarc(world, "envs_dirs: [/srv/envs/named]")
    world.run(*CREATE, "-n", "e1", "idna")
    answer = world.run("run", "-n", "e1", "sh", "-c", "echo $CONDA_DEFAULT_ENV")
    assert answer.stdout.strip() == "/srv/envs/named/e1"


def test_clean_empties_the_index_cache_and_the_packages(world: World) -> None:
    world.run(*CREATE, "-p", "/srv/envs/e1", "idna")
    assert world.run("clean", "--json", "-y", "-i").json["success"] is True
    assert not (world.envs / "pkh" / "cache").exists()
    shutil.rmtree(world.envs / "e1")
    assert {"tarballs", "packages", "index_cache"} <= world.run("clean", "--json", "-y", "-a").json.keys()
    assert not list((world.envs / "pkh").glob("*.conda"))
    assert not (world.envs / "pkh" / "idna-3.20-py_0").exists()


@pytest.mark.skipif("EVENKEEL_CONDA" in os.environ, reason="a real conda is installed with its own hook")
@pytest.mark.parametrize("shell", ["bash", "dash", "zsh"])
def test_activates_in_a_shell(world: World, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    world.run(*CREATE, "-p", "/srv/envs/e1", "idna")
    root = world.folder / "root"
    (root / "bin").mkdir()
    hook = root / "conda.sh"
    hook.write_text(HOOK.read_text().replace("@PREFIX@", str(root)))
    command = root / "bin" / "conda"
    command.write_text(f'#!/bin/sh\nexec {world.command()} "$@"\n')
    command.chmod(0o755)
    (root / "conda-meta").mkdir()
    (root / "conda-meta" / "history").touch()
    script = f"""
        set -eu
        PS1='$ '
        before="$PATH"
        . '{hook}'
        conda activate
        echo "$CONDA_DEFAULT_ENV $CONDA_SHLVL $PS1"
        conda activate '{world.envs}/e1'
        echo "$CONDA_PREFIX $CONDA_SHLVL $(command -v python)"
        conda deactivate
        conda deactivate
        test "$PATH" = "{root}/condabin:$before"
        echo "${{CONDA_PREFIX-none}} $CONDA_SHLVL $PS1"
        conda activate no-such-environment || echo refused
    """
    environ = world.environ()
    done = subprocess.run([shell, "-c", script], check=False, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done
    assert world.recorded(done.stdout).splitlines() == [
        "base 1 (base) $ ",
        "/srv/envs/e1 2 /srv/envs/e1/bin/python",
        "none 0 $ ",
        "refused",
    ]
