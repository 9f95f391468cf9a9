# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_requirements import (
    COMMIT_URL,
    normal,
    parse,
    require_hashes,
    source,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HTTPS = f"git+https://git.example/team/tool.git@{COMMIT}"
WHEEL = "https://files.example/tool_of_mine-1.0%2Bcu121-cp310-cp310-linux_x86_64.whl"
ARCHIVE = "https://files.example/tool_of_mine-1.0.tar.gz"
DIGEST = "0123456789abcdef" * 4
SSH = f"git+ssh://git@git.example/team/tool.git@{COMMIT}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("humanize", "humanize"),
        ("humanize >= 4, <5", "humanize<5,>=4"),
        ("torch==2.4.0+cu121", "torch==2.4.0+cu121"),
        ("requests[socks]", "requests[socks]"),
        ("jupyter-server[test]>=2; python_version >= '3.10'", 'jupyter-server[test]>=2; python_version >= "3.10"'),
        (f"tool @ {HTTPS}", f"tool @ {HTTPS}"),
        (f"tool@{HTTPS}", f"tool @ {HTTPS}"),
        (f"tool @ {HTTPS}#subdirectory=python", f"tool @ {HTTPS}#subdirectory=python"),
        (f"tool @ {HTTPS}#egg=tool&subdirectory=python", f"tool @ {HTTPS}#subdirectory=python"),
        (f"tool @ {SSH}", f"tool @ {SSH}"),
        (f"tool @ {SSH.replace('git.example', 'git.example:2222')}",) * 2,
        # pip's own spelling
        (f"{HTTPS}#egg=tool", f"tool @ {HTTPS}"),
        (f"{HTTPS}#egg=tool[fast]", f"tool[fast] @ {HTTPS}"),
        (f"{HTTPS}#subdirectory=python&egg=tool", f"tool @ {HTTPS}#subdirectory=python"),
        (f"{SSH}#egg=tool", f"tool @ {SSH}"),
        (HTTPS, f"tool @ {HTTPS}"),
        (SSH, f"tool @ {SSH}"),
        (
            f"git+https://git.example/Team/Some_Tool@{COMMIT}#subdirectory=python",
            f"some-tool @ git+https://git.example/Team/Some_Tool@{COMMIT}#subdirectory=python",
        ),
        (f"tool @ git+https://git.example/t/tool@{COMMIT}",) * 2,
        # files beside an index
        (f"tqdm @ https://h.example/source/t/tqdm/tqdm-4.66.1.tar.gz#sha256={DIGEST}",) * 2,
        (f"tool @ {WHEEL}", f"tool @ {WHEEL}"),
        (f"{WHEEL}#sha256={DIGEST}", f"tool-of-mine @ {WHEEL}#sha256={DIGEST}"),
        (f"tool@{WHEEL}", f"tool @ {WHEEL}"),
        (WHEEL, f"tool-of-mine @ {WHEEL}"),
        (f"{WHEEL}; sys_platform == 'linux'", f'tool-of-mine @ {WHEEL} ; sys_platform == "linux"'),
        (f"{HTTPS} ;python_version > '3'", f'tool @ {HTTPS} ; python_version > "3"'),
        (f"tool @ {WHEEL}#md5=00", f"tool @ {WHEEL}"),
        (f"tool @ {ARCHIVE}#sha256={DIGEST}", f"tool @ {ARCHIVE}#sha256={DIGEST}"),
        (f"{ARCHIVE}#sha256={DIGEST}&egg=tool", f"tool @ {ARCHIVE}#sha256={DIGEST}"),
        (f"{ARCHIVE}#sha256={DIGEST.upper()}", f"tool-of-mine @ {ARCHIVE}#sha256={DIGEST}"),
    ],
)
def test_what_means_the_same_everywhere_is_taken(text: str, expected: str) -> None:
    found = parse(text, "environment.yml")
    assert str(found) == expected
    assert (
        found.url is None
        or COMMIT_URL.fullmatch(found.url)
        or found.url.startswith(("https://files.example/", "https://h.example/"))
    )
    assert str(parse(expected, "environment.yml")) == expected


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (".", "is a path on one machine", "Publish it"),
        (".[dev]", "is a path on one machine", "Publish it"),
        ("./tool", "is a path on one machine", "Publish it"),
        ("submodules/simple-knn", "is a path on one machine", "Publish it"),
        ("../tool", "is a path on one machine", "Publish it"),
        ("wheels/tool-1.0-py3-none-any.whl", "is a path on one machine", "Publish it"),
        ("tool @ file:///home/me/tool-1.0-py3-none-any.whl", "is a path on one machine", "Publish it"),
        ("file:///home/me/tool", "is a path on one machine", "Publish it"),
        ("tool@file:///home/me/tool", "is a path on one machine", "Publish it"),
        ("six @ file:///home/conda/feedstock_root/six", "is a path on one machine", "`pip list --format=freeze`"),
        ("humanize 4", "is not a requirement that every machine understands", "Write it as NAME>=VERSION"),
        ("numpy=1.26", "is not a requirement that every machine understands", "Write it as pip does: numpy==1.26."),
        ("numpy=1.26=py311_0", "is not a requirement that every", "Write it as pip does: numpy==1.26."),
        (f"tool @ {HTTPS[:-41]}", "names no commit", "`git ls-remote https://git.example/team/tool.git`"),
        (f"tool @ {SSH[:-41]}", "names no commit", "`git ls-remote ssh://git@git.example/team/tool.git`"),
        (
            f"tool @ {HTTPS[:-41]}@v1.0",
            "names 'v1.0', which may move",
            "tool @ git+https://git.example/team/tool.git@COMMIT",
        ),
        (f"{HTTPS[:-41]}/", "names no commit", ": tool @ git+https://git.example/team/tool.git@COMMIT"),
        (
            f"{HTTPS[:-41]}@main#egg=tool",
            f"'{HTTPS[:-41]}@main#egg=tool' names 'main', which may move",
            "`git ls-remote https://git.example/team",
        ),
        (f"tool @ {HTTPS[:-28]}", "names a commit by 12 digits", "by its 40 hexadecimal digits"),
        (
            f"tool @ git+ssh://git@git.example:team/tool.git@{COMMIT}",
            "is an address as scp writes it",
            "NAME @ git+ssh://git@git.example/team/tool.git@COMMIT",
        ),
        (
            "git+git@git.example:team/tool.git",
            "is an address as scp writes it",
            "NAME @ git+ssh://git@git.example/team/tool.git@COMMIT",
        ),
        (
            f"tool @ git+http://git.example/tool@{COMMIT}",
            "of the kind git+http",
            "tool @ git+https://HOST/PROJECT@COMMIT",
        ),
        (f"hg+https://git.example/tool@{COMMIT}#egg=tool", "of the kind hg+https", "git+https://HOST/PROJECT@COMMIT"),
        (f"tool @ {ARCHIVE}", "is a source archive without a hash", f"`curl -L {ARCHIVE} | sha256sum`"),
        (f"{ARCHIVE}#md5=00", "is a source archive without a hash", f"NAME @ {ARCHIVE}#sha256=HASH"),
        ("https://git.example/team/tool", "is neither a wheel nor a source archive", "git+https://HOST/PROJECT@COMMIT"),
    ],
)
def test_what_may_differ_is_refused_with_the_way_out(text: str, message: str, remedy: str) -> None:
    with pytest.raises(EvenkeelError) as error:
        parse(text, "environment.yml: dependencies.pip")
    assert str(error.value).startswith("environment.yml: dependencies.pip: ")
    assert message in error.value.what
    assert remedy in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        f"tool @ git+https://me:secret-one@git.example/tool@{COMMIT}",
        f"git+ssh://me:secret-one@git.example/tool@{COMMIT}#egg=tool",
        "tool @ https://me:secret-one@files.example/tool-1.0-py3-none-any.whl",
        "tool @ https://files.example/tool-1.0-py3-none-any.whl?token=secret-one",
        "tool @ https://files.example/tool-1.0-py3-none-any.whl?X-Amz-Date=1&X-Amz-Signature=secret-one#sha256=00",
        f"tool @ git+https://git.example/tool?private_token=secret-one@{COMMIT}",
    ],
)
def test_credentials_are_neither_taken_nor_shown(text: str) -> None:
    with pytest.raises(EvenkeelError, match=r"carries credentials.*keep them in the control node's own") as error:
        parse(text, "environment.yml")
    assert "secret-one" not in str(error.value)


