# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Find the variables of a kernel that are not as ``conda run`` gives them; run by Python 3.7 or newer in the kernel.

What is compared is what the kernel's process began with: what its user's startup files set later is the user's.
"""

from __future__ import annotations

import fnmatch
import json
import os
import signal
import subprocess
import sys

#: What differs, as patterns: the shell's own, the prompt, what conda's releases set for themselves or only if they
#: activate base before, how conda calls an environment given by name or by path, and Jupyter's own.
DIFFER = (
    *("_", "OLDPWD", "PWD", "SHLVL", "CONDA_PROMPT_MODIFIER"),
    *("_CE_*", "_CONDA_*", "*CONDA_SHLVL*", "CONDA_PREFIX_1", "CONDA_ROOT", "EVENKEEL_NOUSERSITE_*"),
    *("CONDA_DEFAULT_ENV", "JPY_*"),
)
#: What may lead through the link of conda's prefix or of an environment, or not.
PATHS = ("PATH", "CONDA_EXE", "CONDA_PYTHON_EXE")
#: A program that prints what its process began with; ``variables`` reads it.
SHOW = "import json, os; print(json.dumps(os.fsdecode(open('/proc/self/environ', 'rb').read())))"
#: How long ``conda run`` may take, with the environment's scripts.
SECONDS = 45.0


def began_with(process: object) -> dict[str, str]:
    """Return the variables that a process began with."""
    with open("/proc/%s/environ" % process, "rb") as stream:
        return variables(os.fsdecode(stream.read()))


def variables(text: str) -> dict[str, str]:
    """Return the variables in a text of ``/proc/PID/environ``."""
    entries = (entry.partition("=") for entry in text.split("\0"))
    return {name: value for name, sign, value in entries if sign}


def conda_run(conda: str, prefix: str, given: dict[str, str]) -> dict[str, str]:
    """Return what ``conda run`` gives a program in an environment; ``given`` is what conda itself begins with."""
    running = subprocess.Popen(
        [conda, "run", "--prefix", prefix, "python", "-c", SHOW],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=given,
        start_new_session=True,
    )
    try:
        printed = running.communicate(timeout=SECONDS)[0]
    except BaseException:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        raise
    # Scripts may print lines of their own before.
    return variables(json.loads(printed.splitlines()[-1].decode()))


def comparable(found: dict[str, str], own: list[str]) -> dict[str, str]:
    """Return what two environments must agree on."""
    return {
        name: resolved(value) if name in PATHS else value
        for name, value in found.items()
        if name not in own and not any(fnmatch.fnmatchcase(name, pattern) for pattern in DIFFER)
    }


def resolved(paths: str) -> str:
    """Return paths, separated by colons, behind all links and without repetitions."""
    return ":".join(dict.fromkeys(map(os.path.realpath, paths.split(":"))))


def differing(kernel: dict[str, str], server: dict[str, str], own: list[str]) -> list[str]:
    """Return the names of the variables that differ.

    Parameters
    ----------
    kernel, server
        The variables of the kernel, and of the server that started it.
    own
        The variables that the kernelspec sets.
    """
    if "CONDA_EXE" not in kernel or "CONDA_PREFIX" not in kernel:
        return []
    base = os.path.dirname(os.path.dirname(kernel["CONDA_EXE"]))
    given = {**server, **{name: kernel[name] for name in own if name in kernel and name != "PATH"}}
    path = server.get("PATH", "/usr/bin:/bin")
    if not any(folder.endswith("condabin") for folder in path.split(":")):
        given["PATH"] = "%s/condabin:%s" % (base, path)
    run = conda_run(kernel["CONDA_EXE"], os.path.realpath(kernel["CONDA_PREFIX"]), given)
    here, there = comparable(kernel, own), comparable(run, own)
    return sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))


def main(own: list[str]) -> None:
    # The program that starts kernels keeps its process, so the parent is the server.
    sys.stdout.write(json.dumps(differing(began_with("self"), began_with(os.getppid()), own)) + "\n")
