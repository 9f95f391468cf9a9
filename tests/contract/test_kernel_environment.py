# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel gets the variables that ``conda run`` gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import activated

from tests.contract.world import World

#: The prompt, the shell's own, what conda's releases set for themselves, or only if they activate base before.
DIFFER = [
    *("CONDA_PROMPT_MODIFIER", "_", "OLDPWD", "PWD", "SHLVL"),
    *("_CE_*", "_CONDA_*", "*CONDA_SHLVL*", "CONDA_PREFIX_1", "CONDA_ROOT"),
]
#: conda sets names in upper case.
STATE = {"HOME_OF": "two words", "NUMBER": "3", "tokenizers_parallelism": "false", "Mixed_Case": "yes"}
SCRIPT = """
echo printed
read -r answer
export MINE="<$answer>" LINES_OF_TEXT="one
two" PATH="$PATH:$CONDA_PREFIX/mine"
unset LANGUAGE
mine() { echo "a function"; }
export -f mine
"""


def variables(text: str) -> dict[str, str | list[str]]:
    """Return what ``env -0`` has written, as far as it is compared; each folder of PATH once."""
    found: dict[str, str | list[str]] = dict(
        entry.split("=", 1) for entry in text.removeprefix("printed\n").split("\0") if entry
    )
    found["PATH"] = list(dict.fromkeys(str(found["PATH"]).split(":")))
    return {name: value for name, value in found.items() if not any(fnmatch(name, one) for one in DIFFER)}


def test_a_kernel_is_activated_as_conda_run_activates(world: World) -> None:
    channel = "http://mirror.example/conda/main"
    world.run("create", "--json", "-y", "--override-channels", "-c", channel, "-p", "/srv/envs/e1", "idna")
    prefix = world.envs / "e1"
    (prefix / "etc" / "conda" / "activate.d").mkdir(parents=True)
    (prefix / "etc" / "conda" / "activate.d" / "mine.sh").write_text(SCRIPT)
    (prefix / "etc" / "conda" / "env_vars.d").mkdir()
    (prefix / "etc" / "conda" / "env_vars.d" / "package.json").write_text('{"OF_PACKAGE": "1", "HOME_OF": "package"}')
    (prefix / "conda-meta" / "state").write_text(json.dumps({"env_vars": STATE}))
    conda = Path(os.environ.get("EVENKEEL_CONDA") or world.folder / "root" / "bin" / "conda")
    conda.parent.mkdir(parents=True, exist_ok=True)
    conda.touch(mode=0o755)
    given = {**world.environ(), "LANGUAGE": "de"}
    given["PATH"] = f"{conda.parents[1]}/condabin:{given['PATH']}"

    argv = [sys.executable, "-I", "-S", activated.__file__, str(conda.parents[1]), "120", str(prefix), ""]
    env = ["/usr/bin/env", "-0"]
    kernel = subprocess.run([*argv, *env], check=True, capture_output=True, text=True, env=given).stdout
    run = subprocess.run(
        [*world.command().split(), "run", "-p", str(prefix), *env],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=given,
    ).stdout

    assert variables(kernel) == variables(run)
    found = variables(kernel)
    assert (found["MINE"], found["TOKENIZERS_PARALLELISM"], found["MIXED_CASE"]) == ("<>", "false", "yes")
    assert not {"tokenizers_parallelism", "Mixed_Case"} & found.keys()
