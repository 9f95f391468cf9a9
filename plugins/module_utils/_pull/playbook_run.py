# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A run of the playbook of a commit on this node alone, from the node's own control node environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import ENVIRONMENT
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_variable import RUN
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import settings as pull_settings
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.repository import end, proxies
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Places, Settings

#: What a run on the node itself is given beside the inventory's variables, over which these win.
VARIABLES: Mapping[str, object] = {
    "ansible_connection": "local",
    "ansible_become": False,
    "conda_environments_require_lock": True,
    # A playbook that includes drift.yml reports; that is no failure of the run.
    "drift_fail": False,
    "evenkeel_pulls": True,
    # A node can't wait for its own reboot; that it needs one is in the report.
    "nvidia_driver_reboot": False,
}
#: In the environment's folder: of what links packages of conda, which a control node otherwise fetches with pip.
WHEELS = "wheels"
#: How many lines of the output are kept, and how much of it a reason quotes.
_MOST_LINES, _MOST_CHARACTERS = 400, 4000
_RECAP = re.compile(r"^(?P<host>\S+)\s+: (?P<counts>ok=\d+.*)$")
_FATAL = re.compile(r"^(?:fatal|failed): \[(?P<host>[^\]]+)\].*?=> (?P<result>\{.*\})\s*$")
_ERROR = re.compile(r"^(?:\[ERROR\]:|ERROR!|Origin:) (?P<text>.+)$")


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Parameters
    ----------
    problem
        Why it is no success; empty when it is one.
    counts
        The node's line of the recap, such as ``changed``.
    """

    problem: str
    counts: Mapping[str, int] = field(default_factory=dict)


def command(python: str, checkout: str, settings: Settings, places: Places, variables: str) -> list[str]:
    """Return the command of a run.

    Parameters
    ----------
    python
        That of the environment with ansible-core.
    variables
        The path of a file with ``VARIABLES``.
    """
    argv = [python, "-m", "ansible", "playbook", "--inventory", settings.inventory, "--limit", settings.host, "--diff"]
    if os.path.exists(places.path(pull_settings.VARIABLES)):
        argv += ["--extra-vars", "@" + places.path(pull_settings.VARIABLES)]
    if os.path.exists(places.path(pull_settings.VAULT_PASSWORD)):
        argv += ["--vault-password-file", places.path(pull_settings.VAULT_PASSWORD)]
    return [*argv, "--extra-vars", "@" + variables, os.path.join(checkout, settings.playbook)]


def environment(python: str, places: Places, inherited: Mapping[str, str], holder: str = "") -> dict[str, str]:
    """Return the environment of a run; ``holder`` describes the run of this program that has the node, if it has."""
    paths = [os.path.dirname(python), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return {
        **ENVIRONMENT,
        **proxies(inherited),
        "PATH": ":".join(paths),
        "HOME": places.home,
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_LOCAL_TEMP": os.path.join(places.home, "tmp"),
        "ANSIBLE_REMOTE_TEMP": os.path.join(places.home, "tmp"),
        "PYTHONUNBUFFERED": "1",
        **({RUN: holder} if holder else {}),
    }


def run(
    python: str, checkout: str, settings: Settings, places: Places, keeps: Sequence[int] = (), holder: str = ""
) -> Ended:
    """Run the playbook on this node, and pass on what it prints.

    Parameters
    ----------
    holder
        See ``environment``.
    keeps
        Open files that the run keeps open: a lock is held as long as it goes on, also where this process is killed.

    Raises
    ------
    EvenkeelError
        A secret is one that others can read.
    """
    for name in (pull_settings.VARIABLES, pull_settings.VAULT_PASSWORD):
        pull_settings.secret(places.path(name))
    os.makedirs(os.path.join(places.home, "tmp"), mode=0o700, exist_ok=True)
    variables = os.path.join(places.home, "variables.json")
    with open(variables, "w", encoding="utf-8") as stream:
        wheels = os.path.join(os.path.dirname(os.path.dirname(python)), WHEELS)
        of_node = {"drift_directory": places.drift, "conda_environments_wheels": wheels}
        json.dump({**VARIABLES, **of_node}, stream)
    argv = command(python, checkout, settings, places, variables)
    kept: deque[str] = deque(maxlen=_MOST_LINES)
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=checkout,
            env=environment(python, places, os.environ, holder),
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            pass_fds=keeps,
        )
    except OSError as error:
        raise EvenkeelError(
            "%s can't be started: %s" % (python, error.strerror), "Run the role pull_agent from a control node again"
        ) from error
    late = threading.Event()

    def stop() -> None:
        late.set()
        end(process)

    watch = threading.Timer(settings.timeout, stop)
    watch.start()
    try:
        for line in process.stdout or ():
            kept.append(line.rstrip("\n"))
            sys.stdout.write(line)
            sys.stdout.flush()
        status = process.wait()
    except BaseException:
        end(process)
        raise
    finally:
        watch.cancel()
    if late.is_set():
        return Ended("The playbook did not end within %d seconds, and was ended" % settings.timeout)
    return outcome(status, list(kept), settings.host)


def outcome(status: int, lines: Sequence[str], host: str) -> Ended:
    """Return what the exit status and the last lines of a run mean."""
    counts = recap(lines, host)
    if status != 0:
        return Ended(reason(lines) or "The playbook ended with status %d" % status, counts)
    if not counts:
        return Ended("The playbook did nothing on %s: see whether the inventory has it in gpu_nodes" % host)
    return Ended("", counts)


def recap(lines: Iterable[str], host: str) -> dict[str, int]:
    """Return the counts of a host's line in the recap; nothing where there is none."""
    for line in lines:
        found = _RECAP.match(line)
        if found and found["host"] == host:
            pairs = (word.partition("=") for word in found["counts"].split())
            return {name: int(count) for name, _equals, count in pairs}
    return {}


def reason(lines: Iterable[str]) -> str:
    """Return why a run failed: the messages of its failures, or Ansible's own error."""
    messages, errors = [], []
    for line in lines:
        failed, error = _FATAL.match(line), _ERROR.match(line)
        if failed:
            messages.append(_message(failed["result"]))
        elif error:
            errors.append(error["text"])
    return "\n".join(dict.fromkeys(filter(None, messages or errors)))[:_MOST_CHARACTERS]


def _message(result: str) -> str:
    try:
        content = json.loads(result)
        return str(content.get("msg") or "")
    except (ValueError, AttributeError):
        return result
