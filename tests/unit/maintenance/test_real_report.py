# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from maintenance import real_report

RESULTS = """\
<testsuites><testsuite>
<properties><property name="/opt/conda/bin/conda" value="conda 26.7.1"/></properties>
<testcase classname="tests.real.test_base" name="test_base_is_kept[a|b]"/>
<testcase classname="tests.real.test_base" name="test_doctor"><failure message="assert fine&#10;more"/></testcase>
<testcase classname="tests.real.test_environments" name="test_clone"><skipped message="no conda"/></testcase>
<testcase classname="tests.contract.test_environments" name="test_list"><error message="gone"/></testcase>
</testsuite></testsuites>
"""


def test_the_report_says_what_ran_where_and_why_something_did_not_pass(tmp_path: Path) -> None:
    (tmp_path / real_report.RESULTS).write_text(RESULTS)
    real_report.main(tmp_path)
    lines = (tmp_path / real_report.REPORT).read_text().splitlines()
    assert "- /opt/conda/bin/conda: conda 26.7.1" in lines
    assert "- 1 passed, 1 failed, 1 error, 1 skipped" in lines
    assert "| base | base is kept[a b] | passed |" in lines
    assert "| environments | clone | skipped |" in lines
    assert lines[lines.index("## failed: base, doctor") + 2 :][:2] == ["    assert fine", "    more"]


def test_nothing_ran(tmp_path: Path) -> None:
    (tmp_path / real_report.RESULTS).write_text("<testsuites/>")
    real_report.main(tmp_path)
    assert "- no test ran" in (tmp_path / real_report.REPORT).read_text()
