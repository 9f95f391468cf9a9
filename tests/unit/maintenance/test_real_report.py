# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path

from maintenance import real_report

TESTS = Path(__file__).parents[2]
OLD, NEW = "Miniconda3-py311_26.7.1-0-Linux-x86_64.sh", "Miniconda3-py314_26.7.1-0-Linux-x86_64.sh"
RESULTS = f"""\
<testsuites><testsuite>
<properties><property name="/opt/conda/bin/conda" value="conda 26.7.1"/></properties>
<testcase classname="tests.real.test_base" name="test_base_is_kept[{NEW}]"/>
<testcase classname="tests.real.test_base" name="test_the_plugin_for_terms_of_service_reads[{NEW}]">
<skipped message="no plugin"/></testcase>
<testcase classname="tests.real.test_base" name="test_doctor_finds_nothing[{OLD}]">
<failure message="assert fine [more lines]">    assert fine
E   assert fine
E     and | more
tests/real/test_base.py:1: AssertionError</failure></testcase>
<testcase classname="tests.real.test_environments" name="test_doctor_finds_nothing[{NEW}]"/>
<testcase classname="tests.real.test_environments" name="test_a_clone_is_one[a|b]">
<skipped message="no conda"/></testcase>
<testcase classname="tests.contract.test_recordings" name="test_list[one]"><error message="gone"/></testcase>
<testcase classname="tests.contract.test_recordings" name="test_list[two]"><error message="gone"/></testcase>
</testsuite></testsuites>
"""


def test_the_report_says_what_ran_where_and_why_something_did_not_pass(tmp_path: Path) -> None:
    (tmp_path / real_report.RESULTS).write_text(RESULTS)
    real_report.main(tmp_path)
    lines = (tmp_path / real_report.REPORT).read_text().splitlines()
    assert "- /opt/conda/bin/conda: conda 26.7.1" in lines
    assert "- 2 passed, 1 failed, 2 error, 2 skipped" in lines
    assert f"| base | base is kept | {NEW} | passed |" in lines
    assert r"| environments | a clone is one | a\|b | skipped |" in lines
    title = f"## failed: base, doctor finds nothing with {OLD}"
    assert lines[lines.index(title) + 2 :][:2] == ["    assert fine", "      and | more"]
    title = "## error: recordings, list with one"
    assert lines[lines.index(title) + 2 :] == ["    gone", "", "The same:", "", "- recordings, list with two"]


def test_each_line_of_the_checklist_says_how_its_tests_ended_or_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / real_report.RESULTS).write_text(RESULTS)
    real_report.main(tmp_path)
    lines = (tmp_path / real_report.REPORT).read_text().splitlines()
    assert "| base with Python 3.13 | not run | Name an installer whose name has py313_ |" in lines
    assert f"| base with Python 3.14 | passed | {NEW} |" in lines
    assert "| the plugin for terms of service | not run | no plugin |" in lines
    assert f"| `conda doctor` | failed | {OLD} |" in lines
    assert "| the recorded calls of conda | error | one, two |" in lines


def test_the_checklist_names_tests_that_there_are() -> None:
    known = {
        f"{path.stem.removeprefix('test_')} {name} -py313_ -py314_ Miniforge3-"
        for path in (*TESTS.glob("real/test_*.py"), *TESTS.glob("contract/test_*.py"))
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    unknown = [what for what, tests, _needed in real_report.CHECKLIST if not any(re.match(tests, one) for one in known)]
    assert unknown == []


def test_nothing_ran(tmp_path: Path) -> None:
    (tmp_path / real_report.RESULTS).write_text("<testsuites/>")
    real_report.main(tmp_path)
    assert "- no test ran" in (tmp_path / real_report.REPORT).read_text()
