# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one conda package out of one wheel.

A wheel that runs everywhere becomes ``noarch: python``: one package for every Python. Any other wheel becomes a
package for one Python, with the paths of its prefix.
"""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from lab.upstream.conda import conda_package
from lab.upstream.conda.conda_package import PREFIX_PLACEHOLDER, Package
from lab.upstream.conda.conda_spec import match_spec
from lab.upstream.conda.debian_python import DebianPython
from lab.upstream.pypi.wheels import Wheel, wanted

_LEGACY_MANYLINUX = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_INSTALLER = b"conda\n"


@dataclass(frozen=True)
class Recipe:
    """What to make of a wheel.

    Parameters
    ----------
    python
        The Python to make it for, or None for all.
    depends
        The package's dependencies in conda's language.
    """

    wheel: Wheel
    python: DebianPython | None
    depends: tuple[str, ...]

    @property
    def site_packages(self) -> PurePosixPath:
        """Where modules go, relative to the package's root."""
        return PurePosixPath(self.python.site_packages if self.python else "site-packages")

    @property
    def scripts(self) -> PurePosixPath:
        """Where programs go, relative to the package's root."""
        return PurePosixPath("bin" if self.python else "python-scripts")


def is_pure(wheel: Wheel) -> bool:
    """Return whether the wheel is for every platform."""
    return all(tag.platform == "any" for tag in parse_wheel_filename(wheel.file_name)[3])


def glibc(wheel: Wheel) -> tuple[int, int]:
    """Return the oldest C library that the wheel's tags promise to work with."""
    versions = set()
    for tag in parse_wheel_filename(wheel.file_name)[3]:
        if found := re.match(r"manylinux_(\d+)_(\d+)_", tag.platform):
            versions.add((int(found[1]), int(found[2])))
        else:
            versions |= {version for name, version in _LEGACY_MANYLINUX.items() if tag.platform.startswith(f"{name}_")}
    return min(versions)


def requirements(
    requires: Iterable[str],
    wheels: Mapping[str, Wheel],
    environment: Mapping[str, str],
    extras: Iterable[str] = (),
) -> set[str]:
    """Return Python requirements as conda dependencies.

    conda packages have no extras: a package that needs ``name[extra]`` depends on all that the extra adds to ``name``.
    """
    specs: set[str] = set()
    for requirement in wanted(requires, environment, extras):
        name = canonicalize_name(requirement.name)
        specs.add(match_spec(name, requirement.specifier))
        if requirement.extras:
            theirs = wheels[name].requires
            with_extras = requirements(theirs, wheels, environment, requirement.extras)
            specs |= with_extras - requirements(theirs, wheels, environment)
    return specs


def python_dependencies(wheel: Wheel, python: DebianPython | None) -> set[str]:
    """Return what the package needs of the interpreter and the C library."""
    if python is None:
        return {match_spec("python", SpecifierSet(wheel.requires_python))}
    return {python.depends, f"__glibc >={'.'.join(map(str, glibc(wheel)))}"}


def build(recipe: Recipe, out_dir: Path) -> Path:
    """Write the conda package of ``recipe`` into ``out_dir``."""
    out_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".tree-", dir=out_dir) as scratch, zipfile.ZipFile(recipe.wheel.path) as archive:
        tree = Path(scratch)
        dist_info = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))[:-9]
        metadata = Parser().parsestr(archive.read(f"{dist_info}/METADATA").decode(), headersonly=True)
        entry_points = _entry_points(archive, dist_info)
        record = _unpack(archive, tree, recipe)
        if recipe.python:
            for entry_point in entry_points:
                _write(tree / "bin" / entry_point.partition(" = ")[0], script(entry_point).encode(), executable=True)
        for entry_point in entry_points:
            record[f"../../../bin/{entry_point.partition(' = ')[0]}"] = ("", "")
        _finish_record(tree / recipe.site_packages / dist_info, record)
        return conda_package.write(_package(recipe, metadata, entry_points), tree, out_dir)


def script(entry_point: str) -> str:
    """Return the program that calls an entry point, for the placeholder's Python."""
    module, _, attributes = entry_point.partition(" = ")[2].partition(":")
    return (
        f"#!{PREFIX_PLACEHOLDER}/bin/python\n"
        "import sys\n"
        f"from {module} import {attributes.split('.')[0]}\n\n"
        f'if __name__ == "__main__":\n    sys.exit({attributes}())\n'
    )


