# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a node, kept by what it was asked: recorded once over ssh, replayed for any number of hosts.

An answer is a file below the folder that ``FOLDER`` names in the environment. Its name is the question: the module's
name and a hash of its arguments, in which the host's name does not count.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED

FOLDER = "EVENKEEL_BENCH_ANSWERS"
#: The variable of the environment with the name of the recorded host.
HOST = "EVENKEEL_BENCH_NODE"
#: The variable with the seconds after which an answer comes.
LATENCY = "EVENKEEL_BENCH_LATENCY"
#: What differs from one run to the next.
_PASSING = re.compile(r"BECOME-SUCCESS-\w+|ansible-tmp-[\d.-]+")
#: What a survey hands over so that the node has its code: a node that has been asked before has it.
_CODE = ("digest", "packed")
_PARAMETERS = b"\nparams="
_MODULE = b"\nansible_module="


def question(command: str, sent: bytes | None, host: str) -> str:
    """Return the name of what a host is asked.

    Parameters
    ----------
    command
        What its shell runs.
    sent
        What the command reads: where it is a module, Ansible's wrapper around it.
    """
    start = (sent or b"").find(_PARAMETERS)
    if sent is None or start < 0:
        return f"command/{_hash(command, host)}"
    parameters = json.loads(_literal(sent, start, _PARAMETERS))["ANSIBLE_MODULE_ARGS"]
    own = {name: value for name, value in parameters.items() if not name.startswith("_ansible_")}
    if HANDED in own:
        own[HANDED] = {name: value for name, value in own[HANDED].items() if name not in _CODE}
    module = _literal(sent, sent.find(_MODULE), _MODULE)
    return f"{module}/{_hash(json.dumps(own, sort_keys=True), host)}"


def keep(name: str, status: int, output: bytes) -> None:
    """Keep an answer: exit status and standard output."""
    path = _folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"{status}\n".encode() + _without_preamble(output))


def find(name: str) -> tuple[int, bytes] | None:
    """Return an answer, if there is one; to other arguments, the only one that was given to the same module."""
    path = _folder() / name
    if not path.exists():
        alike = list(path.parent.glob("*"))
        if len(alike) != 1 or path.parent.name == "command":
            return None
        path = alike[0]
    status, _, output = path.read_bytes().partition(b"\n")
    return int(status), output


def _folder() -> Path:
    return Path(os.environ[FOLDER])


def _literal(sent: bytes, start: int, name: bytes) -> str:
    """Return the text of a line of Ansible's wrapper, which is written as Python."""
    begin = start + len(name)
    return str(ast.literal_eval(sent[begin : sent.index(b"\n", begin)].decode().rstrip(",")))


def _hash(text: str, host: str) -> str:
    return hashlib.sha256(_PASSING.sub("", text).replace(host, "HOST").encode()).hexdigest()[:16]


def _without_preamble(output: bytes) -> bytes:
    """Return output without the line by which sudo has reported that it works."""
    return re.sub(rb"\A\s*BECOME-SUCCESS-\w+\r?\n", b"", output)
