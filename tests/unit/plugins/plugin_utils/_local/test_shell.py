# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import shell

BEFORE = {"PATH": "/usr/bin:/bin", "HOME": "/home/ada", "OLD": "1"}
AFTER = {
    "PATH": "/env/bin:/env/extra:/usr/bin:/bin",
    "HOME": "/home/ada",
    "CONDA_PREFIX": "/env",
    "QUOTED": "it's $HOME \\ `id`",
    "BASH_FUNC_x%%": "() { :; }",
}


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Return an environment with a variable of its own and a script of a package."""
    place = tmp_path / "with space ü" / "ai"
    scripts = place / "etc/conda/activate.d"
    scripts.mkdir(parents=True)
    (scripts / "tool.sh").write_text('export TOOL_HOME="$CONDA_PREFIX/tool" PATH="$CONDA_PREFIX/tool/bin:$PATH"\n')
    (place / "bin").mkdir()
    (place / "conda-meta").mkdir()
    (place / "conda-meta" / "state").write_text('{"version": 1, "env_vars": {"OMP_NUM_THREADS": "8"}}')
    return place


def test_an_environment_is_activated_with_its_variables_and_scripts(prefix: Path) -> None:
    found = shell.activation(str(prefix), {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "2"})
    assert found["CONDA_PREFIX"] == str(prefix)
    assert found["OMP_NUM_THREADS"] == "8"
    assert found["TOOL_HOME"] == f"{prefix}/tool"
    assert found["PATH"] == f"{prefix}/tool/bin:{prefix}/bin:/usr/bin:/bin"


def test_a_script_that_fails_is_named(prefix: Path) -> None:
    (prefix / "etc/conda/activate.d/tool.sh").write_text("exit 3\n")
    with pytest.raises(EvenkeelError, match=r"can't be activated: .*tool\.sh ended the shell with status 3"):
        shell.activation(str(prefix), BEFORE)


@pytest.mark.parametrize(
    ("name", "argv", "variables"),
    [
        ("/bin/bash", ["/bin/bash", "--rcfile", str(shell.STARTS / "bashrc"), "-i"], {"EVENKEEL_ACTIVATION"}),
        ("/usr/bin/zsh", ["/usr/bin/zsh", "-i"], {"EVENKEEL_ACTIVATION", "EVENKEEL_ZDOTDIR", "ZDOTDIR"}),
        ("/bin/dash", ["/bin/dash", "-i"], set()),
    ],
)
def test_shells_read_their_own_files_first(name: str, argv: list[str], variables: set[str]) -> None:
    command, environment = shell.of_shell(name, BEFORE, AFTER)
    assert command == argv
    assert environment.keys() - AFTER.keys() == variables


def test_fish_activates_by_a_command() -> None:
    command, environment = shell.of_shell("/usr/bin/fish", BEFORE, AFTER)
    assert command[:2] == ["/usr/bin/fish", "--init-command"]
    assert command[2].splitlines() == [
        "set -gx PATH '/env/bin' '/env/extra' $PATH",
        "set -gx CONDA_PREFIX '/env'",
        "set -gx QUOTED 'it\\'s $HOME \\\\ `id`'",
        "set -e OLD",
    ]
    assert environment == AFTER


#: What `conda init` and the like do to a shell that starts in an environment.
UNDOES = "export PATH=/conda/base/bin:$PATH CONDA_PREFIX=/conda/base TOOL_HOME=/nowhere OF_USER=yes\n"
SHOWS = 'printf "%s\\n" "$CONDA_PREFIX" "$TOOL_HOME" "$OMP_NUM_THREADS" "$OF_USER" "${PATH%%:/conda/base*}"\n'


@pytest.mark.parametrize(
    ("name", "file"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish/config.fish")]
)
def test_the_users_own_files_don_t_undo_it(name: str, file: str, prefix: Path, home: Path) -> None:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"there is no {name}")
    (home / file).parent.mkdir(parents=True, exist_ok=True)
    in_fish = UNDOES.replace("export PATH=/conda/base/bin:$PATH", "set -gx PATH /conda/base/bin $PATH;export")
    (home / file).write_text(in_fish if name == "fish" else UNDOES)
    before = {"PATH": "/usr/bin:/bin", "HOME": str(home)}
    argv, variables = shell.of_shell(program, before, shell.activation(str(prefix), before))
    typed = f"sh -c '{SHOWS}'\n" if name == "fish" else SHOWS
    done = subprocess.run(argv, input=typed, capture_output=True, text=True, env=variables, check=False)
    assert done.stdout.splitlines()[-5:] == [
        str(prefix),
        f"{prefix}/tool",
        "8",
        "yes",
        f"{prefix}/tool/bin:{prefix}/bin",
    ], done.stderr


def test_there_is_such_a_command(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    with pytest.raises(EvenkeelError, match="There is no command nowhere-to-be-found"):
        shell.enter(str(prefix), ["nowhere-to-be-found"])
