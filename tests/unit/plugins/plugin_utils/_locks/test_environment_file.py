# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import locking
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile, read
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import DEFAULTS, Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import resolve

WHOLE = """\
name: ai-dev
prefix: /home/me/envs/ai-dev
channels: [conda-forge, nodefaults]
dependencies:
  - python=3.11
  - numpy  # numbers
  - python=3.11
  - pip:
      - humanize >= 4
      - humanize>=4
variables:
  OMP_NUM_THREADS: "8"
"""
ENVIRONMENTS = sorted((Path(__file__).parents[5] / "environments").glob("*/environment.yml"))


def written(directory: Path, text: str) -> Path:
    path = directory / "environment.yml"
    path.write_text(text)
    return path


def test_all_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, WHOLE)
    assert read(path) == EnvironmentFile(
        path=path,
        channels=("https://conda.anaconda.org/conda-forge",),
        packages=("python=3.11", "numpy"),
        pip=("humanize>=4",),
        variables={"OMP_NUM_THREADS": "8"},
    )


def test_little_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, "channels: [defaults]\ndependencies: [python]\n")
    assert read(path) == EnvironmentFile(path, DEFAULTS, ("python",))


def test_the_request_does_not_depend_on_the_order_of_packages(tmp_path: Path) -> None:
    one = read(written(tmp_path, "channels: [b, a]\ndependencies: [z, y, pip: [d, c]]\n")).request
    other = read(written(tmp_path, "channels: [b, a]\ndependencies: [pip: [c, d], y, z]\n")).request
    assert one == other
    assert [url.rpartition("/")[2] for url in one["channels"]] == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{path} does not hold keys and values"),
        ("- python\n", "{path} does not hold keys and values"),
        ("dependencies: [python\n", "{path}, line 2: "),
        ("a: 1\nb: c: d\n", "{path}, line 2: mapping values are not allowed"),
        (
            "channels: [a]\ndependencies: [b]\nchannels: [c]\n",
            "{path}, line 3: the mapping has the key 'channels' twice",
        ),
        (
            "channel: [a]\nchannels: [a]\ndependencies: [b]\n",
            "{path}: the key 'channel' is unknown. Leave it out, since conda ignores it. Known: name, channels,",
        ),
        ("name: [a]\nchannels: [a]\ndependencies: [b]\n", "{path}: name is ['a'], which is not text"),
        ("channels: conda-forge\ndependencies: [b]\n", "{path}: channels is 'conda-forge', which is not a list"),
        ("channels: [1.5]\ndependencies: [b]\n", "{path}: channels holds 1.5, which is not text"),
        ("channels:\ndependencies: [b]\n", "{path}: channels names no channel; conda would ask"),
        ("channels: [a]\n", "{path}: dependencies names no package of conda"),
        ("channels: [a]\ndependencies: python\n", "{path}: dependencies is 'python', which is not a list"),
        ("channels: [a]\ndependencies: [3.11]\n", "{path}: dependencies holds 3.11, which is not text"),
        ("channels: [a]\ndependencies: ['']\n", "{path}: dependencies holds '', which is not text"),
        ("channels: [a]\ndependencies: [npm: [b]]\n", "{path}: dependencies holds {{'npm': ['b']}}"),
        ("channels: [a]\ndependencies: [b, pip: [c], pip: [d]]\n", "{path}: dependencies has 2 sections pip"),
        ("channels: [a]\ndependencies: [b, pip: c]\n", "{path}: dependencies.pip is 'c', which is not a list"),
        (
            "channels: [a]\ndependencies: [b, pip: ['-e .']]\n",
            "{path}: dependencies.pip: '.' is an editable project",
        ),
        (
            "channels: [a]\ndependencies: [b, pip: [c]]\nvariables: [d]\n",
            "{path}: variables is ['d'], which is not keys",
        ),
        ("channels: [a]\ndependencies: [b]\nvariables: {c: 1.5}\n", "{path}: variables.c is 1.5, which is not text"),
        ("channels: [a]\ndependencies: [b]\nvariables: {c: yes}\n", "{path}: variables.c is True, which is not text"),
        (
            "channels: [a]\ndependencies: [b]\nvariables: {1: d}\n",
            "{path}: variables holds 1, which is not the name of",
        ),
        *(
            (
                f"channels: [a]\ndependencies: [b]\nvariables: {{{name}: d}}\n",
                f"{{path}}: variables holds {yaml.safe_load(name)!r}, which is not the name of",
            )
            for name in ('"X;touch /tmp/p;Y"', '"A\\0"', "''", "A=B", "A-B", '"A\\n"', "'1A'", "Ä")
        ),
        (
            'channels: [a]\ndependencies: [b]\nvariables: {c: "a\\0b"}\n',
            "{path}: variables.c is 'a\\x00b', which is not text without NUL",
        ),
        ("channels: [nodefaults]\ndependencies: [b]\n", "{path}: channels names no channel"),
        ("dependencies: [b]\n", "{path}: channels names no channel"),
    ],
)
def test_mistakes_are_told_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(EvenkeelError) as error:
        read(path)
    assert str(error.value).startswith(message.format(path=path))


