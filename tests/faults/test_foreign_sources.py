# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's repositories, declared by others before the first run, in the forms in which people write them.

The entry goes, its neighbours stay, and the file as it was is kept beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.upstream import signing_keys
from lab.upstream.nvidia.repositories import CONTAINER
from lab.upstream.signing_keys import Key
from tests.faults.conftest import Answer, Node
from tests.faults.homes import put
from tests.faults.ubuntu_nodes import NEW, PLAYBOOK, REVISION, strip, versions

pytestmark = pytest.mark.long

TOOLKIT, CONTAINERS = "molecule/cuda_toolkit/converge.yml", "molecule/nvidia_container_toolkit/converge.yml"
SAVED = ".replaced-by-evenkeel.save"
PARTS = "/etc/apt/sources.list.d"
KEY, BOTH = "/usr/share/keyrings/somebodys-cuda.gpg", "/usr/share/keyrings/somebodys-two.gpg"
GUIDE_KEY = "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"
GUIDE = f"{PARTS}/nvidia-container-toolkit.list"
#: What cuda-keyring brings.
KEYRING_LIST = f"{PARTS}/cuda-ubuntu2404-x86_64.list"
KEYRING = "cuda-keyring_1.1-1_all.deb"


@dataclass(frozen=True)
class Form:
    """A way to declare the repository.

    Parameters
    ----------
    text
        What the file holds, with names for addresses and keys.
    rest
        What is left of it; nothing where the file goes.
    trusted
        The keyring by which apt trusts it, if the entry names none.
    """

    text: str
    rest: str = ""
    trusted: str = ""


OTHER = "Types: deb\nURIs: {other}\nSuites: /\nSigned-By: {both}\n"
OTHER_LINE = "deb [signed-by={both}] {other} / # stays\n"
#: By the file.
FORMS = {
    "/etc/apt/sources.list": Form("# Mine\ndeb [signed-by={key}] {url} /\n", "# Mine\n"),
    f"{PARTS}/line.list": Form("deb [arch=amd64 signed-by={key}] {url} /\n"),
    f"{PARTS}/trusted.list": Form("deb {url} /\n", trusted="/etc/apt/trusted.gpg.d/cuda.gpg"),
    f"{PARTS}/trusted-long-ago.list": Form("deb {url} /\n", trusted="/etc/apt/trusted.gpg"),
    f"{PARTS}/others.list": Form("# All\ndeb [signed-by={key}] {url}/ /\n" + OTHER_LINE, "# All\n" + OTHER_LINE),
    f"{PARTS}/stanza.sources": Form(
        "Types: deb\nURIs: {url}\nSuites: /\nArchitectures: amd64\nSigned-By: {key}\n",
    ),
    f"{PARTS}/with-key.sources": Form("Types: deb\nURIs: {url}/\nSuites: ./\nSigned-By:\n{armour}\n"),
    f"{PARTS}/others.sources": Form("Types: deb\nURIs: {url}\nSuites: /\nSigned-By: {key}\n\n" + OTHER, OTHER),
    f"{PARTS}/two-addresses.sources": Form(OTHER.replace("{other}", "{other} {url}"), OTHER),
}
#: apt does not read it.
IGNORED = f"{PARTS}/cuda.list.disabled"


def address(node: Node) -> str:
    return f"{node.variables['lab_nvidia_repository']}/ubuntu2404/x86_64"


def filled(node: Node, text: str) -> str:
    armour = signing_keys.ensure(Key("ubuntu2404")).armored
    return text.format(
        url=address(node),
        other=f"{node.variables['lab_nvidia_container_repository']}/stable/deb/amd64",
        key=KEY,
        both=BOTH,
        armour="\n".join(f" {line or '.'}" for line in armour.strip().splitlines()),
    )


def text_of(node: Node, path: str) -> str:
    """Return the text of a file; nothing where there is none."""
    file = node.host.file(path)
    return str(file.content_string) if file.exists else ""


def errors_of_apt(node: Node) -> list[str]:
    """Return what apt complains of as it reads its sources."""
    done = node.host.run("apt-get update")
    lines = f"{done.stdout}\n{done.stderr}".splitlines()
    # What is left of several files here is one and the same repository of others.
    named = [line for line in lines if "configured multiple times" not in line or "evenkeel" in line]
    return [line for line in named if line.startswith(("E:", "W:", "Err:"))]


def takes_over(node: Node, playbook: str, *kept: str) -> None:
    """Check mode reports the files that go and changes nothing, a run takes them over, and the next does nothing."""
    texts = {path: text_of(node, path) for path in kept}
    before = node.fingerprint()
    rehearsed = node.play(playbook, "--check")
    assert reports(rehearsed, *kept)
    assert node.fingerprint() == before
    assert reports(node.play(playbook), *kept)
    assert {path: text_of(node, path + SAVED) for path in kept} == texts
    assert errors_of_apt(node) == []
    assert "changed=0" in node.play(playbook).output


