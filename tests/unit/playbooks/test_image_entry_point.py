# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry point of images, in sh, with a program in the place of what activates environments."""

from __future__ import annotations

import subprocess
from pathlib import Path

import jinja2
import pytest

TEMPLATE = Path(__file__).parents[3] / "playbooks" / "templates" / "image_entry_point.sh.j2"
#: Prints the names of variables that stay as they are, and runs the command.
ACTIVATED = '#!/bin/sh\necho "$7" >"$NAMES"\nshift 9\nexec "$@"\n'
#: In the place of JupyterLab.
SERVER = '#!/bin/sh\ncat "$EVENKEEL_JUPYTER/token"\nenv\n'


class Image:
    """What an image has, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment("ai")
        server = self.environment("jupyter") / "bin"
        self.program(server / "jupyter-lab", "")
        self.program(server / "python", SERVER)
        self.program(folder / "conda/bin/python", ACTIVATED)
        (folder / "share").mkdir()
        (folder / "share/jupyter_settings.json").write_text("{}")
        variables = {
            "miniconda_prefix": folder / "conda",
            "conda_environments_root": folder,
            "jupyter_kernels_directory": folder / "kernels",
            "jupyter_activation_timeout": 60,
            "jupyter_environment": "jupyter",
            "__image_share": folder / "share",
        }
        template = jinja2.Template(
            TEMPLATE.read_text(), trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
        )
        self.program(folder / "entry-point", template.render(variables))

    def environment(self, name: str) -> Path:
        prefix = self.folder / "envs" / name
        (prefix / "conda-meta").mkdir(parents=True)
        (prefix / "conda-meta" / "evenkeel").write_text(f'{{\n "digest": "of {name}",\n "format": 1\n}}\n')
        return prefix

    def program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        given = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "EVENKEEL_ENV": "ai", **variables}
        given["NAMES"] = str(self.folder / "names")
        argv = [str(self.folder / "entry-point"), *arguments]
        return subprocess.run(argv, env=given, capture_output=True, text=True, check=False)

    def said(self, *arguments: str, **variables: str) -> str:
        done = self.run(*arguments, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


def test_a_command_gets_its_arguments_and_its_status_counts(image: Image) -> None:
    given = ("a b", "", "*", "--x", "'")
    assert image.said("printf", "<%s>", *given) == "".join(f"<{one}>" for one in given)
    assert image.run("sh", "-c", "exit 37").returncode == 37


def test_the_digest_of_each_environment(image: Image) -> None:
    assert image.said("digests") == "ai of ai\njupyter of jupyter\n"


def test_an_environment_that_is_not_there_is_named(image: Image) -> None:
    for name in ("", "..", "vision"):
        done = image.run("true", EVENKEEL_ENV=name)
        assert (done.returncode, done.stderr) == (
            64,
            f"evenkeel: there is no environment {name}; EVENKEEL_ENV is one of ai jupyter \n",
        )


def test_variables_of_the_container_stay_as_they_are(image: Image) -> None:
    given = dict.fromkeys(("prefix", "names", "secret", "conda", "environments", "token", "option"), "mine")
    for command in (("env",), ("jupyter", "--ServerApp.port=8889")):
        found = dict(line.split("=", 1) for line in image.said(*command, **given).splitlines() if "=" in line)
        assert {name: found[name] for name in given} == given


def test_only_variables_of_the_container_win_over_the_environment(image: Image) -> None:
    image.said("true", LINES="first\nOMP_NUM_THREADS=8", CONDA_PREFIX="/", ONE="1")
    names = (image.folder / "names").read_text().strip().split(",")
    assert {"LINES", "ONE", "HOME"} <= set(names)
    assert not {"OMP_NUM_THREADS", "CONDA_PREFIX", "first"} & set(names)


@pytest.mark.parametrize("home", ["", "/proc/nowhere"])
def test_a_home_that_can_t_be_written_to_is_a_temporary_folder(image: Image, home: str) -> None:
    found = Path(image.said("sh", "-c", 'echo "$HOME"', HOME=home, TMPDIR=str(image.folder)).strip())
    assert found.is_dir()
    assert found.parent == image.folder


def test_commands_need_no_folder_that_can_be_written_to(image: Image) -> None:
    assert image.said("sh", "-c", 'echo "$HOME"', HOME="/proc/nowhere", TMPDIR="/proc/nowhere") == "/\n"


def test_a_server_without_a_token_gets_one(image: Image) -> None:
    said = image.said("jupyter", TMPDIR=str(image.folder), JUPYTER_TOKEN="")
    token = said.split("token=", 1)[1].split("\n")[0]
    assert len(token) == 48
    assert said.count(token) == 2
    assert image.said("jupyter", JUPYTER_TOKEN="known").startswith("known")


@pytest.mark.parametrize(
    "option",
    [
        "--IdentityProvider.token=",
        "-ServerApp.token=",
        "--ServerApp.password=",
        "--PasswordIdentityProvider.hashed_password=",
        "--ServerApp.identity_provider_class=mine.Open",
        "--ServerApp.allow_unauthenticated_access=True",
        "--ServerApp.config_file=mine.py",
        "--config=mine.py",
        "--generate-config",
    ],
)
def test_options_that_could_turn_the_token_off_are_refused(image: Image, option: str) -> None:
    for options in ((option,), (*option.split("="),)):
        done = image.run("jupyter", "--ServerApp.port=8889", *options)
        assert (done.returncode, done.stdout) == (64, "")
        assert "could turn the token off" in done.stderr
