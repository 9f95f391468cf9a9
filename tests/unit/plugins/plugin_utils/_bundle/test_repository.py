# SPDX-License-Identifier: GPL-3.0-or-later
"""The commits of a site, packed so that a bundle after the first has the new ones alone."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bundle.repository import Repository


class Site:
    """A repository with a commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environments = folder / "environments"
        self.environments.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=site")
        self.commit("one")

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=Ana", "-c", "user.email=ana@site.example"]
        command = ["git", "-C", str(self.folder), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, text: str) -> str:
        (self.environments / "lock.yml").write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", text)
        return self.git("rev-parse", "HEAD")

    @property
    def repository(self) -> Repository:
        return Repository(self.environments)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def packs(served: list[Path]) -> set[str]:
    return {path.name for path in served if path.suffix == ".pack"}


def test_a_copy_that_any_web_server_can_serve_has_the_branch_and_its_tags(site: Site, tmp_path: Path) -> None:
    site.git("tag", "--annotate", "--message=v1", "v1")
    bare = tmp_path / "site.git"
    served = site.repository.publish(bare)
    assert {path.as_posix() for path in served} >= {"HEAD", "info/refs", "objects/info/packs", "packed-refs"}
    assert not any(path.as_posix().startswith(("hooks", "config", "objects/0")) for path in served)
    refs = (bare / "info/refs").read_text()
    assert f"{site.git('rev-parse', 'HEAD')}\trefs/heads/site" in refs
    assert "refs/tags/v1" in refs
    assert (bare / "HEAD").read_text() == "ref: refs/heads/site\n"


@pytest.fixture
def served_at(tmp_path: Path) -> Iterator[str]:
    """The URL of the folder ``served``."""
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_what_is_served_is_all_that_git_needs_over_http(site: Site, tmp_path: Path, served_at: str) -> None:
    bare = tmp_path / "site.git"
    for text in ("two", "three"):
        commit = site.commit(text)
        for path in site.repository.publish(bare):
            (tmp_path / "served" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "served" / path).write_bytes((bare / path).read_bytes())
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", served_at, str(clone)], check=True, capture_output=True)
    assert (clone / ".git" / "refs" / "heads" / "site").read_text().strip() == commit
    assert (clone / "environments" / "lock.yml").read_text() == "three"


def test_further_commits_add_a_pack_and_leave_the_others(site: Site, tmp_path: Path) -> None:
    bare = tmp_path / "site.git"
    first = packs(site.repository.publish(bare))
    assert packs(site.repository.publish(bare)) == first
    site.commit("two")
    second = packs(site.repository.publish(bare))
    assert (len(first), len(second), first < second) == (1, 2, True)


def test_a_branch_that_was_rewritten_is_published_as_it_is(site: Site, tmp_path: Path) -> None:
    site.repository.publish(tmp_path / "site.git")
    site.git("commit", "--quiet", "--amend", "--message=other")
    site.git("checkout", "--quiet", "--detach")
    site.repository.publish(tmp_path / "site.git")
    assert f"{site.git('rev-parse', 'HEAD')}\trefs/heads/main" in (tmp_path / "site.git" / "info/refs").read_text()


def test_an_archive_has_the_commit_and_the_same_bytes_each_time(site: Site) -> None:
    commit = site.repository.commit()
    packed = site.repository.archive(commit)
    assert site.repository.archive(commit) == packed
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as tar:
        assert tar.getnames() == ["environments", "environments/lock.yml"]


def test_changes_that_are_not_committed_are_named(site: Site) -> None:
    (site.folder / "notes.txt").write_text("of nobody's concern")
    assert site.repository.commit() == site.git("rev-parse", "HEAD")
    (site.environments / "new.yml").write_text("")
    (site.environments / "lock.yml").write_text("changed")
    with pytest.raises(EvenkeelError, match=r"not committed: environments/lock.yml, environments/new.yml\. Commit"):
        site.repository.commit()


def test_a_folder_that_is_in_no_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"which /\S+ is to be in, has no answer: .*bundle_repository"):
        Repository(tmp_path).commit()


def test_a_repository_has_what_is_committed_in_it(site: Site, tmp_path: Path) -> None:
    (site.folder / "collections").mkdir()
    (site.folder / "collections" / "installed").write_text("")
    assert site.repository.has(site.environments)
    assert not site.repository.has(site.folder / "collections")
    assert not site.repository.has(tmp_path)
