# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Jupyter kernels of conda environments: read, plan, apply."""

from __future__ import annotations

import contextlib
import glob
import inspect
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import activated
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, user_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept

SPEC = "kernel.json"
MARK = "evenkeel"

#: The program that starts kernels, beside their folders; Jupyter looks at folders alone.
LAUNCHER = "evenkeel-activated.py"
# The launcher's Python is called behind the environment's link, which may be switched while it imports its modules.
START = 'exec "$(readlink -f "$0")/bin/python" -I -S "$@"'

_LARGEST = 1 << 20
_LAUNCHER = "lib/python3*/site-packages/ipykernel_launcher.py"
_SERVER = "bin/jupyter-lab"

_NAME = re.compile(r"[a-z0-9._-]+")
_SIZE = re.compile(r"(\d+)([KMGT]?)")
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


@dataclass(frozen=True)
class Kernel:
    """A wanted kernel.

    Parameters
    ----------
    prefix
        The environment it runs in.
    env
        Environment variables on top of those that the environment itself needs.
    memory
        How many bytes of data each process may have; None is no limit.
    """

    name: str
    prefix: str
    display_name: str
    env: Mapping[str, str] = field(default_factory=dict)
    memory: int | None = None


@dataclass(frozen=True)
class Installed:
    """A kernelspec as it is: its text, and whether we wrote it.

    Parameters
    ----------
    blank
        Whether it is empty, as a crash may leave it, and so can be replaced, even if others wrote it.
    hidden
        Whether not everybody may read it, and so Jupyter shows no such kernel.
    """

    text: str
    ours: bool
    blank: bool = False
    hidden: bool = False


@dataclass(frozen=True)
class Plan:
    """What to write and what to remove, by kernel name."""

    write: Mapping[str, str]
    remove: tuple[str, ...]
    before: Mapping[str, str]

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.write or self.remove)

    def diff(self, directory: str) -> list[dict[str, str]]:
        """Return what changes, file by file."""
        return [change.diff() for change in self.changes(directory)]

    def changes(self, directory: str) -> list[Change]:
        """Return the changes of files."""
        names = sorted({*self.write, *self.remove})
        return [
            Change(os.path.join(directory, name, SPEC), _file(self.before.get(name)), _file(self.write.get(name)))
            for name in names
        ]


def _file(text: str | None) -> Kept | None:
    return None if text is None else Kept(text)


def complete(item: Mapping[str, Any], environments: str) -> Kernel:
    """Return a kernel with defaults for what its description leaves out; ``environments`` holds the named environments.

    Raises
    ------
    EvenkeelError
        Its limit of memory is not a size.
    """
    devices = item.get("cuda_visible_devices")
    visible = {} if devices is None else {"CUDA_VISIBLE_DEVICES": devices}
    return Kernel(
        name=item["name"].lower(),
        prefix=os.path.join(environments, item["environment"] or item["name"]),
        display_name=item["display_name"] or "Python (%s)" % item["name"],
        env={**{key: str(value) for key, value in item["env"].items()}, **visible},
        memory=_bytes(item["name"], item["memory_max"]) if item.get("memory_max") else None,
    )


def launcher_file(directory: str, *, wanted: bool = True) -> list[Change]:
    """Return what changes in the program that starts kernels."""
    path = os.path.join(directory, LAUNCHER)
    return kept_files.plan(
        {path: kept_files.read(path)}, {path: Kept(inspect.getsource(activated)) if wanted else None}
    )


def launcher(directory: str, distribution: str, seconds: int) -> list[str]:
    """Return the beginning of the call of the program that starts kernels.

    Parameters
    ----------
    distribution
        The prefix of conda.
    seconds
        How long scripts that run at activation may take.

    Raises
    ------
    EvenkeelError
        They may take no time.
    """
    if seconds < 1:
        raise EvenkeelError(
            "activation_timeout (jupyter_activation_timeout of the role) is %d" % seconds,
            "Give the seconds that scripts in etc/conda/activate.d may take, at least 1",
        )
    return [os.path.join(directory, LAUNCHER), distribution, str(seconds)]


def _bytes(kernel: str, size: str) -> int:
    found = _SIZE.fullmatch(size)
    if not found:
        raise EvenkeelError(
            "memory_max of kernel %s is %r, which is not a size" % (kernel, size), "Give a number with K, M, G or T"
        )
    return int(found.group(1)) << _UNITS[found.group(2)]


