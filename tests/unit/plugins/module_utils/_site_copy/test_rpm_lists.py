# SPDX-License-Identifier: GPL-3.0-or-later
"""Rich dependencies, and those that are made to stop their reader."""

from __future__ import annotations

import io

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import rpm_lists

PRIMARY = """<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
<package type="rpm"><name>a</name><arch>noarch</arch><version ver="1" rel="1"/><checksum type="sha256">aa</checksum>
<size package="1"/><location href="a.rpm"/>
<format><rpm:requires><rpm:entry name="{}"/></rpm:requires></format></package></metadata>"""


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("(a if b)", [["a"]]),
        ("(a or b or (c and d))", [["a", "b", "c"], ["a", "b", "d"]]),
        (
            "((a and b) or (c >= 1 with c < 2))",
            [["a", "c (>= 1)"], ["a", "c (<< 2)"], ["b", "c (>= 1)"], ["b", "c (<< 2)"]],
        ),
    ],
)
def test_rich_dependencies(text: str, needs: list[list[str]]) -> None:
    assert [list(map(str, one)) for one in rpm_lists.rich(text)] == needs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(" + " or ".join(["(a and b)"] * 60) + ")", "a dependency has more than 1000 alternatives"),
        ("(" + " or ".join(["a"] * 100_000) + ")", "a dependency has 200001 words"),
        ("(" * 400, ""),
    ],
)
def test_a_list_with_a_dependency_without_end(text: str, said: str) -> None:
    stream = io.BytesIO(PRIMARY.format(text).encode())
    if said:
        with pytest.raises(EvenkeelError, match=f"x can't be read: {said}"):
            list(rpm_lists.packages(stream, "x", "x86_64", "x"))
    else:
        assert [one.name for one in rpm_lists.packages(stream, "x", "x86_64", "x")] == ["a"]
