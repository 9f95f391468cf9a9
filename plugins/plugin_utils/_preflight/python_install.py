# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""How a shell installs Python, by the command that a person would run."""

from __future__ import annotations

import re
import shlex

#: How long another run of the package manager, such as that of a first boot, may take.
LOCK_SECONDS = 300
#: Shell programs by package manager.
_SCRIPTS = {
    "apt-get": """
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
install() {{ apt-get -q --yes -o DPkg::Lock::Timeout={seconds} --no-remove --no-install-recommends install "$@"; }}
# Here apt has no option to wait.
update() {{
  tries={tries}
  until said=$(apt-get -q update 2>&1); do
    case $said in *"Could not get lock"*) tries=$((tries - 1)) ;; *) tries=0 ;; esac
    [ "$tries" -gt 0 ] || break
    sleep 5
  done
  echo "$said"
}}
# Dependencies that somebody has removed by force are in the way of any installation.
install {package} || {{ update; install --fix-broken; install {package}; }}
# A link that somebody has removed or broken comes back with its package alone.
{package} -c '' || install --reinstall {package}-minimal || {{ update; install --reinstall {package}-minimal; }}
""",
    "dnf": "dnf --assumeyes install {package}",
}


_ERRORS = re.compile(r"^(E|Error):|\bsudo:|No space left")


def script(command: str) -> str:
    """Return a shell's program for a command such as ``sudo apt-get install --yes python3``."""
    _sudo, manager, *_options, package = shlex.split(command)
    filled = _SCRIPTS[manager].format(package=shlex.quote(package), seconds=LOCK_SECONDS, tries=LOCK_SECONDS // 5)
    return filled.strip()


def said_last(output: str, lines: int = 3) -> str:
    """Return the last lines of a package manager's output, as one."""
    said = list(dict.fromkeys(line.strip() for line in output.splitlines() if line.strip()))
    errors = [line for line in said if _ERRORS.search(line)]
    return " ".join((errors or said)[-lines:])
