# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.upstream.conda.standin.conda_standin.errors import ParseError
from lab.upstream.conda.standin.conda_standin.explicit import parse, parse_line

URL = "http://host/main/linux-64/jupyter-core-5.9.1-py311_0.conda"
MD5, SHA256 = "0123456789abcdef" * 2, "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("fragment", "hashes"),
    [
        ("", {}),
        (f"#{MD5}", {"md5": MD5}),
        (f"#{SHA256}", {"sha256": SHA256}),
        (f"#sha256:{SHA256}", {"sha256": SHA256}),
    ],
)
def test_reads_hashes(fragment: str, hashes: dict[str, str]) -> None:
    record = parse_line(URL + fragment)
    assert {kind: record[kind] for kind in ("md5", "sha256") if kind in record} == hashes
    assert record["url"] == URL


def test_reads_what_the_name_says() -> None:
    record = parse_line(URL)
    read = [record[field] for field in ("name", "version", "build", "subdir", "fn")]
    assert read == ["jupyter-core", "5.9.1", "py311_0", "linux-64", "jupyter-core-5.9.1-py311_0.conda"]


@pytest.mark.parametrize("line", [f"{URL}#", f"{URL}#abc", "http://host/main/noarch/README.txt", "numpy"])
def test_refuses_what_is_no_package(line: str) -> None:
    with pytest.raises(ParseError):
        parse_line(line)


def test_leaves_the_marker_out() -> None:
    assert [record["name"] for record in parse(["@EXPLICIT", URL])] == ["jupyter-core"]