def render(kernel: Kernel, launcher: Sequence[str]) -> str:
    """Return the text of a kernel's ``kernel.json``."""
    limited = ["prlimit", "--data=%d" % kernel.memory, "--"] if kernel.memory else []
    start = ["/bin/sh", "-c", START, kernel.prefix, *launcher, kernel.prefix, ",".join(sorted(kernel.env))]
    spec = {
        "argv": [*limited, *start, "bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": kernel.display_name,
        "env": dict(kernel.env),
        "language": "python",
        "metadata": {"debugger": True, MARK: {"prefix": kernel.prefix}},
    }
    return json.dumps(spec, indent=2, sort_keys=True) + "\n"


def parse(text: str) -> Installed:
    """Read a kernelspec that we or others wrote."""
    try:
        spec = json.loads(text)
    except (ValueError, RecursionError):
        return Installed(text, ours='"%s": {' % MARK in text, blank=kept_files.is_blank(text))
    metadata = spec.get("metadata") if isinstance(spec, dict) else None
    return Installed(text, ours=isinstance(metadata, dict) and MARK in metadata)


def check_names(kernels: Iterable[Kernel]) -> None:
    """Require names that Jupyter accepts, each once.

    Raises
    ------
    EvenkeelError
        A name is not one, or two kernels share one.
    """
    seen = set()
    for kernel in kernels:
        if not _NAME.fullmatch(kernel.name):
            raise EvenkeelError(
                "Jupyter does not accept %r as the name of a kernel" % kernel.name,
                "Use letters, digits, '.', '_' and '-'",
            )
        if kernel.name in seen:
            raise EvenkeelError("Two kernels are named %s" % kernel.name, "Give each a name of its own")
        seen.add(kernel.name)


def lacking(prefix: str, file: str, package: str) -> str | None:
    """Return what the environment ``prefix`` lacks, ``package`` with its ``file`` or a Python at all, or None."""
    if not os.access(os.path.join(prefix, "bin", "python"), os.X_OK):
        return "there is no environment with a Python at %s" % prefix
    if not glob.glob(os.path.join(glob.escape(prefix), file)):
        return "the environment %s has no %s" % (prefix, package)
    return None


def check_environments(kernels: Iterable[Kernel], server: str | None) -> None:
    """Require of each kernel's environment, and of the one that the server runs from, that it can run one.

    Raises
    ------
    EvenkeelError
        Some can't; all of them are named.
    """
    found = [("the kernel " + kernel.name, lacking(kernel.prefix, _LAUNCHER, "ipykernel")) for kernel in kernels]
    if server:
        found.insert(0, ("the server", lacking(server, _SERVER, "jupyterlab")))
    problems = ["%s: %s" % (what, problem) for what, problem in found if problem]
    if problems:
        raise EvenkeelError(
            "Jupyter can't run %s" % "; ".join(problems),
            "Add a missing environment to conda_environments_list of the role conda_environments, and a missing package"
            " to its environment.yml, which lock.yml locks again, or to its packages in that list; or name"
            " other environments in server and kernels (jupyter_environment and jupyter_kernels of the role)",
        )


def read(directory: str) -> dict[str, Installed]:
    """Return the kernelspecs of ``directory`` by name."""
    installed = {}
    for path in glob.glob(os.path.join(glob.escape(directory), "*", SPEC)):
        name = os.path.basename(os.path.dirname(path))
        try:
            content = user_files.read(path, None, _LARGEST)
            found = parse(content.text if content else "")
            installed[name] = replace(found, hidden=not kept_files.for_all(path))
        except (OSError, user_files.Refused):  # no file, or a link that leads nowhere
            installed[name] = Installed("", ours=False)
    return installed


def plan(current: Mapping[str, Installed], desired: Iterable[Kernel], directory: str, launcher: Sequence[str]) -> Plan:
    """Compare the present state with the wanted one.

    Raises
    ------
    EvenkeelError
        There is a kernelspec of a wanted name that Evenkeel did not write.
    """
    wanted = {kernel.name: render(kernel, launcher) for kernel in desired}
    foreign = sorted(name for name in wanted if name in current and not (current[name].ours or current[name].blank))
    if foreign:
        raise EvenkeelError(
            "Not written by Evenkeel: %s" % ", ".join(os.path.join(directory, name) for name in foreign),
            "Remove them, or give the kernels other names",
        )
    ours = {name: spec.text for name, spec in current.items() if spec.ours}
    return Plan(
        write={
            name: text
            for name, text in wanted.items()
            if ours.get(name) != text or (name in current and current[name].hidden)
        },
        remove=tuple(sorted(ours.keys() - wanted.keys())),
        before=ours,
    )


def apply(todo: Plan, directory: str) -> None:
    """Carry out the plan; each kernelspec is written whole or not at all."""
    for name, text in todo.write.items():
        os.makedirs(os.path.join(directory, name), mode=0o755, exist_ok=True)
        write_atomically(os.path.join(directory, name, SPEC), text)
    for name in todo.remove:
        os.unlink(os.path.join(directory, name, SPEC))
        with contextlib.suppress(OSError):  # someone put more into it
            os.rmdir(os.path.join(directory, name))
