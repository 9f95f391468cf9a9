# SPDX-License-Identifier: GPL-3.0-or-later
"""The image as containers have it, without any network, beside the node that has the same locks."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import testinfra
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from testinfra.host import Host

from lab import wait
from lab.nodes import nodes, playbooks, podman
from lab.upstream import mirror

ROOT = Path(__file__).parents[3]
IMAGE = "localhost/evenkeel-image/one:1"
FOLDERS = [
    Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "images" / "localhost" / "evenkeel-image" / name
    for name in ("one", "two")
]
ENVIRONMENTS = ("jupyter", "notebook")
NO_NETWORK = ("--rm", "--network=none")
PYTHON = "/opt/miniconda3/bin/python"
CDI = Path("/run/cdi/evenkeel-test.json")
#: As nvidia-ctk writes it, with what every machine has in place of a GPU.
CDI_SPEC = {
    "cdiVersion": "0.5.0",
    "kind": "nvidia.com/gpu",
    "devices": [
        {
            "name": "all",
            "containerEdits": {
                "deviceNodes": [{"path": "/dev/nvidia0", "hostPath": "/dev/null", "type": "c", "major": 1, "minor": 3}],
                "env": ["NVIDIA_VISIBLE_DEVICES=void"],
            },
        }
    ],
}
VERIFIED = """
import json
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment_info as info
asked = {"name": None, "prefix": None, "root": "/opt/evenkeel", "verify": "files", "size": False}
print(json.dumps([[one["name"], one["digest"], one["drift"], one["user_files"]] for one in info.environments(asked)]))
"""
ASKED = """
import json, sys, urllib.error, urllib.request
for token in sys.argv[1:]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:8888/api/kernelspecs?token={token}") as answer:
            print(" ".join(json.load(answer)["kernelspecs"]))
    except urllib.error.HTTPError as error:
        print(error.code)
