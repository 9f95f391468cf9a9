# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What an environment asks of pip: the lines below its key pip, and the files of requirements that they name.

conda hands these lines to pip as such a file (https://pip.pypa.io/en/stable/reference/requirements-file-format/).
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_text
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.mistakes import Mistakes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import pip_requirements

#: Of a line, from the first option on.
_OPTIONS = re.compile(r"(^|\s)(?=-)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
#: How many files may include each other in a row.
DEPTH = 20
#: What begins as a name and goes on as a requirement, as a URL, as a path or as an option of pip does. An error shows
#: nothing else of an included file, which may be another file than its author may read.
_LIKE_A_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][\w.-]*\s*([\[(<>=!~;@,]|-|$)|(git\+)?[a-z]+://|\.{1,2}(/|\[|$)|--?[A-Za-z]"
)
_LONG = re.compile(r"""(['"])([^'"]{60})[^'"]{40,}\1""")
#: Options that need no action here, and why.
_WITHOUT_EFFECT = (
    "only_binary",  # wheels are preferred anyway
    "prefer_binary",
    "require_hashes",  # a lock has the hash of each file
    "trusted_host",  # certificates are verified all the same
    "use_feature",
)
_REFUSED = {
    "no_index": ("leaves no index to ask", "Leave it out; indexes and pages that are named are asked first"),
    "no_binary": (
        "asks for a build from source",
        "Leave it out: wheels are taken, and what has none is built where lock_build allows it",
    ),
    "pre": ("takes all pre-releases", "Name the version that may be one, such as NAME>=2.0b1"),
    "config_settings": ("changes how a package is built", "Build it elsewhere, publish it and name its version"),
    "global_option": ("changes how a package is built", "Build it elsewhere, publish it and name its version"),
}


@dataclass
class PipSection:
    """What pip is asked, each in the order of the lines."""

    #: As PEP 508 writes them.
    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    #: Each constraint, and the file and line that it stands in.
    constraint_places: list[tuple[str, str]] = field(default_factory=list)
    #: URL of the index that takes the place of the configured one; empty when no line names one.
    index: str = ""
    extra_indexes: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    #: Which hashes a name may have, as of ``pip_requirements.hashes``.
    hashes: list[str] = field(default_factory=list)
    #: The files that lines name with -r and -c.
    files: list[Path] = field(default_factory=list)
    #: The folder that they must be in.
    _top: Path = field(default=Path(), compare=False, repr=False)
    #: Those that were read already, each as requirements (False) or as constraints (True).
    _read_as: set[tuple[Path, bool]] = field(default_factory=set, compare=False, repr=False)

    @property
    def indexes(self) -> list[str]:
        """URLs in the order in which they are asked."""
        return [*filter(None, [self.index]), *self.extra_indexes]

    def read(self, text: str, where: str, directory: Path, mistakes: Mistakes) -> None:
        """Add what lines ask for.

        Parameters
        ----------
        text
            The lines, as pip reads them.
        where
            Where they stand, for errors.
        directory
            Of the files that they name, which must be in its tree or in its repository's.
        mistakes
            Gets the error of each line that is malformed, or that another machine may understand otherwise.
        """
        self._top = _top(directory)
        self._read(text, where, directory, mistakes, is_constraint=False, above=())

    def _read(
        self,
        text: str,
        where: str,
        directory: Path,
        mistakes: Mistakes,
        *,
        is_constraint: bool,
        above: tuple[Path, ...],
    ) -> None:
        for number, line in _lines(text):
            place = f"{where}, line {number}" if above else where
            with mistakes.collected(), _discreet(line, place) if above else nullcontext():
                requirement, options = _split(line, place)
                for name, kind in (("requirement", False), ("constraint", True)):
                    for file in getattr(options, name):
                        self._include(file, place, directory, mistakes, kind or is_constraint, above)
                self._sources(options, place)
                requirement = _of_editable(options.editable, place) or requirement
                if requirement:
                    found = pip_requirements.parse(requirement, place)
                    self.hashes += pip_requirements.hashes(found.name, options.hash, place)
                    (self.constraints if is_constraint else self.requirements).append(str(found))
                    if is_constraint:
                        self.constraint_places.append((str(found), place))

    def _include(
        self, name: str, place: str, directory: Path, mistakes: Mistakes, is_constraint: bool, above: tuple[Path, ...]
    ) -> None:
        path = directory / name
        if "://" in name:
            raise EvenkeelError(
                f"{place}: {name!r} is a file on another machine, whose content may change at any time",
                "Copy it beside the environment, and name the copy",
            )
        resolved = path.resolve()
        _require_inside(resolved, name, place, self._top)
        if resolved in above:
            raise EvenkeelError(f"{place}: {name!r} includes itself", "Leave the line out")
        if not path.is_file():
            raise EvenkeelError(
                f"{place}: {name!r} is not there; looked for {path}", "Put the file there, or correct its path"
            )
        if len(above) == DEPTH:
            raise EvenkeelError(
                f"{place}: {name!r} would be the file number {len(above) + 1} of a chain in which each includes the "
                f"next, and {DEPTH} are the most",
                "Name the files in one file",
            )
        if (resolved, is_constraint) in self._read_as:
            return
        self._read_as.add((resolved, is_constraint))
        self.files.append(path)
        self._read(
            read_text(path), str(path), path.parent, mistakes, is_constraint=is_constraint, above=(*above, resolved)
        )

    def _sources(self, options: argparse.Namespace, place: str) -> None:
        for url in options.index_url:
            self.index = pip_requirements.source(url, "--index-url", place)
        for url in options.extra_index_url:
            self.extra_indexes.append(pip_requirements.source(url, "--extra-index-url", place))
        for url in options.find_links:
            self.find_links.append(pip_requirements.source(url, "--find-links", place))


def _top(directory: Path) -> Path:
    """Return the folder whose tree an environment's author has: its repository's, or its own where there is none."""
    own = directory.resolve()
    return next((folder for folder in (own, *own.parents) if (folder / ".git").exists()), own)


def _require_inside(path: Path, name: str, place: str, top: Path) -> None:
    """Refuse a file that the author of an environment may name, and perhaps not read.

    Raises
    ------
    EvenkeelError
        It is outside ``top``, or is one of Git's own, which may hold credentials.
    """
    if not path.is_relative_to(top) or ".git" in path.relative_to(top).parts:
        raise EvenkeelError(
            f"{place}: {name!r} is {path}, which does not belong to the files below {top}",
            "Copy it beside the environment, and name the copy",
        )


@contextmanager
def _discreet(line: str, place: str) -> Iterator[None]:
    """Take out of an error what an included file holds besides requirements, and most of a long text."""
    try:
        yield
    except EvenkeelError as error:
        if not _LIKE_A_REQUIREMENT.match(line):
            raise EvenkeelError(
                f"{place} is nothing that pip reads, such as a requirement",
                "Check that it is the right file, and correct the line",
            ) from None
        raise EvenkeelError(_LONG.sub(r"\1\2...\1", error.what), _LONG.sub(r"\1\2...\1", error.remedy)) from None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, joined where they end with a backslash, each with its first line's number."""
    begun, first = "", 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        first = first if begun else number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            begun += line[:-1] + " "
            continue
        whole = _COMMENT.sub("", begun + line).strip()
        begun = ""
        if whole:
            yield first, whole


def _split(line: str, place: str) -> tuple[str, argparse.Namespace]:
    """Return the requirement of a line, empty when there is none, and its options.

    Raises
    ------
    EvenkeelError
        It holds a variable, or an option that is unknown or can't be kept the same on every machine.
    """
    if _VARIABLE.search(line):
        raise EvenkeelError(
            f"{place}: {_VARIABLE.sub('${...}', line)!r} holds a variable, which other machines may have otherwise",
            "Write its value; credentials belong into the control node's own ~/.netrc",
        )
    found = _OPTIONS.search(line)
    requirement = line[: found.start()].strip() if found else line
    try:
        options, unknown = _parser().parse_known_args(shlex.split(line[found.start() :]) if found else [])
    except (argparse.ArgumentError, ValueError) as error:
        raise EvenkeelError(f"{place}: {line!r} can't be understood: {error}", "Write it as pip reads it") from None
    if unknown:
        raise EvenkeelError(
            f"{place}: {line!r} holds {' '.join(unknown)}, which is no option of pip's files of requirements",
            "Leave it out, or write each requirement on a line of its own",
        )
    for name, (what, remedy) in _REFUSED.items():
        if getattr(options, name):
            raise EvenkeelError(f"{place}: {line!r} {what}", remedy)
    return requirement, options


def _of_editable(projects: list[str], place: str) -> str:
    """Return the requirement of a line that asks for an editable project; empty where it asks for none.

    Raises
    ------
    EvenkeelError
        It is no repository, whose commit is the same on every machine.
    """
    if not projects or projects[-1].startswith("git+"):
        return projects[-1] if projects else ""
    raise EvenkeelError(
        f"{place}: {projects[-1]!r} is an editable project, whose content may change at any time",
        "Publish it and name its version, or name a commit: NAME @ git+https://HOST/PROJECT@COMMIT",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for names in (
        ("-r", "--requirement"),
        ("-c", "--constraint"),
        ("-i", "--index-url", "--pypi-url"),
        ("--extra-index-url",),
        ("-f", "--find-links"),
        ("-e", "--editable"),
        ("-C", "--config-settings", "--config-setting"),
        ("--global-option",),
        ("--hash",),
        ("--no-binary",),
        ("--only-binary",),
        ("--trusted-host",),
        ("--use-feature",),
    ):
        parser.add_argument(*names, action="append", default=[])
    for name in ("--no-index", "--pre", "--prefer-binary", "--require-hashes"):
        parser.add_argument(name, action="store_true")
    return parser
