# SPDX-License-Identifier: GPL-3.0-or-later
"""Change plugins in small ways and see whether a unit test notices: ``python -m maintenance.mutants [FILE ...]``.

mutmut does it in a copy of the tree, in which a file stands where it is imported from. The unit tests of a file's room
are run, and of those the ones that reach the changed function. What no test notices is printed as a difference.
"""

from __future__ import annotations

import argparse
import configparser
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CONFIGURATION = ROOT / ".config" / "mutants.yml"
PACKAGE = Path("ansible_collections", "evenkeel", "gpu")
#: What the unit tests of rooms import or read besides the collection.
BESIDE = ("docs", "lab", "maintenance", "playbooks", "roles", "tests")
NOTICED = ("killed", "timeout")


def main() -> None:
    parser = argparse.ArgumentParser(description="Change plugins in small ways and see whether a unit test notices.")
    parser.add_argument("files", nargs="*", metavar="FILE", help=f"default: those of {CONFIGURATION.relative_to(ROOT)}")
    configured = yaml.safe_load(CONFIGURATION.read_text())
    files = [Path(file) for file in parser.parse_args().files or configured["files"]]
    missing = [file for file in files if not (ROOT / file).is_file() or file.parts[0] != "plugins"]
    if missing:
        sys.exit(f"No file of plugins/: {', '.join(map(str, missing))}. Name files from the root of the checkout.")
    with tempfile.TemporaryDirectory(prefix="evenkeel-mutants-") as folder:
        tree = Path(folder)
        prepare(tree, files, configured["sentences"])
        mutmut(tree, "run")
        results = parse(mutmut(tree, "results", "--all", "true"))
        if not results:
            sys.exit("Nothing was changed: the unit tests fail without a change, or the files have no functions.")
        print(differences(tree, [name for name, result in results.items() if result not in NOTICED]))
    print("\n".join(table(results)))


def prepare(tree: Path, files: Iterable[Path], sentences: str) -> None:
    """Copy what the tests need into an empty folder, with mutmut's settings."""
    shutil.copytree(ROOT / "collections" / PACKAGE, tree / "src" / PACKAGE)
    for name in BESIDE:
        shutil.copytree(ROOT / name, tree / name)
    shutil.copy(ROOT / "pyproject.toml", tree)
    settings = configparser.RawConfigParser()
    settings["mutmut"] = {
        "source_paths": "src",
        "only_mutate": lines(Path("src") / PACKAGE / file for file in files),
        "do_not_mutate_patterns": sentences,
        "also_copy": lines(BESIDE),
        "pytest_add_cli_args": lines(["-o", "pythonpath=src .", "-p", "no:cacheprovider"]),
        "pytest_add_cli_args_test_selection": lines(sorted({Path("tests", "unit") / file.parent for file in files})),
    }
    with (tree / "setup.cfg").open("w") as stream:
        settings.write(stream)


def lines(values: Iterable[object]) -> str:
    """Return a list as a file of settings has it."""
    return "".join(f"\n{value}" for value in values)


def mutmut(tree: Path, *arguments: str) -> str:
    """Run mutmut in a tree and return what it printed.

    Its progress is for a terminal: of ``run`` only a failure is shown.
    """
    argv = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    done = subprocess.run(argv, cwd=tree, text=True, capture_output=True, env={**os.environ, "COLUMNS": "120"})
    if done.returncode != 0:
        sys.exit(f"`mutmut {' '.join(arguments)}` failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def differences(tree: Path, names: Sequence[str]) -> str:
    """Return what these changes are; mutmut's own command shows one at a time, and starts anew for each."""
    program = "from mutmut.mutation.diff_apply import get_diff_for_mutant as difference\n"
    program += "import sys\nfor name in sys.argv[1:]: print(f'{difference(name)}\\n')"
    argv = [sys.executable, "-c", program, *names]
    return subprocess.run(argv, cwd=tree, text=True, check=True, capture_output=True).stdout


def parse(results: str) -> dict[str, str]:
    """Return what became of each change, by its name, out of mutmut's ``results``."""
    rows = (line.strip().rpartition(": ") for line in results.splitlines())
    return {name: result for name, separator, result in rows if separator and "__mutmut_" in name}


def table(results: dict[str, str]) -> Sequence[str]:
    """Return, for each file, each room and all, how many changes were made and how many were noticed."""
    made: Counter[str] = Counter()
    noticed: Counter[str] = Counter()
    for name, result in results.items():
        *_, room, file = name.rpartition(".")[0].split(".")
        for row in (f"{room}/{file}.py", f"{room}", "all"):
            made[row] += 1
            noticed[row] += result in NOTICED
    order = sorted(made, key=lambda row: (row == "all", row.partition("/")[0], "/" not in row, row))
    return [f"{row:<40} {made[row]:>6} {noticed[row]:>6} {100 * noticed[row] / made[row]:>6.1f} %" for row in order]


if __name__ == "__main__":
    main()
