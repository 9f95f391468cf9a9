# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Bytecode compiled by an environment's own Python, in several processes at once."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import IO, NamedTuple, cast

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import bytecode_compiler
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: With which Python compiles, so that all machines start alike: whether its own modules have bytecode does not count.
OPTIONS = ("-s", "-S", "-B", "-W", "ignore", "-X", "pycache_prefix=/dev/null/none")
#: The order in sets of constants, which older Pythons write as it is, depends on the seed.
ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8"}
#: A worker's share at a time: small, so that all end together, and an orphan soon.
_BATCH_BYTES = 1 << 19
#: What a file costs whatever its size, in bytes of source.
_FILE_BYTES = 1 << 11


class Task(NamedTuple):
    """What a worker does: read ``source``, which tracebacks call ``name``, and write ``target``."""

    source: str
    name: str
    target: str
    sha256: str
    size: int


def compile_files(job: Job, groups: Sequence[Sequence[Task]], workers: int) -> dict[str, str | None]:
    """Do the tasks of all groups, and return the SHA-256 of each target.

    It is None where the source does not compile, and empty where the source is not what its package brought.

    Parameters
    ----------
    job
        The build.
    groups
        Each the files of one package: equal groups make equal files.
    workers
        How many processes do them.

    Raises
    ------
    EvenkeelError
        A worker crashed.
    OSError
        A worker could not read or write a file.
    """
    work = deque(batches(groups))
    results: dict[str, str | None] = {}
    of = sum(len(group) for group in groups)
    of_bytes = sum(task.size for group in groups for task in group)
    done_bytes = 0
    lock = threading.Lock()
    compiler = inspect.getsource(bytecode_compiler)  # here, since threads that read a source at once may find none

    def drive() -> None:
        nonlocal done_bytes
        with _worker(job, compiler) as ask:
            while True:
                try:
                    batch = work.popleft()
                except IndexError:
                    return
                hashes = ask(batch)
                with lock:
                    results.update(zip((task.target for task in batch), hashes))
                    done_bytes += sum(task.size for task in batch)
                    job.progress.update("compile", len(results), of, done_bytes, of_bytes)

    count = min(workers, len(work))
    if count:
        with ThreadPoolExecutor(count) as pool:
            try:
                for future in as_completed([pool.submit(drive) for _unused in range(count)]):
                    future.result()
            except BaseException:
                work.clear()
                raise
    return results


def batches(groups: Iterable[Iterable[Task]]) -> list[list[Task]]:
    """Divide the work, the largest files first, so that workers that take one batch after another end together.

    A batch has files of one group alone, and the same ones whatever else there is to do.
    """
    found: list[list[Task]] = []
    for group in groups:
        room = 0
        for task in sorted(group, key=lambda task: (-task.size, task.name)):
            if room <= 0:
                found.append([])
                room = _BATCH_BYTES
            found[-1].append(task)
            room -= task.size + _FILE_BYTES
    return sorted(found, key=_cost, reverse=True)


def _cost(batch: Sequence[Task]) -> int:
    """Return what a batch costs, in bytes of source."""
    return sum(task.size + _FILE_BYTES for task in batch)


@contextlib.contextmanager
def _worker(job: Job, compiler: str) -> Iterator[Callable[[Sequence[Task]], list[str | None]]]:
    """Start the environment's own Python, which keeps the lock; yield a function that has it do a batch."""
    program = os.path.join(job.prefix, "bin", "python")
    with (
        tempfile.TemporaryFile("w+", errors="replace") as output,
        subprocess.Popen(
            [program, *OPTIONS, "-c", compiler],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            encoding="utf-8",
            env=ENVIRONMENT,
            cwd="/",
            pass_fds=[job.lock],
        ) as process,
    ):
        stdin, stdout = cast(IO[str], process.stdin), cast(IO[str], process.stdout)

        def ask(batch: Sequence[Task]) -> list[str | None]:
            with contextlib.suppress(BrokenPipeError):
                stdin.write(json.dumps([task[:4] for task in batch]) + "\n")
                stdin.flush()
            line = stdout.readline()
            if not line.endswith("\n"):
                process.kill()
                output.seek(0)
                raise EvenkeelError(
                    "%s crashed while it compiled the bytecode of the environment %s" % (program, job.name),
                    "Nothing was changed; see stderr, and whether the machine has enough memory",
                    rc=process.wait(),
                    stderr=output.read(),
                )
            answer = json.loads(line)
            if "error" in answer:
                raise OSError(answer["errno"], answer["error"])
            hashes: list[str | None] = answer["hashes"]
            return hashes

        try:
            yield ask
        except BaseException:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                stdin.close()
            raise
