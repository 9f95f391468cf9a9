# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the collection's data on GPUs, drivers and CUDA toolkits up to what given files say.

Each file or URL is one of these, and is recognised by its content:

- the README.md of a release of github.com/NVIDIA/open-gpu-kernel-modules: names of GPUs that the data does not name;
  with the READMEs of all releases since one, also the first driver of each of them that this one does not know;
- docs.nvidia.com/datacenter/tesla/drivers/releases.json, or the index of a repository with the driver's packages:
  the newest version of each branch;
- docs.nvidia.com/cuda/cuda-toolkit-release-notes: the driver of each toolkit.

What is known already stays, except that a branch gets a newer version.

    make gpu-data FILES="README-580.126.09.md README-580.142.md releases.json"
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import gpus
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.data_ages import DATA
from packaging.version import Version

from maintenance.refresh_installers import Rows, fetch

_VERSION = r"\d{3}(?:\.\d+){1,2}"
_README = re.compile(rf"NVIDIA Linux open GPU kernel modules,\s+version ({_VERSION})\.", re.IGNORECASE)
_GPU = re.compile(r"\|\s*(?:NVIDIA )?(?P<name>[^|]+?)\s*\|\s*(?P<id>[0-9A-F]{4})(?: [0-9A-F]{4} [0-9A-F]{4})?\s*\|")
_PACKAGE = re.compile(rf"\b(?:nvidia-fabric-?manager|cuda-drivers)(?:-\d+)?[_-]({_VERSION})-\d")
_TOOLKIT = re.compile(r"CUDA (?P<minor>\d+\.\d+)(?:\.\d+)?(?: GA| Update (?P<update>\d+))?", re.IGNORECASE)
_DRIVER = re.compile(rf">=\s*({_VERSION})")
#: Servers have none of these.
_PORTABLE = re.compile(r"Laptop|Max-Q|Mobile|\bMX\d|Embedded")
_READ = re.compile(r'^read: ".*"$', re.MULTILINE)