def test_channels_as_text_are_to_be_a_list(tmp_path: Path) -> None:
    text = refused(written(tmp_path, "channels: conda-forge, defaults\ndependencies: [b]\n"))
    assert "which is not a list. Write it as a list: `- conda-forge`, `- defaults`" in text


def test_a_key_of_condarc_is_to_be_left_out(tmp_path: Path) -> None:
    text = refused(written(tmp_path, "channel_priority: strict\nchannels: [a]\ndependencies: [b]\n"))
    assert "the key 'channel_priority' is unknown. Leave it out, since conda ignores it" in text


def test_a_platform_that_nobody_knows_is_told(tmp_path: Path) -> None:
    text = refused(written(tmp_path, "channels: [a]\ndependencies: [b]\nplatforms: [linux-64, linux-arm64, win-64]\n"))
    assert "platforms names linux-arm64, which is no platform of conda. Those of nodes are linux-64" in text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pyproject.toml", "[project]\nname = 'a'\n", "is TOML, not YAML"),
        ("Pipfile", "[packages]\na = '*'\n", "is TOML, not YAML"),
        (
            "requirements.txt",
            "numpy>=1\n# more\n-r a.txt\n",
            "If it is pip's, write an environment.yml with `- -r requirements.txt` below pip",
        ),
    ],
)
def test_files_of_other_programs(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    assert message in refused(tmp_path / name)


def test_a_build_behind_a_space_is_no_mistake(tmp_path: Path) -> None:
    assert read(written(tmp_path, "channels: [a]\ndependencies: [numpy 1.0 py*]\n")).packages == ("numpy 1.0 py*",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "channels: [a]\ndependencies: [b]\npip: [c]\n",
            "the key 'pip' is unknown. Write it as an entry of dependencies: `- pip:`",
        ),
        ("{% if gpu %}\ndependencies: []\n", "is a template, not an environment. Render it"),
        ("python: 3.8\nbuild_dependencies: [pip]\ndependencies: [-r r.txt]\n", "is MLflow's .* Name the conda.yaml"),
    ],
)
def test_what_others_write_beside_environments(tmp_path: Path, text: str, message: str) -> None:
    assert re.search(message, refused(written(tmp_path, text)))


def test_a_lock_is_no_environment(tmp_path: Path) -> None:
    path = written(tmp_path, "version: 1\nmetadata: {platforms: [linux-64]}\npackage: []\n")
    assert refused(path) == f"{path} is a lock, not an environment. Name the environment.yml that it was made from."


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match="could not be read: No such file"):
        read(tmp_path / "environment.yml")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_bytes(b"name: \xff\n")
    with pytest.raises(EvenkeelError, match="is not text in UTF-8"):
        read(tmp_path / "environment.yml")


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=[path.parent.name for path in ENVIRONMENTS])
def test_the_environments_of_the_repository_are_sound(path: Path) -> None:
    environment = read(path)
    assert {"ipykernel", "jupyterlab"} & set(environment.packages)
    assert any(package.startswith("python=") for package in environment.packages)


def refused(path: Path) -> str:
    with pytest.raises(EvenkeelError) as error:
        read(path)
    return str(error.value)


def test_all_mistakes_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
channel: [conda-forge]
dependencies:
  - python=3.11
  - numpy =>1
  - cudatoolkit=11.3 -c pytorch
  - vs2015_runtime=14.27=h5e58377_2
  - pip:
      - -e .
      - tool @ git+https://git.example/tool@main
      - --extra-index-url https://me:secret-one@wheels.example