"""


def run(*arguments: str, options: tuple[str, ...] = ()) -> str:
    return podman.run("run", *NO_NETWORK, *options, IMAGE, *arguments).strip()


def read(folder: Path, digest: str) -> Any:
    return json.loads((folder / "oci" / "blobs" / digest.replace(":", "/")).read_text())


def index(folder: Path) -> dict[str, Any]:
    (entry,) = json.loads((folder / "oci" / "index.json").read_text())["manifests"]
    return dict(entry)


@pytest.fixture(scope="module")
def of_node() -> dict[str, str]:
    """The digests on the node."""
    (node,) = nodes.find(os.environ["MOLECULE_SCENARIO_NAME"])
    host: Host = testinfra.get_host(f"ansible://{node.name}", ansible_inventory=str(playbooks.INVENTORY), sudo=True)
    texts = {name: host.file(f"/opt/evenkeel/envs/{name}/conda-meta/evenkeel").content_string for name in ENVIRONMENTS}
    return {name: json.loads(text)["digest"] for name, text in texts.items()}


def test_two_builds_are_one_image() -> None:
    one, two = map(index, FOLDERS)
    assert one == two
    assert podman.run("image", "inspect", "--format={{.Digest}}", IMAGE).strip() == one["digest"]


def test_the_pushed_image_is_the_same_to_the_bit() -> None:
    pushed = (FOLDERS[0].parents[3] / "pushed" / "manifest.json").read_bytes()
    assert f"sha256:{hashlib.sha256(pushed).hexdigest()}" == index(FOLDERS[0])["digest"]


def test_it_is_in_the_storage_by_its_name_alone() -> None:
    names = json.loads(podman.run("image", "inspect", "--format={{json .RepoTags}}", IMAGE))
    assert sorted(names) == [IMAGE, "localhost/evenkeel-image/two:1"]


def test_it_has_the_digests_of_nodes(of_node: dict[str, str]) -> None:
    assert dict(line.split() for line in run("digests").splitlines()) == of_node
    labels = json.loads(podman.run("image", "inspect", "--format={{json .Labels}}", IMAGE))
    assert {name: labels[f"io.evenkeel.environment.{name}.digest"] for name in ENVIRONMENTS} == of_node
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")


def test_each_file_is_as_its_package_brought_it(of_node: dict[str, str]) -> None:
    project = (
        f"--volume={ROOT}:/project:ro",
        "--env=PYTHONPATH=/project/collections",
        "--env=PYTHONDONTWRITEBYTECODE=1",
    )
    found = json.loads(run(PYTHON, "-c", VERIFIED, options=project))
    assert found == [[name, of_node[name], [], []] for name in ENVIRONMENTS]


def test_a_command_runs_in_the_environment_as_an_ordinary_user() -> None:
    assert run("sh", "-c", "id -un; id -u; touch ~/mine && pwd").splitlines() == ["evenkeel", "2000", "/home/evenkeel"]
    assert run("python", "-c", "import tabulate, os; print(os.environ['OMP_NUM_THREADS'])") == "2"
    assert run("sh", "-c", "echo $OMP_NUM_THREADS", options=("--env=OMP_NUM_THREADS=8",)) == "8"
    assert run("sh", "-c", "echo $CONDA_DEFAULT_ENV", options=("--env=EVENKEEL_ENV=jupyter",)) == "jupyter"
    assert run("sh", "-c", "touch ~/mine; id -u", options=("--user=4711",)) == "4711"
    assert run("sh", "-c", "touch /opt/evenkeel/envs/x 2>/dev/null || echo kept") == "kept"


@contextmanager
def served(*options: str) -> Iterator[str]:
    """Run JupyterLab in a container."""
    name = podman.run("run", "--detach", *NO_NETWORK, *options, IMAGE, "jupyter").strip()
    try:
        yield name
    finally:
        podman.run("rm", "--force", "--time=0", name)


def asked(container: str, *tokens: str) -> list[str]:
    ask = ("exec", container, PYTHON, "-c", ASKED)
    wait.until(lambda: podman.succeeds(*ask, ""), "JupyterLab answers nothing", "see podman logs", seconds=120)
    return podman.run(*ask, *tokens).splitlines()


def test_jupyterlab_wants_its_token() -> None:
    with served() as container:
        assert asked(container, "", "wrong") == ["403", "403"]
        token = re.findall(
            r"^http://127\.0\.0\.1:8888/lab\?token=(\w{48})$", podman.run("logs", container), re.MULTILINE
        )
        assert asked(container, *token) == ["notebook"]
    with served("--env=JUPYTER_TOKEN=ours") as container:
        assert asked(container, "ours", "") == ["notebook", "403"]
        assert "ours" not in podman.run("logs", container)


@pytest.mark.parametrize("option", ["--ServerApp.token=", "--IdentityProvider.token=x", "--config=/x.py"])
def test_no_option_turns_the_token_off(option: str) -> None:
    assert not podman.succeeds("run", *NO_NETWORK, IMAGE, "jupyter", option)


def test_only_what_belongs_there_is_in_it() -> None:
    folder = FOLDERS[0]
    _base, *own = read(folder, index(folder)["digest"])["layers"]
    assert len(own) == 2 + len(ENVIRONMENTS)
    names: set[str] = set()
    for layer in own:
        with tarfile.open(folder / "oci" / "blobs" / layer["digest"].replace(":", "/")) as tar:
            names.update(member.name for member in tar)
    tops = {"/".join(name.split("/")[:3]) for name in names if name.startswith("opt/")}
    assert tops == {"opt/miniconda3", "opt/evenkeel"} | {
        f"opt/evenkeel/{name}" for name in ("distributions", "envs", "generations")
    }
    assert not [name for name in names if "/pkgs/" in name or name.startswith(("var/", "tmp/", "root/", "run/"))]
    assert not names & {"etc/machine-id", "etc/pip.conf", "etc/shadow"}


def test_the_mirror_is_not_in_it() -> None:
    # The second build had all from there.
    place = f"{mirror.url()}:80"
    folder = FOLDERS[1]
    assert place in (folder / "provenance.json").read_text()
    searched = ("run", *NO_NETWORK, "--entrypoint=/bin/grep", "localhost/evenkeel-image/two:1", "-rqsF", place)
    assert not podman.succeeds(*searched, "/opt", "/etc/conda", "/usr/local")


def test_the_bill_of_materials_holds_to_its_schema(of_node: dict[str, str]) -> None:
    text = (FOLDERS[0] / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text == (FOLDERS[1] / "sbom.cdx.json").read_text().replace("evenkeel-image/two", "evenkeel-image/one")
    parts = {one["name"]: one for one in json.loads(text)["components"]}
    assert {name: parts[name]["version"] for name in ENVIRONMENTS} == of_node
    assert "pkg:pypi/tabulate@" in str(parts["notebook"]["components"])


def test_the_provenance_names_image_and_locks() -> None:
    stated = json.loads((FOLDERS[0] / "provenance.json").read_text())
    assert f"sha256:{stated['subject'][0]['digest']['sha256']}" == index(FOLDERS[0])["digest"]
    locks = [one.get("name") for one in stated["predicate"]["buildDefinition"]["resolvedDependencies"]]
    assert {"environments/notebook/conda-lock.yml", "environments/jupyter/conda-lock.yml"} < set(locks)


def test_a_gpu_comes_by_its_cdi_name() -> None:
    assert not CDI.exists()
    CDI.parent.mkdir(exist_ok=True)
    CDI.write_text(json.dumps(CDI_SPEC))
    try:
        said = run(
            "sh", "-c", "test -c /dev/nvidia0 && echo $NVIDIA_VISIBLE_DEVICES", options=("--device=nvidia.com/gpu=all",)
        )
    finally:
        CDI.unlink()
    assert said == "void"


def test_no_working_container_is_left() -> None:
    listed = subprocess.run(["buildah", "containers", "--json"], check=True, capture_output=True, text=True).stdout
    assert "evenkeel-image-localhost-evenkeel-image" not in listed
