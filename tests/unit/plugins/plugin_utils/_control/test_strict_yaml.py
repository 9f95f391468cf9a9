# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import strict_yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.yaml_limits import Limits

DATA = Path(__file__).parents[1] / "data" / "condarc"


def read(tmp_path: Path, text: str) -> dict[str, object]:
    path = tmp_path / "f.yml"
    path.write_text(text)
    return strict_yaml.read_mapping(path)


def test_keys_and_values(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &a {x: [1, '1', null, 2001-01-01]}\nb: *a\nc: {<<: *a, y: 1.5}\n").keys() == {
        "a",
        "b",
        "c",
    }


def test_numbers_are_exact_where_they_are_to_be_texts(tmp_path: Path) -> None:
    assert read(tmp_path, "a: 0x0fc0\n") == {"a": 4032}
    assert strict_yaml.parsed(tmp_path, "a: [1, -2, 0, '0777']\n", exact_numbers=True) == {"a": [1, -2, 0, "0777"]}
    with pytest.raises(EvenkeelError, match=r"line 2: YAML takes 0777 for the number 511\. Write it in quotes: '0777'"):
        strict_yaml.parsed(tmp_path, "a: 1\nb: 0777\n", exact_numbers=True)


def test_a_text_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(tmp_path, "a: 1\n")
    monkeypatch.setattr(strict_yaml.yaml, "load", lambda *_: {"a": 2})
    assert read(tmp_path, "a: 1\n") is first
    assert read(tmp_path, "a: 2\n") == {"a": 2}


def test_a_mapping_may_merge_two_others(tmp_path: Path) -> None:
    text = "a: &a {x: 1}\nb: &b {y: 2}\nc:\n  <<: *a\n  <<: *b\n"
    assert read(tmp_path, text)["c"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2\n", "line 2: the mapping has the key 'a' twice"),
        ("a: [\n", "line 2: "),
        ("- a\n", "does not hold keys and values"),
        ("1: a\n", "does not hold keys and values"),
        ("a: 2001-99-99\n", "month must be in"),
        ("a: !!python/name:os.system\n", "line 1: it has the tag !!python/name:os.system"),
        ("a: !x b\n", "line 1: it has the tag !x"),
        ("a:\n\t- b\n", "line 2: found character that cannot start any token. Indent the line with spaces"),
        ("a: &a\n  <<: *a\n", "line 1: an alias refers to a value that contains it"),
        ((DATA / "cycle.condarc").read_text(), "line 1: an alias refers to a value that contains it"),
        ((DATA / "bomb.condarc").read_text(), "line 4: it holds more than 5000 values, with each alias filled in"),
        ("a: " + "[" * 60 + "]" * 60, "line 1: it is nested more than 50 deep"),
        ((DATA / "deep.condarc").read_text(), "f.yml"),
    ],
)
def test_mistakes_are_named_with_their_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.setattr(strict_yaml, "LIMITS", Limits(values=5000, depth=50, characters=1000))
    with pytest.raises(EvenkeelError) as error:
        read(tmp_path, text)
    assert words in str(error.value)
    assert str(error.value).startswith(f"{tmp_path}/f.yml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_as_editors_save_them(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f.yml"
    path.write_bytes("a: é\r\nb: [c]\r\n".encode(encoding))
    assert strict_yaml.read_text(path) == "a: é\nb: [c]\n"
    assert strict_yaml.read_mapping(path) == {"a": "é", "b": ["c"]}


@pytest.mark.parametrize("content", [b"a: \xff\n", b"\xff\xfea"])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.yml"
    path.write_bytes(content)
    with pytest.raises(EvenkeelError, match=r"is not text in UTF-8: .* save it in UTF-8"):
        strict_yaml.read_text(path)


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(EvenkeelError, match=f"{path} is .*, no regular file.* on the machine where you run this"):
            strict_yaml.read_text(path)


def test_a_file_beyond_all_sizes_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_yaml, "MOST_BYTES", 2 << 20)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2 << 20)
        strict_yaml.read_text(tmp_path / "large")
        file.truncate((2 << 20) + 1)
    with pytest.raises(EvenkeelError, match="large is larger than 2 MiB"):
        strict_yaml.read_text(tmp_path / "large")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n---\na: 2\n", "line 2: another document begins. Put each document into a file of its own"),
        ("a: 1\na: 2\n", "line 2: the mapping has the key 'a' twice. Join both into one"),
        ("a:\n\t- 1\n", "line 2: found character .* Indent the line with spaces; YAML takes no tabs there"),
        ("a:\n  - b\n  -c\n  - d: e\n", "line 4: .* a missing space behind - or :"),
        (
            "a:\n<<<<<<< HEAD\n  b: 1\n=======\n  b: 2\n>>>>>>> x\n",
            "line 3: .* Resolve the merge conflict in line 2",
        ),
        ("a:\n  - {{ b }}\n", "line 2: found unhashable key. Write the value of a template's variable"),
    ],
)
def test_the_way_out_fits_the_mistake(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "file.yml"
    path.write_text(text)
    with pytest.raises(EvenkeelError, match=message):
        strict_yaml.read_mapping(path)
