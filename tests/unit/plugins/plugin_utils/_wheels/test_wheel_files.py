# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.wheel_files import require_consistent

ABOUT = "my_tool-1.0.dist-info"
CODE = "VERSION = 1\n"
DIGEST = base64.urlsafe_b64encode(hashlib.sha256(CODE.encode()).digest()).rstrip(b"=").decode()
FILES = {
    "tool.py": CODE,
    f"{ABOUT}/METADATA": "Metadata-Version: 2.1\nName: My_Tool\nVersion: 1.0.0\n\nName: other\n",
    f"{ABOUT}/RECORD": f'tool.py,sha256={DIGEST},12\n"{ABOUT}/METADATA",,\n{ABOUT}/RECORD,,\n',
}


def written(folder: Path, files: dict[str, str | None]) -> Path:
    wheel = folder / "my_tool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            if text is not None:
                archive.writestr(zipfile.ZipInfo(name), text)
    return wheel


def test_a_wheel_that_is_what_it_says(tmp_path: Path) -> None:
    require_consistent(written(tmp_path, dict(FILES)), "my-tool", "1.0")


HEAD = "Metadata-Version: 2.1\nName: my-tool\nVersion: 1.0\n"


@pytest.mark.parametrize(
    "lines",
    [
        "Requires-Dist: six\nRequires-Dist: numpy>=1.26 ; python_version < '3.9'\nRequires-Python: >=3.9\n",
        "Requires-Dist: six (>=1.0.*)\nRequires-Dist: pytz (>dev, !=1!2.*)\nRequires-Python: >=3.6.*\n",
        "Requires-Dist: tool[gpu]>=1.*; extra == 'gpu'\nRequires-Dist: a @ https://files.example/a-1-py3-none-any.whl\n",
        "no header\nRequires-Dist: below it nothing is read\n",
    ],
)
def test_metadata_that_resolvers_read(tmp_path: Path, lines: str) -> None:
    require_consistent(written(tmp_path, {**FILES, f"{ABOUT}/METADATA": HEAD + lines}), "my-tool", "1.0")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            f"{HEAD}Requires-Dist: six\nRequires-Dist: a b c\n",
            "line 5 of its METADATA, 'Requires-Dist: a b c', is no",
        ),
        (f"{HEAD}Requires-Dist: \n", "line 4 of its METADATA, 'Requires-Dist: ', is no requirement"),
        (f"{HEAD}Requires-Dist: six (>=1.*) ; python\n", "line 4 of its METADATA, .* is no requirement"),
        (f"{HEAD}Requires-Dist: six (={'1!1' * 60}(\n", "line 4 of its METADATA, .* is no requirement"),
        (f"{HEAD}requires-python: three\n", "line 4 of its METADATA, 'requires-python: three', names no versions"),
        ("Name: my-tool \nVersion: 1.0\n", "line 1 of its METADATA, 'Name: my-tool ', ends with a space"),
        (f"garbage\n{HEAD}", "line 1 of its METADATA, 'garbage', is not FIELD: VALUE"),
        ("Name: my-tool\nno version\nVersion: 1.0\n", "line 2 of its METADATA, 'no version', is not FIELD: VALUE"),
        (f"{HEAD}Requires-Dist: a b\n c\n", "line 4 of its METADATA, 'Requires-Dist: a b', is no requirement"),
    ],
)
def test_the_bad_line_of_metadata_is_named(tmp_path: Path, metadata: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        require_consistent(written(tmp_path, {**FILES, f"{ABOUT}/METADATA": metadata}), "my-tool", "1.0")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"../../bin/python": ""}, r"its file '\.\./\.\./bin/python' leads out of its folder"),
        ({"/etc/cron.d/tool": ""}, "its file '/etc/cron.d/tool' leads out of its folder"),
        ({"a/../../tool": ""}, "leads out of its folder"),
        ({"..\\tool": ""}, "leads out of its folder"),
        ({f"{ABOUT}/METADATA": "Name: requests\nVersion: 1.0\n"}, r"its METADATA is of requests 1\.0"),
        ({f"{ABOUT}/METADATA": "Name: my-tool\nVersion: 9\n"}, "its METADATA is of my-tool 9"),
        ({f"{ABOUT}/METADATA": "Name: my-tool\nVersion: new\n"}, "its METADATA is of my-tool new"),
        ({f"{ABOUT}/METADATA": ""}, "its METADATA is of no name"),
        ({f"{ABOUT}/METADATA": None}, "it has no .*METADATA"),
        ({f"{ABOUT}/RECORD": None}, "it has no .*RECORD"),
        ({"other-2.0.dist-info/METADATA": ""}, "it has 2 folders"),
        ({f"{ABOUT}/RECORD": "/etc/passwd,,\n"}, "its RECORD lists '/etc/passwd', which is not in it"),
        ({f"{ABOUT}/RECORD": "../../bin/python,,\n"}, "which is not in it"),
        ({f"{ABOUT}/RECORD": "tool.py,sha256=AAAA,12\n"}, r"its RECORD has another hash of 'tool\.py' than the file"),
    ],
)
def test_one_that_is_not(tmp_path: Path, files: dict[str, str | None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        require_consistent(written(tmp_path, {**FILES, **files}), "my-tool", "1.0")


def test_files_of_one_name(tmp_path: Path) -> None:
    wheel = written(tmp_path, dict(FILES))
    with zipfile.ZipFile(wheel, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("tool.py", "other")
    with pytest.raises(ValueError, match="two files of the same name"):
        require_consistent(wheel, "my-tool", "1.0")


def test_what_is_no_archive(tmp_path: Path) -> None:
    wheel = tmp_path / "my_tool-1.0-py3-none-any.whl"
    wheel.write_text("no archive")
    with pytest.raises(ValueError, match="malformed archive"):
        require_consistent(wheel, "my-tool", "1.0")
