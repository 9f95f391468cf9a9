# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a node says through a shell alone, before it is known to have Python."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: The oldest Python on which the collection's modules run.
OLDEST = (3, 9)
#: Where distributions have a Python that Ansible does not look for by itself.
ELSEWHERE = ("python3.14", "/usr/libexec/platform-python")
#: Modules of its standard library, which distributions can leave out.
STANDARD = "ctypes, json, platform, ssl, zipfile"
#: ssh's own last line where it was given a terminal.
_FAREWELL = re.compile(r"(Shared c|C)onnection to \S+ closed\.")
#: By ID or ID_LIKE of os-release: the command that installs Python, and the interpreter that it brings where Ansible
#: has to be given its path.
_INSTALLING: Mapping[str, tuple[str, str]] = {
    "debian": ("sudo apt-get install --yes python3", ""),
    "rhel": ("sudo dnf install --assumeyes python3", ""),
    "fedora": ("sudo dnf install --assumeyes python3", ""),
}
_INSTALLING_ON_EL8 = ("sudo dnf install --assumeyes python3.12", "/usr/bin/python3.12")
_NEWER_PYTHON = ("a newer Python", "")


@dataclass(frozen=True)
class Python:
    """An interpreter on a node; its version is empty where it does not run."""

    path: str
    version: str

    @property
    def is_new_enough(self) -> bool:
        numbers = [int(number) for number in re.findall(r"\d+", self.version)[:2]]
        return len(numbers) == len(OLDEST) and tuple(numbers) >= OLDEST


@dataclass(frozen=True)
class FirstLook:
    """What a shell found.

    Parameters
    ----------
    uid
        The user of the shell; None where it was not said.
    release
        The node's ``/etc/os-release``.
    pythons
        Its interpreters, in the order in which Ansible looks for them.
    noise
        The last line that was not asked for.
    """

    uid: int | None = None
    clock: int | None = None
    machine: str = ""
    release: Mapping[str, str] = field(default_factory=dict)
    pythons: Sequence[Python] = ()
    noise: str = ""

    @property
    def answered(self) -> bool:
        """Whether the shell has run the program at all."""
        return self.uid is not None

    @property
    def name(self) -> str:
        """The distribution and its release, such as ``Ubuntu 24.04``."""
        distribution = self.release.get("NAME", "").removesuffix(" GNU/Linux").removesuffix(" Linux")
        return f"{distribution} {self.release.get('VERSION_ID', '')}".strip()


def user_and_clock(word: str) -> str:
    """Return the shell's program that says who the shell runs as, and what time it is there; see ``script``."""
    # What a login prints can end without a new line.
    return f'echo; echo "{word} uid $(id -u)"; echo "{word} clock $(date +%s)"'


def script(interpreters: Sequence[str], word: str) -> str:
    """Return the shell's program; it asks each of ``interpreters`` for its version.

    Parameters
    ----------
    word
        What its lines begin with: nobody else's do, where it is a random one.
    """
    names = " ".join(shlex.quote(name) for name in [*interpreters, *ELSEWHERE])
    return f"""
{user_and_clock(word)}
echo "{word} machine $(uname -m)"
for name in {names}; do
  path=$(command -v "$name") || continue
  version=$("$path" -c 'import {STANDARD}; print(platform.python_version())' 2>/dev/null </dev/null)
  echo "{word} python $path $version"
done
sed 's/^/{word} release /' /etc/os-release
""".strip()


def parse(said: str, word: str) -> FirstLook:
    """Read what the program of ``script`` printed; lines that do not begin with ``word`` are noise."""
    rows: dict[str, list[str]] = {}
    noise = ""
    for line in map(str.strip, said.splitlines()):
        first, _unused, answer = line.partition(" ")
        if first == word:
            key, _unused, value = answer.partition(" ")
            rows.setdefault(key, []).append(value.strip())
        elif line and not _FAREWELL.fullmatch(line):
            noise = line
    settings = (line.partition("=") for line in rows.get("release", []))
    pythons = {
        path: Python(path, version) for path, _unused, version in (one.partition(" ") for one in rows.get("python", []))
    }
    return FirstLook(
        uid=_number(rows.get("uid")),
        clock=_number(rows.get("clock")),
        machine="".join(rows.get("machine", [])[:1]),
        release={name: value.strip("\"'") for name, _unused, value in settings},
        pythons=tuple(pythons.values()),
        noise=noise,
    )


def skew(found: FirstLook, begun: float, ended: float) -> dict[str, int]:
    """Return by how many seconds the node's clock is ahead at least, as ``clock_skew``; negative where it is behind.

    Parameters
    ----------
    begun, ended
        When the node was asked and when it had answered, in seconds since the epoch by this machine's clock.
    """
    if found.clock is None:
        return {}
    behind, ahead = found.clock + 1 - begun, found.clock - ended
    return {"clock_skew": round(behind if behind < 0 else max(ahead, 0))}


def choose(found: FirstLook, configured: str) -> Python | None:
    """Return the interpreter that Ansible uses: the configured one, or the first that it finds by itself."""
    if configured:
        return next((one for one in found.pythons if one.path == configured), None)
    return next((one for one in found.pythons if not one.path.endswith(ELSEWHERE)), None)


def python_problem(found: FirstLook, configured: str) -> str:
    """Return why modules can't run on the node, with the way out; empty where they can."""
    if not found.answered:
        said = f" and says: {found.noise.rstrip('.')}" if found.noise else ""
        return f"The shell of Ansible's user runs no commands{said}. Give the user one on the node, such as /bin/bash."
    used = choose(found, configured)
    if used and used.is_new_enough:
        return ""
    usable = next((one for one in found.pythons if one.is_new_enough), None)
    if usable:
        what = _wrong(used) if used else f"There is no {configured or 'Python that Ansible finds'}"
        return f"{what}. Set ansible_python_interpreter to {usable.path}, which is {usable.version}."
    command, path = _installing(found.release, old=used is not None and bool(used.version))
    then = f", then set ansible_python_interpreter to {path}" if path else ""
    way_out = f"`{command}`" if command.startswith("sudo") else command
    return f"{_wrong(used) if used else 'no Python'}. Install it on the node: {way_out}{then}."


def install_command(found: FirstLook, configured: str) -> str:
    """Return the command that installs a Python on which modules can run; empty where none helps."""
    used = choose(found, configured)
    if not found.answered or any(one.is_new_enough for one in found.pythons):
        return ""
    command, _unused = _installing(found.release, old=used is not None and bool(used.version))
    return command if command.startswith("sudo") else ""


def _wrong(python: Python) -> str:
    if not python.version:
        return f"{python.path} does not run"
    return f"{python.path} is Python {python.version}, and Evenkeel needs {'.'.join(map(str, OLDEST))} or newer"


def _installing(release: Mapping[str, str], *, old: bool) -> tuple[str, str]:
    kinds = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    if "rhel" in kinds and release.get("VERSION_ID", "").partition(".")[0] == "8":
        return _INSTALLING_ON_EL8
    if old:
        return _NEWER_PYTHON
    return next((_INSTALLING[kind] for kind in kinds if kind in _INSTALLING), ("Python 3.9 or newer", ""))


def _number(values: Sequence[str] | None) -> int | None:
    value = values[0] if values else ""
    return int(value) if value.isdecimal() else None
