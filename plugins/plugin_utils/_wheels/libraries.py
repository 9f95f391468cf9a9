# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What compiled files of built wheels need of others: libraries, and symbols of the C++ library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.built_wheels import is_built
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.provided_by_conda import files
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.compiled import Needs, needs_of_wheel
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.store import ANY, made_of

DATA = Path(__file__).parents[1] / "data" / "libraries.yml"
#: conda's packages of the C++ library; their version is GCC's.
_OF_CONDA = ("libstdcxx", "libstdcxx-ng")

Version = tuple[int, ...]


@dataclass(frozen=True)
class Standard:
    """The C++ library that an environment's files are loaded with."""

    #: Whose it is.
    of: str
    glibcxx: Version
    cxxabi: Version


def lacking(problem: Problem, packages: Sequence[Package]) -> list[str]:
    """Return a sentence for each library that a built wheel needs and that nothing is known to bring.

    Parameters
    ----------
    problem
        What was solved.
    packages
        The answer; URLs of built wheels are their paths.

    Raises
    ------
    EvenkeelError
        A wheel needs newer symbols than the C++ library of its environment has, or a list of files can't be read.
    """
    built = {package: needs_of_wheel(Path(package.url)) for package in packages if is_compiled(package)}
    if not built:
        return []
    data = read_mapping(DATA)
    standard = standard_of(packages, dict(problem.virtual_packages).get("__glibc", ""), data)
    if standard:
        for package, needs in built.items():
            require_symbols(package, needs, standard, data["gcc"])
    of_conda = [package for package in packages if package.manager != PIP]
    found = unknown(built, packages, data, lambda: files(of_conda, problem.mirrors))
    return [f"On {problem.platform}, {line}" for line in found]


def is_compiled(package: Package) -> bool:
    """Return whether a package is a wheel that was built for one platform."""
    made = made_of(Path(package.url)) if is_built(package) else None
    return made is not None and made.platform != ANY


def standard_of(packages: Iterable[Package], glibc: str, data: Mapping[str, Any]) -> Standard | None:
    """Return the C++ library of an environment: conda's where it has one, or that of the nodes; None when unknown."""
    for package in packages:
        if package.manager != PIP and package.name in _OF_CONDA:
            if _version(package.version)[0] > max(_version(release)[0] for release in data["gcc"]):
                return None
            return _newest(f"{package.name} {package.version} of the environment", package.version, data["gcc"])
    return _newest(f"Linux with glibc {glibc}", glibc, data["standard"]) if glibc else None


def require_symbols(
    package: Package, needs: Mapping[str, Needs], standard: Standard, gcc: Mapping[str, Mapping[str, str]]
) -> None:
    """Require that a wheel's files find the symbols of the C++ library that they need.

    Raises
    ------
    EvenkeelError
        They don't.
    """
    for file, of_file in needs.items():
        for family, needed, has in (
            ("GLIBCXX", of_file.glibcxx, standard.glibcxx),
            ("CXXABI", of_file.cxxabi, standard.cxxabi),
        ):
            if needed > has:
                enough = [release for release, newest in gcc.items() if _version(newest[family]) >= needed]
                raise EvenkeelError(
                    f"The wheel of {package.name} {package.version} needs {family}_{_text(needed)} ({file}), and the "
                    f"C++ library of {standard.of} has {_text(has)} at most",
                    f"Add libstdcxx>={enough[0]} to conda's packages, or build it with an older compiler"
                    if enough
                    else "Build it with an older compiler",
                )


def unknown(
    built: Mapping[Package, Mapping[str, Needs]],
    packages: Iterable[Package],
    data: Mapping[str, Any],
    files_of_conda: Callable[[], Iterable[str]],
) -> list[str]:
    """Return a sentence for each library that a wheel needs and that nothing is known to bring.

    Parameters
    ----------
    built
        The needs of each built wheel's files.
    packages
        All of the environment.
    data
        What every Linux, the driver and well-known packages of pip bring.
    files_of_conda
        Returns the paths of conda's packages; asked only where that makes a difference.
    """
    names = [package.name for package in packages]
    known = [*data["everywhere"], *data["driver"]]
    for pattern, libraries in data["pip"].items():
        known += libraries if any(fnmatchcase(name, pattern) for name in names) else []
    own = {PurePosixPath(file).name for needs in built.values() for file in needs}
    own |= {of_file.soname for needs in built.values() for of_file in needs.values()}
    wanted = {
        (package, library): file
        for package, needs in built.items()
        for file, of_file in reversed([*needs.items()])
        for library in of_file.libraries
        if library not in own and not any(fnmatchcase(library, pattern) for pattern in known)
    }
    brought = {PurePosixPath(path).name for path in files_of_conda()} if wanted else set()
    return [
        f"the wheel of {package.name} {package.version} needs {library} ({file}), and neither conda's packages nor "
        "every Linux has it. Add the package of conda that brings it, unless one of pip's packages does or all nodes "
        "have it"
        for (package, library), file in sorted(wanted.items(), key=lambda entry: (entry[0][0], entry[0][1]))
        if library not in brought
    ]


def _newest(of: str, version: str, table: Mapping[str, Mapping[str, str]]) -> Standard | None:
    """Return the entry of the newest release that is not newer than ``version``."""
    fitting = [release for release in table if _version(release) <= _version(version)]
    if not fitting:
        return None
    found = table[max(fitting, key=_version)]
    return Standard(of, _version(found["GLIBCXX"]), _version(found["CXXABI"]))


def _version(text: str) -> Version:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _text(version: Version) -> str:
    return ".".join(map(str, version))
