# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from configparser import RawConfigParser
from pathlib import Path

import yaml

from maintenance import mutants

RESULTS = """\
    ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver.x_request__mutmut_1: killed
    ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver.x_request__mutmut_2: survived
    ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.facts.x_read__mutmut_1: timeout
    ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.facts.x_read__mutmut_2: no tests
"""


def test_the_files_that_are_changed_by_default_are_there() -> None:
    files = yaml.safe_load(mutants.CONFIGURATION.read_text())["files"]
    assert [file for file in files if not (mutants.ROOT / file).is_file()] == []
    assert [file for file in files if not (mutants.ROOT / "tests" / "unit" / file).parent.is_dir()] == []


def test_a_file_stands_where_it_is_imported_from_and_its_rooms_tests_are_run(tmp_path: Path) -> None:
    file = Path("plugins/module_utils/_os_packages/converge.py")
    mutants.prepare(tmp_path, [file], "^x")
    settings = RawConfigParser()
    settings.read(tmp_path / "setup.cfg")
    (changed,) = settings["mutmut"]["only_mutate"].split()
    assert (tmp_path / changed).read_bytes() == (mutants.ROOT / file).read_bytes()
    assert not (tmp_path / changed).is_symlink()
    (tests,) = settings["mutmut"]["pytest_add_cli_args_test_selection"].split()
    assert (tmp_path / tests).is_dir()


def test_results_are_counted_for_files_rooms_and_all() -> None:
    assert [line.split() for line in mutants.table(mutants.parse(RESULTS))] == [
        ["_gpu/driver.py", "2", "1", "50.0", "%"],
        ["_gpu/facts.py", "2", "1", "50.0", "%"],
        ["_gpu", "4", "2", "50.0", "%"],
        ["all", "4", "2", "50.0", "%"],
    ]