def reports(answer: Answer, *kept: str) -> bool:
    assert answer.succeeded()
    output = " ".join(answer.output.split())
    for path in kept:
        assert f"{path}, without the repository that Evenkeel adds; the file as it was is kept as {path}." in output
    return True


@pytest.fixture(scope="module")
def with_keys(ubuntu: Node) -> Node:
    """The keys by which somebody trusts the repositories."""
    cuda, containers = signing_keys.ensure(Key("ubuntu2404")).public, signing_keys.ensure(CONTAINER).public
    put(ubuntu, KEY, cuda)
    put(ubuntu, BOTH, cuda + containers)
    put(ubuntu, GUIDE_KEY, containers)
    return ubuntu


@pytest.fixture
def bare(with_keys: Node) -> Iterator[Node]:
    """The same, without anything of NVIDIA's."""
    yield with_keys
    files = [path for form in FORMS for path in (form, form + SAVED)]
    with_keys.host.check_output(f"rm -f {' '.join(files)} {IGNORED} {GUIDE}*")
    with_keys.host.check_output(f"dpkg-divert --local --no-rename --remove {KEYRING_LIST}")
    strip(with_keys)


def test_all_forms_are_taken_over_by_the_driver_s_first_run(bare: Node) -> None:
    key = signing_keys.ensure(Key("ubuntu2404")).public
    for path, form in FORMS.items():
        put(bare, path, filled(bare, form.text).encode())
        if form.trusted:
            put(bare, form.trusted, key)
        assert "public key" not in str(errors_of_apt(bare)), path
        assert address(bare) in bare.host.check_output("apt-cache policy nvidia-modprobe"), path
        bare.host.check_output(f"rm {path} {form.trusted}")
    for path, form in FORMS.items():
        put(bare, path, filled(bare, form.text).encode())
    put(bare, IGNORED, filled(bare, "deb {url} /\n").encode())
    assert "Conflicting values set for option Signed-By" in str(errors_of_apt(bare))
    takes_over(bare, PLAYBOOK, *FORMS)
    assert {path: text_of(bare, path) for path in FORMS} == {
        path: filled(bare, form.rest) for path, form in FORMS.items()
    }
    assert text_of(bare, IGNORED) == filled(bare, "deb {url} /\n")
    assert not bare.host.file(IGNORED + SAVED).exists
    assert versions(bare) == {f"{NEW}-{REVISION}"}


def install_keyring(node: Node, version: str) -> None:
    """Install a version of ``cuda-keyring`` whose list names the lab's repository."""
    url, folder = address(node), "/root/keyring"
    fetch = f"import urllib.request; urllib.request.urlretrieve('{url}/{KEYRING}', '/root/{KEYRING}')"
    node.host.check_output(
        f'cd /root && python3 -c "{fetch}" && dpkg-deb --raw-extract {KEYRING} {folder}'
        f" && sed --in-place 's|^Version: .*|Version: {version}|' {folder}/DEBIAN/control"
        f" && sed --in-place 's|https://.*|{url}/ / # {version}|' {folder}{KEYRING_LIST}"
        f" && dpkg-deb --build {folder} {KEYRING} && dpkg --install {KEYRING} && rm -r {folder} {KEYRING}"
    )


def test_cuda_keyring_may_stay_and_be_upgraded(bare: Node) -> None:
    install_keyring(bare, "1.1-1")
    assert errors_of_apt(bare) == []
    takes_over(bare, TOOLKIT, KEYRING_LIST)
    for version in ("1.1-1", "1.2-1"):
        install_keyring(bare, version)
        assert not bare.host.file(KEYRING_LIST).exists
        assert f"# {version}" in text_of(bare, KEYRING_LIST + SAVED)
        assert errors_of_apt(bare) == []
        assert "changed=0" in bare.play(TOOLKIT).output
    bare.host.check_output("dpkg --purge cuda-keyring")
    assert errors_of_apt(bare) == []
    assert "changed=0" in bare.play(TOOLKIT).output


def test_cuda_keyring_may_come_later(bare: Node) -> None:
    assert bare.play(TOOLKIT).succeeded()
    install_keyring(bare, "1.1-1")
    assert "Conflicting values set for option Signed-By" in str(errors_of_apt(bare))
    takes_over(bare, TOOLKIT, KEYRING_LIST)


def test_the_list_of_the_container_toolkit_s_guide_is_taken_over(bare: Node) -> None:
    line = f"deb [signed-by={GUIDE_KEY}] {bare.variables['lab_nvidia_container_repository']}/stable/deb/$(ARCH) /\n"
    experimental = f"#{line.replace('stable', 'experimental')}"
    put(bare, GUIDE, (line + experimental).encode())
    assert errors_of_apt(bare) == []
    takes_over(bare, CONTAINERS, GUIDE)
    assert text_of(bare, GUIDE) == experimental