def parse_entry_points(text: str) -> tuple[str, ...]:
    """Return the programs of an ``entry_points.txt`` as ``name = module:function``."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign, assignment]  # the documented way to keep the case
    parser.read_string(text)
    return tuple(
        f"{name} = {''.join(target.partition('[')[0].split())}"
        for section in ("console_scripts", "gui_scripts")
        if parser.has_section(section)
        for name, target in parser.items(section)
    )


def destination(member: str, recipe: Recipe) -> PurePosixPath:
    """Return where a wheel's member goes, relative to the package's root."""
    top, *rest = PurePosixPath(member).parts
    if not top.endswith(".data"):
        return recipe.site_packages / member
    scheme, *rest = rest
    folder = {
        "data": PurePosixPath(),
        "headers": PurePosixPath("include", recipe.wheel.name),
        "platlib": recipe.site_packages,
        "purelib": recipe.site_packages,
        "scripts": recipe.scripts,
    }[scheme]
    return folder.joinpath(*rest)


def recorded_path(path: PurePosixPath, recipe: Recipe) -> str:
    """Return how ``RECORD`` names a file of the package once it is installed: as seen from site-packages."""
    if path.is_relative_to(recipe.site_packages):
        return path.relative_to(recipe.site_packages).as_posix()
    if path.is_relative_to(recipe.scripts):
        path = "bin" / path.relative_to(recipe.scripts)
    return f"../../../{path}"


def _package(recipe: Recipe, metadata: Message, entry_points: tuple[str, ...]) -> Package:
    license_text = metadata["License-Expression"] or metadata["License"] or ""
    return Package(
        name=recipe.wheel.name,
        version=str(Version(recipe.wheel.version)),
        build=f"py{recipe.python.nodot}_0" if recipe.python else "py_0",
        build_number=0,
        subdir="linux-64" if recipe.python else "noarch",
        depends=recipe.depends,
        noarch=None if recipe.python else "python",
        license=license_text if "\n" not in license_text else "",
        entry_points=() if recipe.python else entry_points,
        summary=metadata["Summary"] or "",
    )


def _entry_points(archive: zipfile.ZipFile, dist_info: str) -> tuple[str, ...]:
    name = f"{dist_info}/entry_points.txt"
    return parse_entry_points(archive.read(name).decode()) if name in archive.namelist() else ()


def _unpack(archive: zipfile.ZipFile, tree: Path, recipe: Recipe) -> dict[str, tuple[str, str]]:
    """Unpack the wheel and return the rows of its ``RECORD`` under the names the files have once installed."""
    record_name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/RECORD", name))
    rows = csv.reader(io.StringIO(archive.read(record_name).decode()))
    known = {row[0]: (row[1], row[2]) for row in rows if row}
    record: dict[str, tuple[str, str]] = {}
    for member in archive.infolist():
        if member.is_dir() or member.filename == record_name:
            continue
        path = destination(member.filename, recipe)
        content = archive.read(member)
        is_script = path.is_relative_to(recipe.scripts)
        row = known.get(member.filename, ("", ""))
        if is_script and (shebang := re.match(rb"#!python\w*", content)):
            content = f"#!{PREFIX_PLACEHOLDER}/bin/python".encode() + content[shebang.end() :]
            row = ("", "")
        _write(tree / path, content, executable=is_script or bool(member.external_attr >> 16 & 0o111))
        record[recorded_path(path, recipe)] = row
    return record


def _finish_record(dist_info: Path, record: dict[str, tuple[str, str]]) -> None:
    """Name conda as the installer and write ``RECORD``."""
    _write(dist_info / "INSTALLER", _INSTALLER, executable=False)
    digest = base64.urlsafe_b64encode(hashlib.sha256(_INSTALLER).digest()).rstrip(b"=").decode()
    record[f"{dist_info.name}/INSTALLER"] = (f"sha256={digest}", str(len(_INSTALLER)))
    record[f"{dist_info.name}/RECORD"] = ("", "")
    with (dist_info / "RECORD").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows((path, *row) for path, row in sorted(record.items()))


def _write(path: Path, content: bytes, *, executable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if executable else 0o644)
