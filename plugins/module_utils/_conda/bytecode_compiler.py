# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Compile Python files; run by an environment's own Python, 3.7 or newer, as a program of its own.

Reads one JSON list a line from standard input, ``[[source, name, target, sha256], ...]``, and answers each with a line
``{"hashes": [...]}``: the bytecode's SHA-256, null where the source does not compile, "" where the source has not the
given hash. What can't be read or written is answered with ``{"error": TEXT, "errno": NUMBER}``. It ends with its input,
or with status 1 where a line was not answered.

What Python writes for a string depends on whether something else in the process holds the same one. So each line is
worked on in a process of its own that has compiled nothing before, and equal lines make equal files on every machine.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import marshal
import os
import sys

#: PEP 552: the source's hash follows, and is never compared with the source.
UNCHECKED_HASH = (0b01).to_bytes(4, "little")


def compiled(source: bytes, name: str) -> bytes | None:
    """Return the content of a .pyc file, which depends on the source and its ``name`` alone; None if it has errors."""
    try:
        code = compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return None
    return importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source) + marshal.dumps(code)


def compile_file(source: str, name: str, target: str, sha256: str) -> str | None:
    """Compile ``source`` into ``target``; see the program's answers."""
    try:
        with open(source, "rb") as stream:
            content = stream.read()
    except FileNotFoundError:
        return "" if sha256 else None
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        return ""
    bytecode = compiled(content, name)
    if bytecode is None:
        return None
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    if os.path.lexists(target):
        os.unlink(target)
    with open(target, "xb") as stream:
        stream.write(bytecode)
    return hashlib.sha256(bytecode).hexdigest()


def answer(line: str) -> None:
    """Do what a line asks for, and print the answer."""
    try:
        found: dict[str, object] = {"hashes": [compile_file(*job) for job in json.loads(line)]}
    except OSError as error:
        found = {"error": str(error), "errno": error.errno}
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Answer until the input ends, or an answer fails; return the program's status."""
    os.umask(0o022)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                answer(line)
                status = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(status)
        if os.waitpid(child, 0)[1]:
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
