# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import DEFAULTS
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_specs import (
    channels_of,
    normal,
    parts,
    with_commas,
)
from rattler import MatchSpec

CLOUD = "https://conda.anaconda.org"
MD5 = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("text", "channel", "subdir", "rest"),
    [
        ("numpy", "", "", "numpy"),
        ("numpy >=1,<2 py*", "", "", "numpy >=1,<2 py*"),
        ("numpy[version='>=1, <2']", "", "", "numpy[version='>=1, <2']"),
        ("nvidia::cuda-nvcc", f"{CLOUD}/nvidia", "", "cuda-nvcc"),
        ("nvidia/label/cuda-11.8.0::cuda-toolkit", f"{CLOUD}/nvidia/label/cuda-11.8.0", "", "cuda-toolkit"),
        ("conda-forge/linux-64::numpy=1", f"{CLOUD}/conda-forge", "linux-64", "numpy=1"),
        ("conda-forge/noarch::six", f"{CLOUD}/conda-forge", "noarch", "six"),
        ("defaults::numpy", DEFAULTS[0], "", "numpy"),
        ("https://channel.example/main/::numpy", "https://channel.example/main", "", "numpy"),
        ("pytorch[channel=pytorch]", f"{CLOUD}/pytorch", "", "pytorch"),
        ("pytorch[channel='pytorch', version=2.*]", f"{CLOUD}/pytorch", "", "pytorch[version=2.*]"),
        ("pytorch[version='>=1, <2', channel=pytorch]", f"{CLOUD}/pytorch", "", "pytorch[version='>=1, <2']"),
        (
            "pytorch[build=cuda*,channel=pytorch,version=2.*]",
            f"{CLOUD}/pytorch",
            "",
            "pytorch[build=cuda*,version=2.*]",
        ),
        (
            f"{CLOUD}/conda-forge/noarch/six-1.16.0-pyh6_0.tar.bz2",
            f"{CLOUD}/conda-forge",
            "noarch",
            "six==1.16.0=pyh6_0",
        ),
        (
            f"https://channel.example/main/linux-64/ca-certificates-2024.1-0.conda#{MD5}",
            "https://channel.example/main",
            "linux-64",
            f"ca-certificates==2024.1=0[md5={MD5}]",
        ),
        (
            f"https://channel.example/main/linux-64/zlib-1-0.conda#sha256:{MD5 * 2}",
            "https://channel.example/main",
            "linux-64",
            f"zlib==1=0[sha256={MD5 * 2}]",
        ),
    ],
)
def test_parts_of_a_specification(text: str, channel: str, subdir: str, rest: str) -> None:
    found = parts(text)
    assert (found.channel, found.subdir, found.rest) == (channel, subdir, rest)
    MatchSpec(found.text)
    assert parts(found.text) == found


def test_the_channels_that_specifications_name() -> None:
    texts = ["numpy", "nvidia::cuda-nvcc", "pytorch[channel=pytorch]", f"{CLOUD}/nvidia::cuda-cudart"]
    assert channels_of(texts) == (f"{CLOUD}/nvidia", f"{CLOUD}/pytorch")


@pytest.mark.parametrize(
    "text",
    [
        "https://me:secret@channel.example/main::numpy",
        "https://channel.example/api/t/secret/main::numpy",
        "numpy[channel='https://channel.example/api/t/secret/main']",
        "https://channel.example/t/secret/main/linux-64/numpy-1-0.conda",
        "numpy[url='https://channel.example/t/secret/main/linux-64/numpy-1-0.conda']",
        "numpy[version=1, url=https://channel.example/main/linux-64/numpy-1-0.conda?token=secret]",
    ],
)
def test_credentials_are_refused_wherever_they_stand(text: str) -> None:
    with pytest.raises(EvenkeelError, match="is written with credentials") as error:
        parts(text)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "spellings",
    [
        ("numpy>=1", "numpy >=1", "numpy >= 1", "NumPy  >=1"),
        ("numpy>=1,<2", "numpy >=1, <2"),
        ("numpy>=1|<0.5", "numpy >=1 | <0.5"),
        ("python=3.11", "python =3.11", "Python = 3.11"),
        ("blas=1.0=mkl", "blas = 1.0= mkl"),
        ("numpy>=1,<2 py3*", "numpy >=1 , <2  py3*"),
        ("idna>=3.0,<4", "idna[version='>=3.0,<4']", 'idna[version=">=3.0, <4"]'),
        ("python=3.11", "python=3.11.*", "python 3.11.*", "python[version=3.11.*]", "python[version='=3.11']"),
        ("python 3.11", "python[version=3.11]"),
        ("python=3.11,!=3.11.4", "python 3.11.*,!=3.11.4"),
        (f"{CLOUD}/nvidia::cuda-nvcc>=12", "nvidia::cuda-nvcc >=12", "cuda-nvcc >=12[channel=nvidia]"),
    ],
)
def test_specifications_that_mean_the_same_have_one_spelling(spellings: tuple[str, ...]) -> None:
    assert {normal(spelling) for spelling in spellings} == {spellings[0]}
    assert len({str(MatchSpec(parts(spelling).text)) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    "spellings",
    [
        ("idna>=3.0,<4", "idna<4,>=3.0", "idna < 4, >= 3.0", "idna[version='<4,>=3.0']"),
        ("numpy>=1,<2,!=1.5", "numpy !=1.5,<2,>=1", "numpy>=1,!=1.5,<2,>=1"),
        ("numpy>=1,<2 py3*", "numpy <2,>=1 py3*"),
        ("numpy>=1,!=1.5.*", "numpy!=1.5.*,>=1"),
    ],
)
def test_the_order_of_conditions_does_not_count(spellings: tuple[str, ...]) -> None:
    assert {normal(spelling) for spelling in spellings} == {spellings[0]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("python=3.11=a", "python 3.11.* a"),
        ("python=3.11=a", "python=3.11.*=a"),
        ("python=3.1", "python=3.11"),
        ("python=3.11", "python[version=3.11]"),
        ("numpy>=1,<2|>=3", "numpy>=3|<2,>=1 py*"),
        ("numpy[version='>=1',build=a]", "numpy[version='>=1']"),
        ("numpy!=1.5.*", "numpy=1.5"),
        ("python 3.11", "python=3.11"),
        ("numpy=1 py3_0", "numpy=1py3_0"),
        ("a::numpy", "numpy"),
        ("a>1", "a>=1"),
        ("b=1=c", "b=1 =c"),
    ],
)
def test_specifications_that_mean_something_else_do_not(one: str, other: str) -> None:
    assert normal(one) != normal(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numpy>=1.0 <2", "numpy>=1.0,<2"),
        ("numpy >= 1.0 < 2", "numpy >= 1.0,< 2"),
        ("a::numpy >=1 !=1.5 <2 py*", "a::numpy >=1,!=1.5,<2 py*"),
        ("numpy 1.0 build", "numpy 1.0 build"),
        ("numpy >=1,<2 py3*", "numpy >=1,<2 py3*"),
        ("a::numpy >=1", "a::numpy >=1"),
        ("b=1 =c", "b=1 =c"),
        ("numpy[version='>=1 <2']", "numpy[version='>=1 <2']"),
    ],
)
def test_commas_that_are_missing(text: str, expected: str) -> None:
    assert with_commas(text) == expected
