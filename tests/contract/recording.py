# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded calls of the real conda, and what an answer must have in common with one."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "conda-26.7.1"
# The newline before "--- stderr" is the recorder's, not conda's.
FORM = re.compile(
    r"\$ conda (?P<argv>.*)\nexit status: (?P<status>\d+)\n--- stdout\n(?P<stdout>.*)\n--- stderr\n", re.DOTALL
)

# The values of these fields belong to the packages, the machine or the moment of the recording, not to the contract.
FREE = {
    *(
        "_path",
        "actual_checksum",
        "base_url",
        "channel",
        "channel_urls",
        "created",
        "depends",
        "elapsed_time",
        "exception",
    ),
    *("last_modified", "location", "md5", "platform", "response_details", "scheme", "sha256", "sha256_in_prefix"),
    *("size", "size_in_bytes", "timestamp"),
}
# These may be null in one place and not in another.
NULLABLE = {
    *("active_prefix", "active_prefix_name", "created", "last_modified", "license", "platform"),
    *("prefix_placeholder", "writable"),
}
# Mappings whose keys are data.
OPEN = {"envs_details", "env_vars"}


@dataclass(frozen=True)
class Recording:
    """One call: what was typed, and how it ended."""

    argv: tuple[str, ...]
    status: int
    stdout: str

    @property
    def answer(self) -> Any:
        """The JSON answer."""
        return json.loads(self.stdout)


def load(name: str) -> Recording:
    """Return the recorded call ``name``."""
    match = FORM.match((FOLDER / f"{name}.txt").read_text())
    assert match, f"{name} is no recording"
    typed = match["argv"].replace("(http, wrong md5)", "").replace("PREFIX", "/srv/envs/e4")
    return Recording(tuple(shlex.split(typed)), int(match["status"]), match["stdout"])


def differences(recorded: Any, answered: Any, *, values: bool, at: str = "answer") -> Iterator[str]:
    """Yield where ``answered`` differs: other keys, other types and, where ``values`` count, other values."""
    field = at.rpartition(".")[2]
    values = values and field not in FREE
    if recorded is None or answered is None:
        if recorded is not answered and field not in NULLABLE:
            yield f"{at}: {recorded!r} was recorded, {answered!r} answered"
    elif type(recorded) is not type(answered):
        yield f"{at}: a {type(recorded).__name__} was recorded, a {type(answered).__name__} answered"
    elif isinstance(recorded, dict):
        yield from _of_mappings(recorded, answered, values=values, at=at)
    elif isinstance(recorded, list):
        yield from _of_lists(recorded, answered, values=values, at=at)
    elif values and neutral(recorded) != neutral(answered):
        yield f"{at}: {recorded!r} was recorded, {answered!r} answered"


def neutral(value: Any) -> Any:
    """Return ``value`` without hashes, which belong to the packages of the recording."""
    return re.sub(r"[0-9a-f]{32,64}", "HASH", value) if isinstance(value, str) else value


def _of_mappings(recorded: dict[str, Any], answered: dict[str, Any], *, values: bool, at: str) -> Iterator[str]:
    if at.rpartition(".")[2] in OPEN:
        example = next(iter(recorded.values()))
        for key, value in answered.items():
            yield from differences(example, value, values=False, at=f"{at}[{key}]")
        return
    for key in sorted(recorded.keys() ^ answered.keys()):
        yield f"{at}.{key}: only {'recorded' if key in recorded else 'answered'}"
    for key in sorted(recorded.keys() & answered.keys()):
        yield from differences(recorded[key], answered[key], values=values, at=f"{at}.{key}")


def _of_lists(recorded: list[Any], answered: list[Any], *, values: bool, at: str) -> Iterator[str]:
    if bool(recorded) != bool(answered) and values:
        yield f"{at}: {len(recorded)} elements were recorded, {len(answered)} answered"
    if not recorded:
        return
    examples = {element["name"]: element for element in recorded if isinstance(element, dict) and "name" in element}
    if values and examples:
        names = sorted(element["name"] for element in answered)
        if names != sorted(examples):
            yield f"{at}: {sorted(examples)} were recorded, {names} answered"
    for number, element in enumerate(answered):
        example = examples.get(element["name"], recorded[0]) if examples else recorded[min(number, len(recorded) - 1)]
        yield from differences(example, element, values=values, at=f"{at}[{number}]")