@dataclass
class Found:
    """What the files say.

    Parameters
    ----------
    names
        By driver, the GPUs that it knows: names by device ids such as ``0x3182``.
    branches
        The newest version of each branch.
    toolkits
        The driver of each release of CUDA, such as ``13.2.1``.
    """

    names: dict[str, dict[str, str]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    toolkits: dict[str, str] = field(default_factory=dict)


def understood(source: str, text: str, found: Found) -> None:
    """Add to ``found`` what a file says.

    Raises
    ------
    EvenkeelError
        It is none of the known files.
    """
    readme = _README.search(text)
    if readme:
        found.names[readme[1]] = _gpus(text)
    elif text.lstrip().startswith("{"):
        _newest(found.branches, _releases(source, text))
    elif toolkits := _toolkits(text):
        found.toolkits.update(toolkits)
    elif packages := _PACKAGE.findall(text):
        _newest(found.branches, packages)
    else:
        raise EvenkeelError(
            f"{source} says nothing of GPUs, drivers or CUDA", "Give a README.md, releases.json, an index or the notes"
        )


def first_drivers(names: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the first driver of each GPU that an older driver of the given ones does not know; pure."""
    drivers = sorted(names, key=Version)
    ids = {device for known in names.values() for device in known}
    first = {device: next(driver for driver in drivers if device in names[driver]) for device in ids}
    return {device: driver for device, driver in first.items() if driver != drivers[0]}


def refreshed_gpus(text: str, names: Mapping[str, Mapping[str, str]]) -> str:
    """Return gpus.yml with the GPUs that it does not name, and their first drivers."""
    first = first_drivers(names)
    newest = {device: name for driver in sorted(names, key=Version) for device, name in names[driver].items()}
    for device, name in sorted(newest.items()):
        rules = gpus.describe(device)
        if rules["generation"] == gpus.UNKNOWN or rules["name"] or _PORTABLE.search(name):
            continue
        text = _with_name(text, device, name)
        if device in first and Version(rules["min_version"] or "0") < Version(first[device]):
            text = _with_rule(text, device, rules["generation"], first[device])
    return text


def refreshed_branches(text: str, branches: Mapping[str, str]) -> str:
    """Return nvidia_branches.yml with newer versions of the branches that it has; pure."""

    def newer(line: re.Match[str]) -> str:
        newest = max(line["version"], branches.get(line["branch"], line["version"]), key=Version)
        return f"{line['before']}{newest}{line['after']}"

    pattern = rf'^(?P<before>  "(?P<branch>\d+)": {{version: )(?P<version>{_VERSION})(?P<after>.*)$'
    return re.sub(pattern, newer, text, flags=re.MULTILINE)


def refreshed_toolkits(text: str, toolkits: Mapping[str, str]) -> str:
    """Return cuda_toolkits.yml with the releases that it has not; pure."""
    known = dict(_lines(text))
    for release, driver in sorted(toolkits.items(), key=lambda one: Version(one[0])):
        minor = release.rpartition(".")[0]
        releases = known.get(minor, {})
        if release in releases or (known and Version(minor) < min(map(Version, known))):
            continue
        known[minor] = {**releases, release: driver}
    lines = [
        f'  "{minor}": {{{", ".join(f"{release}: {_quoted(driver)}" for release, driver in releases.items())}}}'
        for minor, releases in sorted(known.items(), key=lambda one: Version(one[0]))
    ]
    return re.sub(r"^toolkits:\n(?:  .*\n)+", "toolkits:\n" + "\n".join(lines) + "\n", text, flags=re.MULTILINE)


def refresh(sources: Sequence[str], folder: Path, today: str) -> list[str]:
    """Write what files say into the data in ``folder``, with today's date; return what is new in words.

    Raises
    ------
    EvenkeelError
        A file can't be read, or is none of the known ones; nothing is written.
    """
    found = Found()
    for source in sources:
        understood(source, fetch(source), found)
    changed = []
    functions: dict[str, Callable[[str], str]] = {}
    if found.names:
        functions["gpus"] = lambda text: refreshed_gpus(text, found.names)
    if found.branches:
        functions["nvidia_branches"] = lambda text: refreshed_branches(text, found.branches)
    if found.toolkits:
        functions["cuda_toolkits"] = lambda text: refreshed_toolkits(text, found.toolkits)
    for name, function in functions.items():
        path = folder / f"{name}.yml"
        before = path.read_text(encoding="utf-8")
        after = _READ.sub(f'read: "{today}"', function(before))
        path.write_text(after, encoding="utf-8")
        added = [line.strip() for line in after.splitlines() if line not in before.splitlines()]
        changed += [f"{name}: {line}" for line in added]
    known = read_mapping(folder / "nvidia_branches.yml")["branches"]
    strange = [
        f"{branch} ({version})"
        for branch, version in sorted(found.branches.items())
        if branch not in known and int(branch) > min(map(int, known))
    ]
    ids = {device for names in found.names.values() for device in names}
    unknown = sorted(device for device in ids if gpus.describe(device)["generation"] == gpus.UNKNOWN)
    changed += [f"not known, add it by hand: branch {branch}" for branch in strange]
    return changed + [f"not known, add its range by hand: GPU {device}" for device in unknown]


def _gpus(readme: str) -> dict[str, str]:
    """Return the names of a README's table by device ids; of several names the first."""
    found: dict[str, str] = {}
    for row in _GPU.finditer(readme):
        found.setdefault("0x" + row["id"].lower(), row["name"])
    return found


def _releases(source: str, text: str) -> list[str]:
    try:
        branches = json.loads(text).values()
        return [str(one["release_version"]) for branch in branches for one in branch["driver_info"]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise EvenkeelError(
            f"{source} is not a releases.json of NVIDIA's drivers: {error!r}", "Get it again"
        ) from error


def _toolkits(page: str) -> dict[str, str]:
    table = Rows()
    table.feed(page)
    found = {}
    for row in table.rows:
        if len(row) > 1 and (name := _TOOLKIT.fullmatch(row[0])) and (driver := _DRIVER.match(row[1])):
            found[f"{name['minor']}.{name['update'] or 0}"] = driver[1]
    return found


def _newest(branches: dict[str, str], versions: Iterable[str]) -> None:
    for version in versions:
        branch = version.partition(".")[0]
        branches[branch] = max(branches.get(branch, version), version, key=Version)


def _with_name(text: str, device: str, name: str) -> str:
    head, _unused, names = text.partition("\nnames:\n")
    lines = names.splitlines()
    place = sum(int(line.partition(":")[0].strip().strip('"'), 16) < int(device, 16) for line in lines)
    lines.insert(place, f'  "{device}": {name}')
    return f"{head}\nnames:\n" + "\n".join(lines) + "\n"


def _with_rule(text: str, device: str, generation: str, driver: str) -> str:
    """Return the text with a range of one GPU, after the last range that begins before it or at it."""
    ranges = list(re.finditer(r"^  - {first: (0x[0-9a-f]+), .*\n", text, re.MULTILINE))
    last = max((one for one in ranges if int(one[1], 16) <= int(device, 16)), key=lambda one: int(one[1], 16))
    line = f"  - {{first: {device}, last: {device}, generation: {generation}, min_version: {_quoted(driver)}}}\n"
    return text[: last.end()] + line + text[last.end() :]


def _lines(text: str) -> Iterable[tuple[str, dict[str, str]]]:
    for line in re.finditer(r'^  "(\d+\.\d+)": {(.*)}$', text, re.MULTILINE):
        pairs = (one.split(": ") for one in line[2].split(", "))
        yield line[1], {release: driver.strip('"') for release, driver in pairs}


def _quoted(version: str) -> str:
    """Return a version as YAML reads it as text; one with a single point would be a number."""
    return f'"{version}"' if version.count(".") < 2 else version


def main() -> int:
    parser = argparse.ArgumentParser(prog="refresh_gpu_data", description="Refresh the data on GPUs, drivers and CUDA.")
    parser.add_argument("sources", nargs="+", help="files or URLs: README.md, releases.json, an index, release notes")
    try:
        new = refresh(parser.parse_args().sources, DATA, datetime.now(UTC).date().isoformat())
    except EvenkeelError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(new) or "Nothing new")
    return 0


if __name__ == "__main__":
    sys.exit(main())