@pytest.mark.parametrize(
    "spellings",
    [
        ("pyyaml>=6", "PyYAML >= 6", "pyyaml>=6"),
        ("jupyter-server[test]", "Jupyter_Server[Test]"),
        (f"tool @ {HTTPS}", f"Tool@{HTTPS}"),
        ('a; sys_platform == "linux"', "a ; sys_platform=='linux'"),
    ],
)
def test_requirements_that_mean_the_same_have_one_spelling(spellings: tuple[str, ...]) -> None:
    assert {normal(spelling) for spelling in spellings} == {spellings[0]}


@pytest.mark.parametrize(
    "url", ["https://wheels.example/whl/cu121", "http://127.0.0.1:8080/simple", "file:///srv/wheels"]
)
def test_sources_that_every_machine_may_reach(url: str) -> None:
    assert source(url, "--index-url", "environment.yml") == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("wheels", "--find-links names 'wheels', which is a path on one machine"),
        ("/srv/wheels", "--find-links names '/srv/wheels', which is a path on one machine"),
        ("https://me:secret-one@wheels.example", "--find-links is written with credentials .* own ~/.netrc"),
        ("https://wheels.example?private_token=secret-one", "--find-links is written with credentials"),
        ("https://wheels.example/$NAME", "--find-links is written with credentials .* own ~/.netrc"),
    ],
)
def test_sources_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^environment.yml: {message}") as error:
        source(url, "--find-links", "environment.yml")
    assert "secret-one" not in str(error.value)


def test_packages_have_the_hashes_that_their_requirements_name() -> None:
    tool = Package("tool-of-mine", "1.0", "", DIGEST, PIP, url=WHEEL)
    other = Package("other", "2.0", "", "1" * 64, PIP, url="https://files.example/other-2.0-py3-none-any.whl")
    require_hashes([tool, other], ())
    require_hashes(
        [tool, other], [f"tool-of-mine sha256:{'2' * 64}", f"tool-of-mine sha256:{DIGEST}", "absent sha256:0"]
    )
    with pytest.raises(EvenkeelError) as error:
        require_hashes([tool, other], [f"tool-of-mine sha256:{DIGEST}", f"other sha256:{'2' * 64}"])
    assert error.value.what == (
        "The requirements name hashes (--hash), and these packages have others: other 2.0 "
        f"(other-2.0-py3-none-any.whl, sha256:{'1' * 64})"
    )


@pytest.mark.parametrize(
    "place", ["ssh://-oProxyCommand=x", "ssh://-x@host", "ssh://git@-oX=y", "ssh://%2doX=y", "https://-x"]
)
def test_a_host_that_is_an_option_is_refused(place: str) -> None:
    url = f"git+{place}/tool@{COMMIT}"
    assert not COMMIT_URL.fullmatch(url)
    with pytest.raises(EvenkeelError):
        parse(f"tool @ {url}", "environment.yml")
