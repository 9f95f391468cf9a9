# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Use every GPU of a node, in processes that may hang or die, and return the verdict.

Root imports nothing from an environment: frameworks are tried as an ordinary user, who may use the GPUs as the node's
users may. Root uses the system's driver library alone.
"""

from __future__ import annotations

import contextlib
import glob
import inspect
import json
import os
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import pci as gpu_pci
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import probe as gpu_probe
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import verdict as gpu_verdict
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.verdict import Bounds, Heard, Verdict
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import as_nobody, virtualization
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

#: What would hide GPUs from the check, and what keeps TensorFlow from taking all memory and from chatting.
_WITHOUT = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
_WITH = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_CPP_MIN_LOG_LEVEL": "3"}
_DEVICES = ("/dev/nvidia*", "/dev/nvidia-caps/*")
#: How much of what a probe prints is read.
_MOST_BYTES = 1 << 20
#: How many seconds a killed process is waited for; one that a GPU holds inside the kernel never ends.
_GRACE = 5


def check(python: str, environment: str, bounds: Bounds, timeout: float, system: Sysroot) -> Verdict:
    """Return the verdict on a node.

    Parameters
    ----------
    python
        The interpreter for the driver's part; any from 3.9 on.
    environment
        The prefix whose frameworks are tried too; none when empty.
    timeout
        How many seconds each of the two parts may take.

    Raises
    ------
    EvenkeelError
        The environment has no Python, or one that ordinary users can't run.
    """
    tried = os.path.join(environment, "bin", "python")
    if environment and not os.access(tried, os.X_OK):
        raise EvenkeelError(
            "There is no Python in %s" % environment,
            "Set environment to the prefix of a conda environment that has Python",
        )
    devices = [device for device in gpu_pci.read(system)[0] if not device.passed_through]
    if not devices:
        return gpu_verdict.without_gpu(bounds)
    heard = listen([python, "-S"], ["driver"], timeout)
    verdict = gpu_verdict.of_driver(devices, heard, bounds, container=bool(virtualization.container(system)))
    if not environment or not verdict.ok:
        return verdict
    groups = groups_of(os.stat(path) for pattern in _DEVICES for path in glob.glob(pattern))
    with tempfile.TemporaryDirectory() as home:
        user = as_nobody.options(home, _inherited(), groups)
        try:
            heard = listen([tried], ["framework", *gpu_probe.FRAMEWORKS], timeout, user)
        except PermissionError as error:
            raise EvenkeelError(
                "Ordinary users can't run %s: %s" % (tried, error.strerror),
                "Give all users execute permission on the directories above it, then run again",
            ) from error
    return gpu_verdict.of_frameworks(verdict, heard, environment)


def groups_of(devices: Iterable[os.stat_result]) -> list[int]:
    """Return the groups that a user other than root has to be in to use devices, root's own aside; pure."""
    both, everybody = stat.S_IRGRP | stat.S_IWGRP, stat.S_IROTH | stat.S_IWOTH
    return sorted(
        {
            device.st_gid
            for device in devices
            if stat.S_ISCHR(device.st_mode)
            and device.st_gid != 0
            and device.st_mode & both == both
            and device.st_mode & everybody != everybody
        }
    )


def _inherited() -> dict[str, str]:
    """Return the environment of a probe."""
    return {**{name: value for name, value in os.environ.items() if name not in _WITHOUT}, **_WITH}


def listen(
    python: Sequence[str], arguments: Sequence[str], timeout: float, user: Mapping[str, Any] | None = None
) -> Heard:
    """Run the probe, and return what it reported until it ended, died or was out of time."""
    argv = [*python, "-I", "-c", inspect.getsource(gpu_probe), *arguments]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
            **{"env": _inherited(), **(user or {})},
        )
        how = ""
        try:
            status = process.wait(timeout)
            how = _ending(status, _last_line(errors)) if status != 0 else ""
        except subprocess.TimeoutExpired:
            how = "hung for %g seconds" % timeout
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
        output.seek(0)
        return Heard(tuple(parse(output.read(_MOST_BYTES).decode("utf-8", "replace"))), how)


def parse(output: str) -> list[tuple[str, Any]]:
    """Read the output of a probe; what frameworks print between its lines is skipped."""
    events = []
    for line in output.splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, list) and len(event) == 2 and isinstance(event[0], str):
                events.append((event[0], event[1]))
    return events


def _ending(status: int, last_line: str) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return "was killed by %s" % signal.Signals(-status).name
    return "ended with status %d (%s)" % (status, last_line or "it printed nothing")


def _last_line(stream: Any) -> str:
    stream.seek(0)
    lines = stream.read(_MOST_BYTES).decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