variables: {A: 1.5}
platforms: [osx-arm64]
""",
    )
    message = refused(path)
    lines = message.splitlines()
    assert lines[0] == f"{path} has 10 mistakes:"
    for number, words in enumerate(
        [
            "- the key 'channel' is unknown. Leave it out, since conda ignores it. Known: name, channels,",
            "- channels names no channel",
            "- dependencies: 'numpy =>1' is not a package specification",
            "- dependencies holds 'cudatoolkit=11.3 -c pytorch', with an option of the command conda. Name the channel "
            "before the package: pytorch::cudatoolkit=11.3.",
            "- dependencies.pip: '.' is an editable project",
            "- dependencies.pip: 'tool @ git+https://git.example/tool@main' names 'main'",
            "- dependencies.pip: --extra-index-url is written with credentials",
            "- variables.A is 1.5",
            "- platforms names osx-arm64, and no node is one of them. Add those of the nodes: linux-64",
            "- dependencies holds vs2015_runtime, which only Windows has",
        ],
        1,
    ):
        assert lines[number].startswith(words)
    assert "secret-one" not in message


def test_one_mistake_does_not_make_another(tmp_path: Path) -> None:
    text = "channels: [1]\ndependencies: [2, pip: ['-e .', -r missing.txt, 3]]\nvariables: {A: [], 5: b}\n"
    assert f"{written(tmp_path, text)} has 7 mistakes:" in refused(tmp_path / "environment.yml")


# keys of conda-lock, and what people write that conda takes


def test_keys_of_conda_lock(tmp_path: Path) -> None:
    text = """\
