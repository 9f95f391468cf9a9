# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The progress of a build in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WORDS = {
    "fetch": "{packages} packages{volume} fetched",
    "link": "linked {packages}",
    "compile": "bytecode {packages} files",
    "pip": "pip {packages} packages",
    "sync": "writing to disk, {seconds} s",
}
_COUNTS = ("packages", "of", "bytes", "of_bytes")
_LARGEST = 1 << 53

#: What a module wrote of its progress (see ``module_utils._conda.build_progress``).
Progress = Mapping[str, Any]


def checked(value: Any) -> dict[str, Any]:
    """Return what a node sent as a progress.

    Raises
    ------
    ValueError
        It is none.
    """
    counts = {key: value.get(key) for key in _COUNTS} if isinstance(value, dict) and value.get("step") in WORDS else {}
    numbers = [count for count in counts.values() if isinstance(count, int) and not isinstance(count, bool)]
    if not counts or len(numbers) < len(counts) or not all(0 <= count < _LARGEST for count in numbers):
        raise ValueError("it is no progress")
    return {"step": value["step"], **counts}


def reported(progress: Progress) -> str:
    """Return what a module wrote as a readable line, such as ``61 of 107 packages, 80 of 131 MB fetched``."""
    done, total = (round(progress[key] / 1e6) for key in ("bytes", "of_bytes"))
    volume = f", {done} of {total} MB" if total else ""
    packages = f"{progress['packages']} of {progress['of']}"
    return WORDS[progress["step"]].format(packages=packages, volume=volume, seconds=progress["packages"])


def pace(samples: Sequence[tuple[float, Progress]]) -> list[str]:
    """Return the rate of a step and the time that it has left, as far as they are known.

    Parameters
    ----------
    samples
        When something was read, in seconds, and what.
    """
    if not samples:
        return []
    now, last = samples[-1]
    counted, total = ("bytes", "of_bytes") if last["of_bytes"] else ("packages", "of")
    began, first = next(sample for sample in samples if sample[1]["step"] == last["step"])
    done = last[counted] - first[counted]
    if now <= began or done <= 0 or not last[total]:
        return []
    rate = done / (now - began)
    speed = [f"{rate / 1e6:.{0 if rate >= 1e7 else 1}f} MB/s"] if last["step"] == "fetch" and last["of_bytes"] else []
    left = (last[total] - last[counted]) / rate
    return [*speed, f"{clock(left)} left"] if left > 0 else speed


def clock(seconds: float) -> str:
    """Return a time as ``1:05``, or ``2:03:00`` from an hour on."""
    minutes, of_minute = divmod(round(seconds), 60)
    hours, of_hour = divmod(minutes, 60)
    return f"{hours}:{of_hour:02}:{of_minute:02}" if hours else f"{of_hour}:{of_minute:02}"
