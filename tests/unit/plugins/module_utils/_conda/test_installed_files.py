# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import installed_files as files
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import InstalledFile

SITE = "lib/python3.11/site-packages"
DIST_INFO = f"{SITE}/six-1.17.0.dist-info"
HASH = "a" * 64
OTHER = "b" * 64


@pytest.mark.parametrize(
    ("python", "site"),
    [
        ({"version": "3.11.2"}, SITE),
        (
            {"version": "3.13.1", "python_site_packages_path": "lib/python3.13t/site-packages"},
            "lib/python3.13t/site-packages",
        ),
    ],
)
def test_where_packages_are(python: dict[str, str], site: str) -> None:
    assert files.site_packages(python) == site


@pytest.mark.parametrize(
    ("path", "linked"),
    [
        ("site-packages/idna/core.py", f"{SITE}/idna/core.py"),
        ("python-scripts/idna", "bin/idna"),
        (f"{SITE}/idna/core.py", f"{SITE}/idna/core.py"),
        ("share/site-packages/x", "share/site-packages/x"),
    ],
)
def test_where_a_file_for_every_python_is_linked(path: str, linked: str) -> None:
    assert files.in_prefix(path, SITE) == linked


@pytest.mark.parametrize(
    ("entry", "noarch", "file"),
    [
        pytest.param(
            {"_path": "lib/libz.so", "path_type": "hardlink", "sha256": HASH, "size_in_bytes": 7},
            None,
            InstalledFile("lib/libz.so", HASH, 7),
            id="a plain file, as rattler records it",
        ),
        pytest.param(
            {"_path": "lib/libz.so", "path_type": "hardlink", "sha256": HASH, "sha256_in_prefix": HASH},
            None,
            InstalledFile("lib/libz.so", HASH),
            id="a plain file, as conda records it",
        ),
        pytest.param(
            {
                "_path": "bin/f2py",
                "path_type": "hardlink",
                "sha256": HASH,
                "sha256_in_prefix": OTHER,
                "prefix_placeholder": "/opt/x",
            },
            None,
            InstalledFile("bin/f2py", OTHER, rewritten=True),
            id="a file with the prefix in it",
        ),
        pytest.param(
            {"_path": "bin/python", "path_type": "softlink", "sha256": HASH, "sha256_in_prefix": OTHER},
            None,
            InstalledFile("bin/python", OTHER, link=True),
            id="a link, as rattler records it",
        ),
        pytest.param(
            {"_path": "site-packages/idna/core.py", "path_type": "hardlink", "sha256": HASH},
            "python",
            InstalledFile(f"{SITE}/idna/core.py", HASH),
            id="for every Python, as conda records it",
        ),
        pytest.param(
            {"_path": "site-packages/idna/core.py", "path_type": "hardlink", "sha256": HASH},
            None,
            InstalledFile("site-packages/idna/core.py", HASH),
            id="not for every Python",
        ),
        pytest.param(
            {"_path": "bin/idna", "path_type": "unix_python_entry_point"},
            "python",
            InstalledFile("bin/idna", ""),
            id="an entry point, as conda records it",
        ),
        pytest.param(
            {"_path": f"{SITE}/idna/__pycache__/core.cpython-311.pyc", "path_type": "pyc_file"},
            "python",
            InstalledFile(f"{SITE}/idna/__pycache__/core.cpython-311.pyc", "", compiled=True),
            id="bytecode that conda compiled",
        ),
    ],
)
def test_files_of_conda(entry: dict[str, Any], noarch: str | None, file: InstalledFile) -> None:
    record = {"name": "x", "noarch": noarch, "paths_data": {"paths": [entry]}}
    assert list(files.of_conda(record, SITE)) == [file]


def test_directories_are_no_files() -> None:
    record = {"name": "x", "paths_data": {"paths": [{"_path": "var/empty", "path_type": "directory"}]}}
    assert list(files.of_conda(record, SITE)) == []


def test_an_old_record_has_only_names() -> None:
    record = {"name": "x", "files": ["bin/x", "lib/x.pyc"]}
    assert list(files.of_conda(record, SITE)) == [
        InstalledFile("bin/x", ""),
        InstalledFile("lib/x.pyc", "", compiled=True),
    ]


@pytest.mark.parametrize("cached", [True, False])
def test_a_link_of_conda_is_known_while_the_package_cache_has_it(tmp_path: Path, cached: bool) -> None:
    if cached:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "python").symlink_to("python3.11")
    record = {
        "name": "python",
        "extracted_package_dir": str(tmp_path),
        "paths_data": {"paths": [{"_path": "bin/python", "path_type": "softlink", "sha256": HASH}]},
    }
    known = hashlib.sha256(b"python3.11").hexdigest() if cached else ""
    assert list(files.of_conda(record, SITE)) == [InstalledFile("bin/python", known, link=True)]


