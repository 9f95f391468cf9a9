# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Become a program in an activated conda environment; run by Python 3.7 or newer as a program of its own.

``activated.py DISTRIBUTION SECONDS PREFIX NAMES PROGRAM [ARGUMENT ...]``

The program gets what ``conda activate`` gives: the environment's variables, and those that its scripts in
``etc/conda/activate.d`` leave in a shell of their own. If they don't get to their end, the program starts without
theirs, and standard error names the script. It keeps this process, so that signals reach it.

DISTRIBUTION
    The prefix of conda; it may be missing.
SECONDS
    How long the scripts may take.
PREFIX
    The environment, or a link to it. The link is resolved once: Python takes ``sys.prefix`` from the path it was called
    by, and would otherwise import from the next generation once the link is switched.
NAMES
    Variables, separated by commas, that stay as they are; PATH is always extended.
PROGRAM
    A path, relative to the environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time

_TIMEOUT = b"/usr/bin/timeout"
#: conda activates in bash; scripts that keep to the standard also work without it.
_SHELLS = (b"/bin/bash", b"/bin/sh")
# A script may have functions that are named as these commands.
_SOURCE = rb"""
for evenkeel_script; do
    command set --
    command printf '%s\0' "$evenkeel_script" >&9
    command . "$evenkeel_script" 9>&-
done
command printf '\0' >&9
command exec /usr/bin/env -0 >&9
"""
#: How often it is looked whether the shell has ended, in seconds.
_INTERVAL = 0.02
#: How long the shell may outlive its time limit, in seconds; what enforces the limit can be stopped.
_GRACE = 2
#: What a shell sets by itself.
_OF_SHELL = (b"_", b"OLDPWD", b"PWD", b"SHLVL")
#: More of what scripts print is left out.
_MOST_OUTPUT = 1 << 16
_PIECE = 1 << 16
#: See ``conda env config vars unset``, and what conda does not let an environment set.
_UNSET = "***unset***"
_RESERVED = "PATH"
#: Where packages below ``~/.local`` are out of sight.
_ISOLATION = b"etc/conda/activate.d/evenkeel_user_site.sh"


class Failed(Exception):
    """Why the scripts did not get to their end."""


def report(text: bytes) -> None:
    """Write to standard error, which nobody may read any more."""
    with contextlib.suppress(OSError):
        while text:
            text = text[os.write(2, text) :]


def report_line(text: str) -> None:
    report(os.fsencode("Evenkeel: %s\n" % text))


def name_of(link: bytes, prefix: bytes, distribution: bytes) -> bytes:
    """Return what conda calls an environment."""
    if prefix == os.path.realpath(distribution):
        return b"base"
    return os.path.basename(link) if os.path.basename(os.path.dirname(link)) == b"envs" else link


