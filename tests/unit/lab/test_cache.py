# SPDX-License-Identifier: GPL-3.0-or-later
"""Content keys, and trees that appear by one rename."""

from __future__ import annotations

from pathlib import Path

from lab import cache


def _publish(final: Path, text: str, key: str) -> None:
    stage = cache.staging(final)
    (stage / "file").write_text(text)
    cache.publish(stage, final, key)


def test_key_follows_name_and_content_of_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("one")
    before = cache.key(source, "recipe")
    assert cache.key(source, "recipe") == before
    assert cache.key(source.rename(tmp_path / "renamed"), "recipe") != before
    source.write_text("two")
    assert cache.key(source, "recipe") != before


def test_key_keeps_its_parts_apart() -> None:
    assert cache.key("ab", "c") != cache.key("a", "bc")


def test_nothing_is_published_at_first(tmp_path: Path) -> None:
    assert cache.published(tmp_path / "www" / "main") is None


def test_a_new_tree_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    final = tmp_path / "www" / "main"
    _publish(final, "old", "aaaa")
    _publish(final, "new", "bbbb")
    assert cache.published(final) == "bbbb"
    assert (final / "file").read_text() == "new"
    assert sorted(path.name for path in final.parent.iterdir()) == [".main-bbbb", "main"]


def test_what_a_killed_build_left_is_not_taken_over(tmp_path: Path) -> None:
    final = tmp_path / "main"
    _publish(final, "old", "aaaa")
    (cache.staging(final) / "half").write_text("half")
    (tmp_path / ".main.link").symlink_to("nowhere")
    assert cache.published(final) == "aaaa"
    _publish(final, "new", "bbbb")
    assert [path.name for path in final.iterdir()] == ["file"]


def test_a_link_to_a_vanished_tree_counts_as_unpublished(tmp_path: Path) -> None:
    final = tmp_path / "main"
    final.symlink_to(".main-aaaa")
    assert cache.published(final) is None


def test_a_plain_folder_under_the_final_name_is_replaced(tmp_path: Path) -> None:
    final = tmp_path / "main"
    final.mkdir()
    (final / "stale").touch()
    _publish(final, "new", "bbbb")
    assert [path.name for path in final.iterdir()] == ["file"]
