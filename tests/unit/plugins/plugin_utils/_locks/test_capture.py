# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import capture
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors

MAIN = "https://repo.anaconda.com/pkgs/main"
FORGE = "https://conda.anaconda.org/conda-forge"
MIRROR = "http://mirror.example/anaconda"
MIRRORS = Mirrors((("https://repo.anaconda.com", MIRROR),))
COMMIT = "git+https://git.example/tool@" + "0f" * 20


def conda(name: str, version: str = "1.0", *depends: str, channel: str = MAIN) -> dict[str, Any]:
    url = f"{channel}/noarch/{name}-{version}-py_0.conda"
    return {"name": name, "version": version, "build": "py_0", "sha256": "ab" * 32, "url": url, "depends": depends}


def pip(name: str, version: str = "1.0", url: str = "") -> dict[str, Any]:
    return {"name": name, "version": version, "build": "", "manager": "pip", "url": url}


def found(
    *packages: dict[str, Any],
    requested: tuple[str, ...] = (),
    copied: tuple[str, ...] = (),
    indexes: tuple[str, ...] = (),
    **variables: str,
) -> capture.Found:
    environment = {
        "prefix": "/srv/nlp",
        "packages": packages,
        "requested": requested,
        "copied": copied,
        "variables": variables,
    }
    return capture.found_on("node1", environment, MIRRORS, indexes)


@pytest.mark.parametrize(
    ("requested", "copied", "dependencies"),
    [
        ((), (), ("pandas=3.0", "python=3.11.2")),
        (("python=3.11", "numpy"), (), ("numpy", "python=3.11")),
        (("numpy>=3",), (), ("numpy=2.4",)),
        (("defaults::numpy>=2",), (), ("defaults::numpy>=2",)),
        (("anaconda/pkgs/main::numpy>=2",), (), ("defaults::numpy>=2",)),
        (("anaconda/pkgs/main::numpy>=3",), (), ("defaults::numpy=2.4",)),
        (("scipy", "numpy"), (), ("numpy",)),
        ((), ("numpy", "pandas", "python"), ("pandas=3.0", "python=3.11.2")),
        (("pandas>=2",), ("numpy", "python"), ("pandas>=2", "python=3.11.2")),
        (("numpy",), ("pandas", "python"), ("numpy", "pandas=3.0", "python=3.11.2")),
    ],
    ids=[
        "no history",
        "as asked",
        "no longer true",
        "with a channel",
        "with the node's name of a channel",
        "with such a name, and no longer true",
        "no longer there",
        "a clone",
        "a clone, and more",
        "a clone, and what another needs",
    ],
)
def test_dependencies(requested: tuple[str, ...], copied: tuple[str, ...], dependencies: tuple[str, ...]) -> None:
    packages = (conda("python", "3.11.2"), conda("numpy", "2.4", "python >=3.9"), conda("pandas", "3.0", "numpy >=2"))
    assert found(*packages, requested=requested, copied=copied).dependencies == dependencies


def test_pips_other_indexes_stand_in_the_file(tmp_path: Path) -> None:
    wheels = "https://wheels.example/whl/cu121"
    seen = found(conda("python", "3.11.2"), pip("torch", "2.4.0+cu121"), indexes=(wheels,))
    text = capture.render(seen)
    assert yaml.safe_load(text)["dependencies"][1] == {
        "pip": [f"--extra-index-url {wheels}", "torch==2.4.0+cu121"],
    }
    environment = capture.understood(tmp_path / "environment.yml", text, seen)
    assert (environment.indexes, environment.pip) == ((wheels,), ("torch==2.4.0+cu121",))


def test_channels_are_the_original_ones_the_largest_first() -> None:
    packages = (
        conda("a", channel=f"{MIRROR}/pkgs/main"),
        conda("b", channel=FORGE),
        conda("c", channel=FORGE),
    )
    assert found(*packages).channels == (FORGE, MAIN)
    assert capture.short_names(found(*packages).channels) == ["conda-forge", "defaults"]


@pytest.mark.parametrize(
    ("packages", "named"),
    [
        ((conda("a", channel="file:///home/ada/channel"),), r"a \(file:///home/ada/channel/noarch/a-1.0-py_0.conda\)"),
        (({**conda("a"), "url": ""},), r"a \(no URL\)"),
        ((conda("a"), pip("mine", url="file:///home/ada/mine")), r"mine \(file:///home/ada/mine\)"),
        ((conda("a"), pip("tool", url="git+https://git.example/tool@main")), r"tool \(git\+https"),
        ((conda("a"), pip("tool", url="https://me@files.example/tool-1-py3-none-any.whl")), r"tool \(https"),
        ((conda("a"), pip("tool", url="https://files.example/tool-1.tar.gz")), r"tool \(https"),
    ],
    ids=[
        "a channel of the node's",
        "no URL",
        "an editable project",
        "a branch",
        "with credentials",
        "a source archive",
    ],
)
def test_what_other_nodes_cannot_get_is_refused(packages: tuple[dict[str, Any], ...], named: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^/srv/nlp on node1 holds what other nodes cannot get: {named}"):
        found(*packages)


def test_the_text_is_an_environment_that_is_understood(tmp_path: Path) -> None:
    wheel = "https://files.example/w-1.0-py3-none-any.whl"
    packages = (conda("python", "3.11.2"), pip("humanize", "4.17.0"), pip("tool", "0.1", COMMIT), pip("w", url=wheel))
    seen = found(*packages, requested=("python=3.11",), TOKENIZERS_PARALLELISM="false")
    text = capture.render(seen)
    assert yaml.safe_load(text) == {
        "channels": ["defaults"],
        "dependencies": ["python=3.11", {"pip": ["humanize==4.17.0", f"tool @ {COMMIT}", f"w @ {wheel}"]}],
        "variables": {"TOKENIZERS_PARALLELISM": "false"},
    }
    environment = capture.understood(tmp_path / "environment.yml", text, seen)
    assert environment.path == tmp_path / "environment.yml"
    assert environment.packages == ("python=3.11",)
    assert environment.variables == {"TOKENIZERS_PARALLELISM": "false"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("packages", "requested", "mistake"),
    [
        ((), (), " has 2 mistakes:\n- channels names no channel"),
        ((conda("pywin32"),), ("pywin32",), ": dependencies holds pywin32, which only Windows has"),
    ],
    ids=["nothing of conda", "what no node has"],
)
def test_an_environment_that_can_not_be_asked_for_is_named_as_the_node_has_it(
    packages: tuple[dict[str, Any], ...], requested: tuple[str, ...], mistake: str, tmp_path: Path
) -> None:
    path = tmp_path / "nlp" / "environment.yml"
    seen = found(*packages, requested=requested)
    with pytest.raises(EvenkeelError) as raised:
        capture.understood(path, capture.render(seen), seen)
    assert raised.value.what.startswith(f"/srv/nlp on node1 can't be exported: {path}{mistake}"), raised.value.what


def test_another_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    seen = found(conda("python", "3.11.2"))
    path.write_text(capture.write_down(path, seen))
    assert capture.write_down(path, seen) == capture.render(seen)
    earlier = "# Another header\n" + path.read_text()
    path.write_text(earlier)
    assert capture.write_down(path, seen) == earlier
    path.write_bytes(b"dependencies: [precious]  # caf\xe9\n")
    with pytest.raises(EvenkeelError, match=f"^{path} exists already with other content"):
        capture.write_down(path, seen)
    assert path.read_bytes().startswith(b"dependencies: [precious]")
