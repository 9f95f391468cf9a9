# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors, mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.provided_by_conda import (
    cache_directory,
    distributions,
    names_by,
)

CANONICAL = "https://channel.example/main"


def package(name: str, channel: str = CANONICAL, depends: tuple[str, ...] = ("python >=3.11",)) -> Package:
    url = f"{channel}/noarch/{name}-1.0-0.conda"
    return Package(name, "1.0", "0", name.encode().hex().ljust(64, "0"), url=url, depends=depends)


@pytest.mark.parametrize(
    ("path", "reported"),
    [
        ("site-packages/torch-2.4.1.dist-info/METADATA", {"torch": "2.4.1"}),
        ("lib/python3.11/site-packages/Flask_Login-0.6.3.dist-info/RECORD", {"flask-login": "0.6.3"}),
        ("lib/python3.11/site-packages/zope.event-5.0.dist-info/RECORD", {"zope-event": "5.0"}),
        ("lib/python3.11/site-packages/torch-2.1.0+cu121.dist-info/RECORD", {"torch": "2.1.0+cu121"}),
        ("lib/python3.9/site-packages/docopt-0.6.2-py3.9.egg-info", {"docopt": "0.6.2"}),
        ("lib/python3.9/site-packages/pip-21.0-py3.9.egg-info/PKG-INFO", {"pip": "21.0"}),
        ("site-packages/setuptools/_vendor/wheel-0.43.0.dist-info/METADATA", {}),
        ("site-packages/torch/version.py", {}),
        ("share/doc/torch-2.4.1.dist-info/METADATA", {}),
    ],
)
def test_paths_tell_distributions(path: str, reported: dict[str, str]) -> None:
    assert names_by([path]) == reported


def test_conda_names_are_not_pythons(make_channel: Callable[..., str], tmp_path: Path) -> None:
    make_channel(
        [("pytorch", "1.0", "noarch", ("python",)), ("python", "1.0", "noarch", ()), ("zlib", "1.0", "noarch", ())],
        {"pytorch": "torch", "zlib": "never_read"},
        folder=tmp_path / "main",
    )
    asked = [package("pytorch"), package("python", depends=()), package("zlib", depends=("libc",))]
    mirrors = mirrors_from({CANONICAL: (tmp_path / "main").as_uri()})
    assert distributions(asked, mirrors) == {"torch": "1.0"}


def test_a_package_is_asked_once_and_known_by_its_hash(make_channel: Callable[..., str], tmp_path: Path) -> None:
    channel = make_channel([("app", "1.0", "noarch", ("python",))], {"app": "app"}, folder=tmp_path / "main")
    assert distributions([package("app", channel)], Mirrors()) == {"app": "1.0"}
    (tmp_path / "main/noarch/app-1.0-0.conda").unlink()
    assert distributions([package("app", channel)], Mirrors()) == {"app": "1.0"}


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b'{"app": ', b"[]"])
def test_a_damaged_answer_is_asked_again(make_channel: Callable[..., str], tmp_path: Path, damage: bytes) -> None:
    channel = make_channel([("app", "1.0", "noarch", ("python",))], {"app": "app"}, folder=tmp_path / "main")
    distributions([package("app", channel)], Mirrors())
    kept = cache_directory() / f"{package('app').sha256}.json"
    kept.write_bytes(damage)
    for _ in range(2):
        assert distributions([package("app", channel)], Mirrors()) == {"app": "1.0"}
    assert kept.read_text() == '{"app": "1.0"}'


@pytest.mark.parametrize(
    ("url", "content"),
    [("file://{tmp}/noarch/app-1.0-0.conda", b"<html>"), ("file://{tmp}/noarch/app-1.0-0.conda", None)],
    ids=["no archive", "missing"],
)
def test_a_package_that_cannot_be_read_is_named(tmp_path: Path, url: str, content: bytes | None) -> None:
    (tmp_path / "noarch").mkdir()
    if content:
        (tmp_path / "noarch/app-1.0-0.conda").write_bytes(content)
    with pytest.raises(EvenkeelError, match=rf"^The list of files in {url.format(tmp=tmp_path)} could not be read: "):
        distributions([package("app", tmp_path.as_uri())], Mirrors())
    assert not list((tmp_path / "cache").rglob("*.json"))
