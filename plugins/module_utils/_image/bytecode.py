# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Bytecode that the installer of a distribution has compiled: it differs from run to run, so an image gets its own."""

from __future__ import annotations

import glob
import inspect
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import bytecode_compiler, bytecode_workers
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

_CACHE = "__pycache__"


def unrecorded(home: str) -> set[str]:
    """Return the paths of bytecode that no package has brought with a hash."""
    brought = {os.path.join(home, path) for path in _brought(home)}
    return {path for path in _bytecode(home) if path not in brought}


def compiled(home: str) -> dict[str, bytes]:
    """Return the bytecode that comes in place of what is not recorded, by path; it depends on the sources alone."""
    paths = sorted(path for path in unrecorded(home) if os.path.isfile(source_of(path)))
    if not paths:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        targets = {path: os.path.join(folder, str(number)) for number, path in enumerate(paths)}
        by_folder: dict[str, list[list[str]]] = {}
        for path, target in targets.items():
            source = source_of(path)
            by_folder.setdefault(os.path.dirname(path), []).append([source, source, target, ""])
        _compile(home, "".join("%s\n" % json.dumps(jobs) for _unused, jobs in sorted(by_folder.items())))
        found = {}
        for path, target in targets.items():
            if os.path.exists(target):  # a template that is no Python has none
                with open(target, "rb") as stream:
                    found[path] = stream.read()
        return found


def source_of(bytecode: str) -> str:
    """Return the path of the source that a file of bytecode is of.

    >>> source_of("lib/__pycache__/six.cpython-311.pyc")
    'lib/six.py'
    """
    folder, name = os.path.split(bytecode)
    return os.path.join(os.path.dirname(folder), "%s.py" % name.rsplit(".", 2)[0])


def _compile(home: str, jobs: str) -> None:
    program = os.path.join(home, "bin", "python")
    done = subprocess.run(
        [program, *bytecode_workers.OPTIONS, "-c", inspect.getsource(bytecode_compiler)],
        input=jobs,
        capture_output=True,
        text=True,
        env=bytecode_workers.ENVIRONMENT,
        cwd="/",
        check=False,
    )
    failed = [answer for answer in map(json.loads, done.stdout.splitlines()) if "error" in answer]
    if done.returncode or failed:
        said = failed[0]["error"] if failed else done.stderr.strip()
        raise EvenkeelError("%s could not compile its own modules: %s" % (program, said), "Install it anew")


def _bytecode(home: str) -> Iterator[str]:
    for folder, folders, names in os.walk(home):
        if folder == home and "pkgs" in folders:
            folders.remove("pkgs")
        if os.path.basename(folder) == _CACHE:
            yield from (os.path.join(folder, name) for name in names if name.endswith(".pyc"))


def _brought(home: str) -> Iterator[str]:
    """Yield the files whose hash a record of conda has."""
    for path in glob.glob(os.path.join(glob.escape(home), "conda-meta", "*.json")):
        with open(path, encoding="utf-8") as stream:
            entries = json.load(stream).get("paths_data", {}).get("paths", [])
        yield from (entry["_path"] for entry in entries if entry.get("sha256"))
