# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.mistakes import Mistakes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.pip_section import PipSection

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def section(text: str, directory: Path) -> PipSection:
    mistakes = Mistakes(directory / "environment.yml")
    found = PipSection()
    found.read(text, f"{directory / 'environment.yml'}: dependencies.pip", directory, mistakes)
    mistakes.require_none()
    return found


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("", []),
        ("a\n\nb", ["a", "b"]),
        ("a  # first\n# b\n  # c", ["a"]),
        ("a>=1, \\\n  <2", ["a<2,>=1"]),
        ("# a \\\nb", ["b"]),
        ("a \\", ["a"]),
        ("a; python_version >= '3.8'  # new", ['a; python_version >= "3.8"']),
        (f"tool @ git+https://git.example/tool@{COMMIT}#egg=tool", [f"tool @ git+https://git.example/tool@{COMMIT}"]),
        ("a\r\nb\r\n", ["a", "b"]),
        (f"-e git+https://git.example/tool@{COMMIT}#egg=tool", [f"tool @ git+https://git.example/tool@{COMMIT}"]),
        # without effect
        ("--only-binary :all:\n--prefer-binary\n--require-hashes\na", ["a"]),
        ("--trusted-host wheels.example\n--use-feature=fast-deps\na", ["a"]),
    ],
)
def test_lines(tmp_path: Path, text: str, requirements: list[str]) -> None:
    assert section(text, tmp_path) == PipSection(requirements)


@pytest.mark.parametrize(
    ("text", "indexes", "find_links"),
    [
        ("--index-url https://a.example/simple", ["https://a.example/simple"], []),
        ("-ihttps://a.example\n--extra-index-url=https://b.example", ["https://a.example", "https://b.example"], []),
        ("--extra-index-url https://b.example\n-i https://a.example", ["https://a.example", "https://b.example"], []),
        ("-i https://a.example\n-i https://b.example", ["https://b.example"], []),
        ("--extra-index-url https://b.example  # words", ["https://b.example"], []),
        (
            "-f https://c.example/stable.html\n--find-links=https://d.example/",
            [],
            ["https://c.example/stable.html", "https://d.example/"],
        ),
    ],
)
def test_sources(tmp_path: Path, text: str, indexes: list[str], find_links: list[str]) -> None:
    found = section(text, tmp_path)
    assert (found.indexes, found.find_links) == (indexes, find_links)


def test_files_are_found_beside_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "requirements.txt").write_text(
        "a>=1\n-r more/other.txt\n-c limits.txt\n--extra-index-url https://b.example\n"
    )
    (tmp_path / "more" / "other.txt").write_bytes("b\n-r third.txt\n-c ../limits.txt\n".encode("utf-16"))
    (tmp_path / "more" / "third.txt").write_text("c\n")
    (tmp_path / "limits.txt").write_text("d==1\n-r more/third.txt\n")
    found = section("-r requirements.txt\n-r more/third.txt", tmp_path)
    assert found.requirements == ["a>=1", "b", "c"]
    assert found.constraints == ["d==1", "c"]
    assert found.indexes == ["https://b.example"]
    assert {path.resolve().relative_to(tmp_path).as_posix() for path in found.files} == {
        "requirements.txt",
        "more/other.txt",
        "more/third.txt",
        "limits.txt",
    }


def test_hashes_as_pip_compile_writes_them(tmp_path: Path) -> None:
    text = (
        f"A_b==1 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{'A' * 64}\n    # via c\n"
        f"c==2 --hash sha256:{'1' * 64}\n"
    )
    found = section(text, tmp_path)
    assert found.requirements == ["A_b==1", "c==2"]
    assert found.hashes == [f"a-b sha256:{'0' * 64}", f"a-b sha256:{'a' * 64}", f"c sha256:{'1' * 64}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-e .", "'.' is an editable project"),
        ("--editable=../tool", "'../tool' is an editable project"),
        ("-e git+https://git.example/tool@main#egg=tool", "names 'main', which may move"),
        ("--no-index", "'--no-index' leaves no index to ask"),
        ("--no-binary :all:", "asks for a build from source"),
        ("--pre", "takes all pre-releases"),
        ("a --config-settings x=y", "changes how a package is built"),
        ("a --global-option=x", "changes how a package is built"),
        ("a --no-deps", "'a --no-deps' holds --no-deps, which is no option of pip's files of requirements"),
        ("-r", "can't be understood: .*expected one argument"),
        ("-f 'x", "can't be understood: No closing quotation"),
        ("-r https://host.example/requirements.txt", "is a file on another machine"),
        ("-r missing.txt", "'missing.txt' is not there; looked for .*/missing.txt"),
        ("-r round.txt", ".*round.txt, line 2: 'round.txt' includes itself"),
        ("-r wrong.txt", ".*wrong.txt, line 3: './x' is a path on one machine"),
        ("-i https://me:secret-one@a.example", "--index-url is written with credentials"),
        ("--extra-index-url https://${USER}:${TOKEN}@a.example", "holds a variable.*own ~/.netrc"),
        ("-f ./wheels", "--find-links names './wheels', which is a path on one machine"),
        ("a==1 --hash=md5:00", "a has the hash 'md5:00', which is no SHA-256. Write it as --hash=sha256:DIGITS"),
    ],
)
def test_what_is_refused_and_why(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "round.txt").write_text("a\n-r round.txt\n")
    (tmp_path / "wrong.txt").write_text("a\n\n./x\n")
    with pytest.raises(EvenkeelError, match=message) as error:
        section(text, tmp_path)
    assert "mistakes" not in str(error.value)
    assert "secret-one" not in str(error.value)