def activated(prefix: bytes, name: bytes, distribution: bytes, given: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the variables with those that conda sets, before any script."""
    found = {**given, b"CONDA_PREFIX": prefix, b"CONDA_DEFAULT_ENV": name, b"CONDA_SHLVL": b"1"}
    path = given.get(b"PATH", b"/usr/bin:/bin").split(b":")
    conda = os.path.join(distribution, b"bin", b"conda")
    if os.access(conda, os.X_OK):
        found[b"CONDA_EXE"] = conda
        found[b"CONDA_PYTHON_EXE"] = os.path.join(distribution, b"bin", b"python")
        if not any(folder.endswith(b"condabin") for folder in path):
            path.insert(0, os.path.join(distribution, b"condabin"))
    found[b"PATH"] = b":".join([os.path.join(prefix, b"bin"), *path])
    for variable, value in variables(prefix).items():
        if variable in given:
            found[b"__CONDA_SHLVL_0_" + variable] = given[variable]
        found[variable] = value
    return found


def variables(prefix: bytes) -> dict[bytes, bytes]:
    """Return the variables of the environment's packages and its own, which ``conda env config vars`` shows."""
    found: dict[str, object] = {}
    for path in files(os.path.join(prefix, b"etc", b"conda", b"env_vars.d"), b""):
        found.update(content(path))
    own = content(os.path.join(prefix, b"conda-meta", b"state")).get("env_vars")
    found.update(own if isinstance(own, dict) else {})
    return {
        # As conda does it, unless a user's envvars_force_uppercase says otherwise.
        name.upper().encode("utf-8", "surrogateescape"): str(value).encode("utf-8", "surrogateescape")
        for name, value in found.items()
        if name.upper() != _RESERVED and value not in (None, _UNSET) and is_variable(name, str(value))
    }


def content(path: bytes) -> dict[str, object]:
    """Return the object in a JSON file; an empty one where there is none."""
    try:
        with open(path, "rb") as stream:
            return dict(json.loads(stream.read().decode("utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        report_line("%s can't be read, so its variables are not set: %s." % (os.fsdecode(path), error))
        return {}


def is_variable(name: str, value: str) -> bool:
    """Return whether the kernel accepts them in an environment."""
    return name != "" and "=" not in name and "\0" not in name + value


def files(folder: bytes, suffix: bytes) -> list[bytes]:
    """Return the paths of a folder's files, in the order of their names; none where there is no folder."""
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(suffix)]
    except OSError:
        return []


def scripts(prefix: bytes, distribution: bytes) -> list[bytes]:
    """Return what to source, in order: first the function ``conda``, which scripts may call."""
    function = os.path.join(distribution, b"etc", b"profile.d", b"conda.sh")
    own = files(os.path.join(prefix, b"etc", b"conda", b"activate.d"), b".sh")
    return [path for path in [function, *own] if os.access(path, os.R_OK)]


def after(sourced: list[bytes], before: dict[bytes, bytes], seconds: str) -> dict[bytes, bytes]:
    """Return the environment that a shell has after the scripts.

    Raises
    ------
    Failed
        The shell did not get to their end.
    """
    answer, answering = os.pipe()
    output, printing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if not child:
        become_shell(sourced, before, seconds, answering, printing)
    with contextlib.suppress(OSError):  # the child does it too; nobody knows who is first
        os.setpgid(child, child)
    os.close(answering)
    os.close(printing)
    try:
        status, answered, printed = read(child, answer, output, began + float(seconds) + _GRACE)
    except KeyboardInterrupt:
        end(child)
        raise Failed("The scripts were interrupted") from None
    report(printed)
    started, at_end, left = answered.partition(b"\0\0")
    if at_end and status == 0:
        return environment_of(left, before)
    last = started.rstrip(b"\0").split(b"\0")[-1]
    script = os.fsdecode(last) if last in sourced and not at_end else "The shell of the scripts"
    if time.monotonic() - began >= float(seconds):
        raise Failed("%s did not end within %s seconds" % (script, seconds))
    ended = os.WTERMSIG(status) + 128 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    raise Failed("%s ended the shell with status %d" % (script, ended))


def end(child: int) -> int:
    """Kill the shell and what it has started; return the status of its time limit."""
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def become_shell(
    sourced: list[bytes], environment: dict[bytes, bytes], seconds: str, answering: int, printing: int
) -> None:
    """Replace this process by the shell, under its time limit; in a child of its own."""
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(printing, 1)
        os.dup2(printing, 2)
        os.dup2(answering, 9)
        os.set_inheritable(9, True)
        default_signals()
        shell = next(path for path in _SHELLS if os.access(path, os.X_OK))
        limit = [_TIMEOUT, b"--kill-after=1", os.fsencode(seconds)]
        os.execve(_TIMEOUT, [*limit, shell, b"-c", _SOURCE, b"activate", *sourced], environment)  # noqa: S606
    except OSError as error:
        report_line("%s: %s" % (os.fsdecode(_TIMEOUT), error.strerror))
    finally:
        os._exit(127)


def read(child: int, answer: int, output: int, deadline: float) -> tuple[int, bytes, bytes]:
    """Return the status of ``child``, and what comes from both pipes until it ends, of the output only so much.

    The pipes' own end is not waited for: what a script leaves running may keep them open.
    """
    status: int | None = None
    answered, printed, more = b"", b"", 0
    pipes = [answer, output]
    while True:
        if status is None:
            ended, found = os.waitpid(child, os.WNOHANG)
            status = found if ended else end(child) if time.monotonic() >= deadline else None
        ready = select.select(pipes, [], [], _INTERVAL if status is None else 0)[0]
        if status is not None and (answer not in ready or time.monotonic() >= deadline):
            break
        for pipe in ready:
            piece = os.read(pipe, _PIECE)
            if not piece:
                pipes.remove(pipe)
            elif pipe == answer:
                answered += piece
            else:
                kept = piece[: _MOST_OUTPUT - len(printed)]
                printed, more = printed + kept, more + len(piece) - len(kept)
    if output in pipes and select.select([output], [], [], 0)[0]:
        printed += os.read(output, _PIECE)
    return status, answered, printed + (b"\n[%d bytes more]\n" % more if more else b"")


def environment_of(text: bytes, before: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the variables that ``env -0`` has written, without those that are the shell's own.

    Raises
    ------
    Failed
        They are not an activated environment's.
    """
    pairs = (entry.partition(b"=") for entry in text.split(b"\0") if entry)
    found = {name: value for name, _sign, value in pairs if name not in _OF_SHELL}
    if b"CONDA_PREFIX" not in found:
        raise Failed("The shell of the scripts ended without the variable CONDA_PREFIX")
    return {**found, **{name: before[name] for name in _OF_SHELL if name in before}}


def default_signals() -> None:
    """Undo what Python does to its own process."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def environment(link: bytes, prefix: bytes, distribution: bytes, seconds: str) -> dict[bytes, bytes]:
    """Return the variables of the activated environment."""
    found = activated(prefix, name_of(link, prefix, distribution), distribution, dict(os.environb))
    sourced = scripts(prefix, distribution)
    try:
        return after(sourced, found, seconds) if sourced else found
    except (Failed, OSError) as error:
        left_out = os.path.join(os.fsdecode(prefix), "etc", "conda", "activate.d")
        report_line("%s. The kernel starts without the variables that scripts in %s set." % (error, left_out))
    return {**found, b"PYTHONNOUSERSITE": b"1"} if os.path.lexists(os.path.join(prefix, _ISOLATION)) else found


def main(distribution: str, seconds: str, link: str, names: str, program: str, *arguments: str) -> None:
    # Where memory is short, the kernel that fills it is the one to go, not the server.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as stream:
        stream.write("500")
    prefix = os.path.realpath(link)
    found = environment(os.fsencode(link), os.fsencode(prefix), os.fsencode(distribution), seconds)
    own = (os.fsencode(name) for name in names.split(",") if name != "PATH")
    found.update({name: os.environb[name] for name in own if name in os.environb})
    default_signals()
    path = os.path.join(prefix, program)
    os.execve(path, [path, *arguments], found)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