def record_of_pip(prefix: Path, text: str) -> None:
    (prefix / DIST_INFO).mkdir(parents=True)
    (prefix / DIST_INFO / "RECORD").write_text(text)


def signature(sha256: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"six.py,{signature(HASH)},9", [InstalledFile(f"{SITE}/six.py", HASH, 9)]),
        (f'"a,b.py",{signature(HASH)},', [InstalledFile(f"{SITE}/a,b.py", HASH)]),
        (f"../../../bin/six,{signature(HASH)},9", [InstalledFile("bin/six", HASH, 9)]),
        ("six-1.17.0.dist-info/RECORD,,", [InstalledFile(f"{DIST_INFO}/RECORD", "")]),
        (
            "__pycache__/six.cpython-311.pyc,,",
            [InstalledFile(f"{SITE}/__pycache__/six.cpython-311.pyc", "", compiled=True)],
        ),
        (f"six.py,{signature(HASH).replace('256', '384')},9", [InstalledFile(f"{SITE}/six.py", "", 9)]),
        ("", []),
        ("/etc/passwd,,", []),
        ("../../../../../etc/passwd,,", []),
    ],
)
def test_files_of_pip(tmp_path: Path, line: str, found: list[InstalledFile]) -> None:
    record_of_pip(tmp_path, line + "\n")
    assert files.of_pip(str(tmp_path), DIST_INFO) == found


@pytest.mark.parametrize("line", ["six.py,sha256=*,9", "six.py,sha256=a,9", "six.py,,nine"])
def test_a_broken_list_of_pip(tmp_path: Path, line: str) -> None:
    record_of_pip(tmp_path, line)
    with pytest.raises(ValueError, match=r"."):
        files.of_pip(str(tmp_path), DIST_INFO)


def test_a_distribution_without_a_list_has_no_files(tmp_path: Path) -> None:
    assert files.of_pip(str(tmp_path), DIST_INFO) == []


def test_distributions_of_pip_are_those_that_conda_does_not_list(tmp_path: Path) -> None:
    record_of_pip(tmp_path, "")
    (tmp_path / SITE / "idna-3.20.dist-info").mkdir()
    assert files.pip_distributions(str(tmp_path), [f"{SITE}/idna-3.20.dist-info/METADATA", "bin/x"]) == [DIST_INFO]


def test_what_is_no_record_is_told(tmp_path: Path) -> None:
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    for name, text in (("a", json.dumps({"name": "a"})), ("b", "{"), ("c", "[]"), ("d", "{}")):
        (meta / f"{name}.json").write_text(text)
    (meta / "history").write_text("{")
    expected = [("a.json", {"name": "a"}), ("b.json", None), ("c.json", None), ("d.json", None)]
    assert list(files.records(str(tmp_path))) == expected


def claim(path: str, size: int, kind: str = "hardlink") -> dict[str, Any]:
    return {"_path": path, "path_type": kind, "size_in_bytes": size}


@pytest.mark.parametrize(
    ("claims", "there", "emptied"),
    [
        ([claim("bin/x", 7)], {"bin/x": ""}, ["bin/x"]),
        ([claim("bin/x", 7)], {"bin/x": "edited"}, []),
        ([claim("bin/x", 7)], {}, []),
        ([claim("bin/x", 0)], {"bin/x": ""}, []),
        ([claim("bin/x", 7, "softlink")], {"bin/x": ""}, []),
        ([claim("bin/x", 7), claim("bin/x", 0)], {"bin/x": ""}, []),
        ([claim("bin/x", 7), claim("bin/x", 8)], {"bin/x": ""}, ["bin/x"]),
        ([], {f"{DIST_INFO}/RECORD": "six.py,,7\n", f"{SITE}/six.py": ""}, [f"{SITE}/six.py"]),
        ([], {f"{DIST_INFO}/RECORD": ""}, []),
    ],
    ids=[
        *("emptied", "edited", "missing", "brought empty", "a link", "one of two", "both of two"),
        *("of pip", "no list of pip"),
    ],
)
def test_files_that_were_not_brought_empty(
    tmp_path: Path, claims: list[dict[str, Any]], there: dict[str, str], emptied: list[str]
) -> None:
    (tmp_path / "conda-meta").mkdir()
    for number, paths in enumerate(claims):
        record = {"name": f"x{number}", "version": "1", "paths_data": {"paths": [paths]}}
        (tmp_path / "conda-meta" / f"x{number}-1-0.json").write_text(json.dumps(record))
    for path, text in there.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert files.emptied(str(tmp_path)) == emptied