@pytest.mark.parametrize("name", ["../secret.txt", "{outside}/secret.txt", "link.txt"])
def test_files_outside_the_environments_folder_are_not_read(tmp_path: Path, name: str) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (tmp_path / "secret.txt").write_text("humanize\n")
    (own / "link.txt").symlink_to("../secret.txt")
    with pytest.raises(EvenkeelError) as error:
        section(f"-r {name.format(outside=tmp_path)}", own)
    assert f"is {tmp_path / 'secret.txt'}, which does not belong to the files below {own}" in str(error.value)
    assert "Copy it beside the environment" in str(error.value)


def test_files_of_the_same_repository_are_read_but_gits_own(tmp_path: Path) -> None:
    own = tmp_path / "environments" / "own"
    own.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("a\n")
    (tmp_path / "requirements.txt").write_text("humanize\n-r environments/more.txt")
    (tmp_path / "environments" / "more.txt").write_text("numpy\n-r ../requirements/last.txt")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "last.txt").write_text("six")
    assert section("-r ../../requirements.txt", own).requirements == ["humanize", "numpy", "six"]
    with pytest.raises(EvenkeelError, match="does not belong to the files below"):
        section("-r ../../.git/config", own)


@pytest.mark.parametrize("line", [".", "..", ".[dev]", "./tool"])
def test_a_path_in_an_included_file_is_told_as_such(tmp_path: Path, line: str) -> None:
    (tmp_path / "r.txt").write_text(f"a\n{line}\n")
    with pytest.raises(EvenkeelError, match="is a path on one machine"):
        section("-r r.txt", tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "root:*:20228:0:99999:7:::",
        "machine host.example login me password two",
        "-----BEGIN A KEY-----",
        "{x: y}",
    ],
)
def test_a_line_that_is_no_requirement_is_named_and_not_shown(tmp_path: Path, line: str) -> None:
    (tmp_path / "r.txt").write_text(f"a\n{line}\n")
    with pytest.raises(EvenkeelError) as error:
        section("-r r.txt", tmp_path)
    assert str(error.value) == (
        f"{tmp_path / 'r.txt'}, line 2 is nothing that pip reads, such as a requirement. "
        "Check that it is the right file, and correct the line."
    )


def test_a_long_line_is_shown_in_part(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text(f"name=={'x' * 300} y\n")
    with pytest.raises(EvenkeelError, match=r"r\.txt, line 1: 'name==x+\.\.\.' is not a requirement") as error:
        section("-r r.txt", tmp_path)
    assert "x" * 100 not in str(error.value)


def test_a_file_that_many_name_is_read_once(tmp_path: Path) -> None:
    for number in range(15):
        (tmp_path / f"{number}.txt").write_text(f"a{number}\n" + f"-r {number + 1}.txt\n" * 2)
    (tmp_path / "15.txt").write_text("last\n")
    assert section("-r 0.txt", tmp_path).requirements == [*(f"a{number}" for number in range(15)), "last"]


def test_a_chain_of_files_has_an_end(tmp_path: Path) -> None:
    for number in range(1500):
        (tmp_path / f"{number}.txt").write_text(f"-r {number + 1}.txt\n")
    with pytest.raises(EvenkeelError, match=r"19\.txt, line 1: '20\.txt' would be the file number 21 of a chain"):
        section("-r 0.txt", tmp_path)
