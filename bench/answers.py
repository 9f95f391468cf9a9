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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED

FOLDER = "EVENKEEL_BENCH_ANSWERS"
#: The variable of the environment with the name of the recorded host.
HOST = "EVENKEEL_BENCH_NODE"
#: The variable with the seconds after which an answer comes.
LATENCY = "EVENKEEL_BENCH_LATENCY"
#: What differs from one run to the next.
_PASSING = re.compile(r"BECOME-SUCCESS-\w+|ansible-tmp-[\d.-]+|\bj\d{6,}\b|EVENKEEL_RUN=[^{]*\{[^}]*\}")
#: What of it an answer repeats: the name of a folder, or a word that a shell is to say.
_REPEATED = re.compile(rb"ansible-tmp-[\d.-]+|\b[0-9a-f]{16}\b")
#: What an action hands over and does not count: the code of a survey, which a node has that was asked before, and which
#: run it is.
_UNCOUNTED = ("digest", "packed", "run")
_PARAMETERS = b"\nparams="
_MODULE = b"\nansible_module="


@dataclass(frozen=True)
class Question:
    """What a host is asked.

    Attributes
    ----------
    command
        What its shell runs.
    sent
        What the command reads: where it is a module, Ansible's wrapper around it.
    """

    command: str
    sent: bytes
    host: str

    @property
    def name(self) -> str:
        """The name of the answer."""
        start = self.sent.find(_PARAMETERS)
        if start < 0:
            return f"command/{_hash(self.command, self.host)}"
        parameters = json.loads(_literal(self.sent, start, _PARAMETERS))["ANSIBLE_MODULE_ARGS"]
        own = {name: value for name, value in parameters.items() if not name.startswith("_ansible_")}
        if HANDED in own:
            own[HANDED] = {name: value for name, value in own[HANDED].items() if name not in _UNCOUNTED}
        module = _literal(self.sent, self.sent.find(_MODULE), _MODULE)
        return f"{module}/{_hash(json.dumps(own, sort_keys=True), self.host)}"

    @property
    def repeated(self) -> Mapping[bytes, bytes]:
        """What the answer to a command may repeat, by what is kept in its place."""
        if _PARAMETERS in self.sent:
            return {}
        found = dict.fromkeys(_REPEATED.findall(self.command.encode() + b"\n" + self.sent))
        return {b"@%d@" % number: word for number, word in enumerate(found)}


def keep(question: Question, status: int, output: bytes) -> None:
    """Keep an answer: exit status and standard output."""
    path = _folder() / question.name
    path.parent.mkdir(parents=True, exist_ok=True)
    for place, word in question.repeated.items():
        output = output.replace(word, place)
    path.write_bytes(f"{status}\n".encode() + _without_preamble(output))


def find(question: Question) -> tuple[int, bytes] | None:
    """Return an answer, if there is one; to other arguments, the only one that was given to the same module."""
    path = _folder() / question.name
    if not path.exists():
        alike = list(path.parent.glob("*"))
        if len(alike) != 1 or path.parent.name == "command":
            return None
        path = alike[0]
    status, _, output = path.read_bytes().partition(b"\n")
    for place, word in question.repeated.items():
        output = output.replace(place, word)
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