channels: [conda-forge]
platforms: [linux-64, osx-arm64]
category: dev
pip-repositories: [https://wheels.example/simple]
dependencies: [python=3.11, pip: [--index-url https://index.example, a]]
"""
    found = read(written(tmp_path, text))
    assert found.platforms == ("linux-64", "osx-arm64")
    assert found.indexes == ("https://index.example", "https://wheels.example/simple")
    assert found.request["indexes"] == ["https://index.example", "https://wheels.example/simple"]


def test_credentials_of_a_repository_are_refused(tmp_path: Path) -> None:
    text = "channels: [a]\ndependencies: [b]\npip-repositories: ['https://me:secret-one@wheels.example']\n"
    message = refused(written(tmp_path, text))
    assert "pip-repositories is written with credentials" in message
    assert "~/.netrc" in message
    assert "secret-one" not in message


@pytest.mark.parametrize(
    ("text", "packages", "pip"),
    [
        ("name:\nchannels: [a]\ndependencies: [b, pip: ]\n", ("b",), ()),
        ("name: 3\nchannels: [a]\nvariables:\ndependencies: [b, pip: []]\n", ("b",), ()),
        ("channels: [a]\ndependencies: [pip: [c]]\n", ("pip",), ("c",)),
        ("x-more: &more [b, c]\n", None, None),
        ("channels: &channels [a]\ndependencies:\n  - &python python=3.11\n  - *python\n", ("python=3.11",), ()),
        ("\ufeffchannels: [a]\r\ndependencies:\r\n  - b\r\n  - pip:\r\n    - c\r\n", ("b",), ("c",)),
    ],
)
def test_as_people_write(tmp_path: Path, text: str, packages: tuple[str, ...] | None, pip: tuple[str, ...]) -> None:
    path = written(tmp_path, text)
    if packages is None:
        assert "the key 'x-more' is unknown" in refused(path)
    else:
        assert (read(path).packages, read(path).pip) == (packages, pip)


def test_variables_are_text_as_conda_exports_them(tmp_path: Path) -> None:
    text = "channels: [a]\ndependencies: [b]\nvariables: {OMP_NUM_THREADS: 8, HOME_OF: /opt}\n"
    assert read(written(tmp_path, text)).variables == {"OMP_NUM_THREADS": "8", "HOME_OF": "/opt"}


@pytest.mark.parametrize("written_as", ["12:30", "0777", "0022", "010", "1_000", "0x1F", "+5"])
def test_a_number_that_yaml_reads_as_another_is_refused(tmp_path: Path, written_as: str) -> None:
    text = f"channels: [a]\ndependencies: [b]\nvariables:\n  A: {written_as}\n"
    assert refused(written(tmp_path, text)) == (
        f"{tmp_path}/environment.yml, line 4: YAML takes {written_as} for the number "
        f"{yaml.safe_load(written_as)}. Write it in quotes: '{written_as}'."
    )
    assert read(written(tmp_path, text.replace(written_as, f"'{written_as}'"))).variables == {"A": written_as}


@pytest.mark.parametrize(
    ("dependencies", "message"),
    [
        ("[b, Pip: [c]]", "dependencies holds {'Pip': ['c']}. Write the key as pip, in lower case"),
        (
            "[b, pip: -r requirements.txt]",
            "dependencies.pip is '-r requirements.txt', which is not a list. Write each line as `- LINE`",
        ),
        ("[b, pip: [c], pip: [d]]", "dependencies has 2 sections pip, of which conda keeps only the last. Join them"),
        ("[b, 'sel(linx)': c]", "dependencies holds sel(linx), which names no platform. Known: aarch64, arm64"),
        ("[b --channel=pytorch]", "Name the channel before the package: pytorch::b"),
        (
            "[-r requirements.txt]",
            "dependencies holds '-r requirements.txt', which is an option of pip. Write it below the",
        ),
        (
            "[-c nvidia cuda-toolkit]",
            "with an option of the command conda. Name the channel before the package: nvidia::cuda-toolkit",
        ),
        (
            "['numpy>=1.20; python_version>=\"3.9\"']",
            "with a condition, which conda does not take. Write numpy>=1.20, or put it below",
        ),
        ("[[a, b]]", "dependencies holds ['a', 'b'], which is not text. Write each on a line of its own: `- a`, `- b`"),
        (
            "[b, pip: [idna: 3.4]]",
            "dependencies.pip holds {'idna': 3.4}, which is not text. Write it as text: `- idna==VERSION`",
        ),
        ("[b, null]", "dependencies holds empty, which is not text. Write what it is to name, or leave the line out"),
        (
            "['python:3.8']",
            "dependencies holds 'python:3.8', which conda does not understand. Write it like conda does: ",
        ),
        *(
            (f"['{text}']", f"holds '{text}', which pip understands and conda does not. Write it below the key pip")
            for text in ("tool @ git+https://git.example/x", "git+https://git.example/x.git", "https://h/a-1-any.whl")
        ),
        *(
            (f"['{text}']", f"holds '{text}', which is a path on one machine. Put the package into a channel")
            for text in ("./a-1-0.conda", "/srv/a-1-0.tar.bz2", "~/a-1-0.conda")
        ),
        ("['cudf={{ version }}']", "with a variable of a template. Write its value"),
        (
            "['https://me:secret@c.example/x::b']",
            "environment.yml: dependencies: https://********@c.example/x::b is written with",
        ),
        ("[python: 3.11]", "dependencies holds {'python': 3.11}. Write it as text: `- python=3.11`"),
        ("[python: 3.10]", "Write it as text: `- python=VERSION`"),
        ("[numpy: '>=1']", "Write it as text: `- numpy>=1`"),
        ("python", "dependencies is 'python', which is not a list. Write it as a list: `- python`"),
        ("{python: 3.11, numpy: , pip: [a]}", "Write it as a list: `- python=3.11`, `- numpy`, `- pip:`"),
        ("['napari[pyqt5]']", "with extras, which are pip's. Write napari, or put it below the key pip"),
        ("['napari[pyqt5,all]>=1']", "Write napari>=1, or put it below the key pip"),
        ("['numpy>=1.0 <2']", "takes the end for a build. Write a comma: numpy>=1.0,<2"),
        ("[b --freeze]", "with an option of the command conda. Write b."),
    ],
)
def test_dependencies_that_conda_does_not_take(tmp_path: Path, dependencies: str, message: str) -> None:
    assert message in refused(written(tmp_path, f"channels: [a]\ndependencies: {dependencies}\n"))


# channels


CLOUD = "https://conda.anaconda.org"


@pytest.mark.parametrize(
    ("channels", "package", "expected"),
    [
        ("[conda-forge]", "nvidia::cuda-nvcc", ["conda-forge", "nvidia"]),
        ("[conda-forge, pytorch]", "pytorch[channel=pytorch]", ["conda-forge", "pytorch"]),
        ("[conda-forge]", "pytorch[channel=pytorch, version=2.*]", ["conda-forge", "pytorch"]),
        ("[conda-forge]", f"{CLOUD}/bioconda/noarch/six-1.16.0-py_0.tar.bz2", ["conda-forge", "bioconda"]),
        ("[pytorch, nvidia, conda-forge]", "b", ["pytorch", "nvidia", "conda-forge"]),
        ("[pytorch, nvidia, nodefaults]", "b", ["pytorch", "nvidia"]),
    ],
)
def test_the_channel_of_a_package_is_asked_last_as_conda_does(
    tmp_path: Path, channels: str, package: str, expected: list[str]
) -> None:
    found = read(written(tmp_path, f"channels: {channels}\ndependencies: [python, '{package}']\n"))
    assert found.channels == tuple(f"{CLOUD}/{name}" for name in expected)
    assert package in found.packages


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ("[pytorch, nvidia]", "channels names only pytorch, nvidia, which has some packages and no Python"),
        ("[nvidia/label/cuda-12.1.0]", "channels names only nvidia/label/cuda-12.1.0, which has some"),
        ("[]", "channels names no channel; conda would ask those that it is configured with"),
    ],
)
def test_what_conda_would_have_added_must_be_written(tmp_path: Path, channels: str, message: str) -> None:
    text = refused(written(tmp_path, f"channels: {channels}\ndependencies: [python>=3.8, pytorch=1.9.1]\n"))
    assert message in text
    assert "`- defaults`, as Miniconda is configured, or `- conda-forge`, as Miniforge is" in text


def test_a_channel_with_credentials_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "channels: ['https://me:secret@c.example/x']\ndependencies: [b]\n")
    assert refused(path).startswith(f"{path}: channels: https://********@c.example/x is written with credentials")


def test_all_channels_that_cannot_be_taken_are_named(tmp_path: Path) -> None:
    text = refused(written(tmp_path, "channels: ['https://me:secret@c.example', /srv/x, $X, a b]\ndependencies: [b]\n"))
    assert "has 4 mistakes" in text
    assert "secret" not in text


def test_a_channel_with_a_variable_is_refused(tmp_path: Path) -> None:
    text = refused(written(tmp_path, "channels: ['https://c.example/$NAME']\ndependencies: [b]\n"))
    assert "whose variable other machines may have otherwise" in text


# platforms


SELECTED = """\
channels:
  - conda-forge
  - nvidia  # [linux64]
dependencies:
  - python=3.11
  - cuda-nvcc  # [linux64]
  - openblas  # [aarch64]
  - pywin32  # [win]
  - sel(osx): appnope
  - sel(linux): gcc
  - pip:
      - a
      - b  # [linux64]
"""


def test_selectors_are_resolved_for_a_platform(tmp_path: Path) -> None:
    found = read(written(tmp_path, SELECTED))
    x86, arm = found.on("linux-64"), found.on("linux-aarch64")
    assert (x86.packages, x86.pip) == (("python=3.11", "cuda-nvcc", "gcc"), ("a", "b"))
    assert (arm.packages, arm.pip) == (("python=3.11", "openblas", "gcc"), ("a",))
    assert [len(one.channels) for one in (x86, arm)] == [2, 1]
    assert x86.path == arm.path == found.path
    assert x86.request != arm.request
    assert {"pywin32", "appnope", "gcc"} < set(found.packages)


def test_without_selectors_every_platform_is_asked_the_same(tmp_path: Path) -> None:
    found = read(written(tmp_path, WHOLE))
    assert found.on("linux-64") == found.on("linux-aarch64") == found


def test_a_package_of_windows_alone_needs_its_selector(tmp_path: Path) -> None:
    assert "pywin32, which only Windows has" in refused(written(tmp_path, SELECTED.replace("  # [win]", "")))


# inputs of public repositories, shortened


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_commit_over_ssh(tmp_path: Path) -> None:
    requirement = f"tool @ git+ssh://git@git.example/team/tool.git@{COMMIT}"
    text = f"channels: [conda-forge]\ndependencies:\n  - python=3.10\n  - pip:\n      - {requirement}\n"
    assert read(written(tmp_path, text)).pip == (requirement,)


def test_a_commit_in_the_spelling_of_pip(tmp_path: Path) -> None:
    url = f"git+https://git.example/team/tool.git@{COMMIT}"
    text = f"channels: [conda-forge]\ndependencies:\n  - python=3.10\n  - pip:\n      - {url}#egg=tool\n"
    assert read(written(tmp_path, text)).pip == (f"tool @ {url}",)


def test_an_index_beside_the_usual_one(tmp_path: Path) -> None:
    text = """\
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip:
      - --extra-index-url https://wheels.example/whl/cu121
      - torch==2.4.0+cu121
"""
    found = read(written(tmp_path, text))
    assert (found.pip, found.indexes) == (("torch==2.4.0+cu121",), ("https://wheels.example/whl/cu121",))


def test_a_file_of_requirements(tmp_path: Path) -> None:
    text = """\
channels: [conda-forge]
dependencies:
  - python=3.10
  - pip:
      - -r requirements.txt
"""
    path = written(tmp_path, text)
    assert "'requirements.txt' is not there" in refused(path)
    (tmp_path / "requirements.txt").write_text("a>=1\n-c limits.txt\n-f https://wheels.example/links.html\n")
    (tmp_path / "limits.txt").write_text("b==2\n")
    found = read(path)
    assert (found.pip, found.constraints) == (("a>=1",), ("b==2",))
    assert found.find_links == ("https://wheels.example/links.html",)
    assert [file.name for file in found.included] == ["requirements.txt", "limits.txt"]


def test_conda_and_pip_may_ask_for_one_package(tmp_path: Path) -> None:
    text = "channels: [conda-forge]\ndependencies: [python=3.10, numpy=1.26.4, pip: [numpy==1.24.0]]\n"
    found = read(written(tmp_path, text))
    assert (found.packages, found.pip) == (("python=3.10", "numpy=1.26.4"), ("numpy==1.24.0",))


def test_a_file_as_people_write_it_is_solved(
    make_channel: Callable[..., str], make_wheel: Callable[..., Path], tmp_path: Path
) -> None:
    main = make_channel([("python", "3.11.2", "linux-64", ()), ("pip", "26.3", "noarch", ("python >=3.9",))])
    extra = make_channel([("gcc", "12.0", "linux-64", ()), ("gcc", "13.0", "linux-64", ())])
    links = tmp_path / "wheels"
    wheel = make_wheel(links, "tool", "1.0", ["lib"])
    for version in ("1.0", "2.0"):
        make_wheel(links, "lib", version)
    (tmp_path / "simple").mkdir()
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "requirements.txt").write_bytes(
        f"--find-links {links.as_uri()}\r\nTool == 1.0 \\\r\n    --hash=sha256:{sha256}\r\n-c limits.txt\r\n".encode(
            "utf-16"
        )
    )
    (tmp_path / "limits.txt").write_text("lib<2  # newer ones fail\n")
    text = f"""\
name: as-people-write
channels: ['{main}', nodefaults]
category: main
platforms: [linux-64, win-64]
dependencies:
  - Python =3.11
  - gcc[channel={extra}, version='<13']  # [linux]
  - pywin32  # [win]
  - sel(osx): appnope
  - pip:
      - -r requirements.txt
      - other; sys_platform == 'win32'
"""
    environment = read(written(tmp_path, text))
    index = (tmp_path / "simple").as_uri()
    (problem,) = locking.problems(environment, {"linux-64": {"__glibc": "2.36"}}, Mirrors(), index, None, None)
    found = {package.name: package.version for package in resolve(problem)}
    assert found == {"gcc": "12.0", "lib": "1.0", "pip": "26.3", "python": "3.11.2", "tool": "1.0"}


def test_a_date_is_shown_as_it_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text("channels: [conda-forge]\ndependencies: [python]\nvariables:\n  RELEASED: 2024-01-01\n")
    with pytest.raises(EvenkeelError) as error:
        read(path)
    assert error.value.what == f"{path}: variables.RELEASED is 2024-01-01, which is not text"
    assert error.value.remedy == "YAML takes it for a date; write it in quotes: '2024-01-01'"
