# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import specifications, variable_names
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.variable_names import Names, findings

NAMES = Names(
    {"jupyter_port", "jupyter_settings", "conda_environments_list", "condarc_path", "verify_timeout", "lock_env"},
    {"jupyter_", "conda_environments_", "condarc_", "lock_"},
    {"verify_"},
)


def no_variable(name: str, remedy: str) -> str:
    return f"There is no variable {name}. {remedy}."


def similar(name: str, other: str) -> str:
    remedy = f"Use {other} if you mean that; otherwise add {name} to evenkeel_known_variables."
    return f"{name} looks like {other}, which is another variable. {remedy}"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("jupyter_prot", no_variable("jupyter_prot", "Use jupyter_port instead")),
        ("JUPYTER_PORT", no_variable("JUPYTER_PORT", "Use jupyter_port instead")),
        ("jupyter_qwxyvb", no_variable("jupyter_qwxyvb", "Known are jupyter_port, jupyter_settings")),
        # The prefix has one letter less, another one, one too much, or two that changed places.
        (
            "conda_environment_list",
            no_variable("conda_environment_list", "Use conda_environments_list instead"),
        ),
        ("jupiter_port", no_variable("jupiter_port", "Use jupyter_port instead")),
        ("jupyyter_port", no_variable("jupyyter_port", "Use jupyter_port instead")),
        ("juptyer_port", no_variable("juptyer_port", "Use jupyter_port instead")),
        ("jupyterport", no_variable("jupyterport", "Use jupyter_port instead")),
        # Written as elsewhere.
        ("conda-environments-list", no_variable("conda-environments-list", "Use conda_environments_list instead")),
        ("condaEnvironmentsList", no_variable("condaEnvironmentsList", "Use conda_environments_list instead")),
        ("conda.environment.list", no_variable("conda.environment.list", "Use conda_environments_list instead")),
        ("jupyterPrt", no_variable("jupyterPrt", "Use jupyter_port instead")),
        ("Jupyter_Port", no_variable("Jupyter_Port", "Use jupyter_port instead")),
        ("lockenv", no_variable("lockenv", "Use lock_env instead")),
        ("verifytimeout", no_variable("verifytimeout", "Use verify_timeout instead")),
        # A prefix that others use, too.
        ("verify_timeouts", no_variable("verify_timeouts", "Use verify_timeout instead")),
    ],
)
def test_a_name_that_can_only_be_meant_as_an_input_is_an_error(name: str, error: str) -> None:
    assert findings({"a": {name: 1}}, NAMES) == variable_names.Findings([error], [])


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("jupyterhub_port", "jupyter_port"),
        ("conda_path", "condarc_path"),
        ("clock_env", "lock_env"),
    ],
)
def test_a_name_that_only_looks_like_an_input_is_a_warning(name: str, other: str) -> None:
    assert findings({"a": {name: 1}}, NAMES) == variable_names.Findings([], [similar(name, other)])


@pytest.mark.parametrize(
    "name",
    [
        "jupyter_port",
        "verify_ssl",
        "ansible_jupyter_port",
        "__jupyter_prot",
        "port",
        "docker_users",
        "my_jupyter_port",
        "evenkeel_gpu",
        "conda",
        "verify",
        "docker-users",
        "myJupyterPort",
        "p",
        1,
    ],
)
def test_other_names_are_no_concern(name: Any) -> None:
    assert findings({"a": {name: 1}}, NAMES) == variable_names.Findings()


@pytest.mark.parametrize("allowed", [["jupyter_prot", "jupyterhub_*"], ["*_prot", "jupyterhub_port"]])
def test_names_of_others_are_allowed(allowed: list[str]) -> None:
    assert findings({"a": {"jupyter_prot": 1, "jupyterhub_port": 1}}, NAMES, allowed) == variable_names.Findings()


def test_a_name_is_reported_once_with_the_hosts_that_have_it() -> None:
    every = {name: {"jupyter_prot": 1} for name in "abcd"}
    line = no_variable("jupyter_prot", "Use jupyter_port instead")
    assert findings(every, NAMES).errors == [line]
    assert findings({**every, "z": {}}, NAMES).errors == [f"{line} It is set for a, b, c and 1 more."]
    assert findings({"z": {}, "a": every["a"]}, NAMES).errors == [f"{line} It is set for a."]


def test_errors_can_be_warnings() -> None:
    found = findings({"a": {"jupyter_prot": 1, "jupyterhub_port": 1}}, NAMES)
    assert found.loosened() == variable_names.Findings([], [*found.errors, *found.warnings])


HOLDS = "{} holds jupyter_port, which is a variable of its own. Set it beside {}, not inside."
INSIDE = "{} is set inside {}, where no role reads it. Set jupyter_port outside of {}."


@pytest.mark.parametrize(
    ("name", "value", "errors", "warnings"),
    [
        ("jupyter_settings", {"ServerApp": {"jupyter_port": 1}}, [HOLDS.format(*["jupyter_settings"] * 2)], []),
        ("conda_environments_list", [{"jupyter_port": 1}], [HOLDS.format(*["conda_environments_list"] * 2)], []),
        ("gpu_nodes", {"vars": {"jupyter_port": 1}}, [], [INSIDE.format("jupyter_port", *["gpu_nodes"] * 2)]),
        ("jupyter", {"port": 1}, [], [INSIDE.format("port", *["jupyter"] * 2)]),
        ("hostvars", {"a": {"jupyter_port": 1}}, [], []),
        ("ansible_facts", {"jupyter_port": 1}, [], []),
        ("jupyter_settings", {"ServerApp": {"port": 1}}, [], []),
        ("mine", {1: [2]}, [], []),
    ],
)
def test_a_variable_inside_another_is_reported(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
    hosts = {"a": {name: value}, "b": {name: value}}
    assert findings(hosts, NAMES) == variable_names.Findings(errors, warnings)


@pytest.mark.parametrize(
    ("role", "value", "remedy"),
    [
        ("conda_environments", [{"name": "ai-dev"}], "Use conda_environments_list instead"),
        ("cuda_toolkit", ["12.8"], "Use cuda_toolkit_versions instead"),
        ("remote_access", ["ana"], "Use remote_access_users instead"),
        # Several may be meant, or none is.
        ("conda_environments", ["ai-dev"], "The README of the role conda_environments lists its variables"),
        ("conda_environments", {"ai-dev": {}}, "The README of the role conda_environments lists its variables"),
        ("nvidia_driver", "580", "The README of the role nvidia_driver lists its variables"),
        ("nvidia_driver", 580, "The README of the role nvidia_driver lists its variables"),
        ("jupyter", True, "The README of the role jupyter lists its variables"),
        ("jupyter", {"prot": 1}, "The README of the role jupyter lists its variables"),
    ],
)
def test_a_value_under_the_name_of_a_role_is_reported(role: str, value: Any, remedy: str) -> None:
    hosts = {"a": {role: value}, "b": {role: value}}
    line = f"{role} is the name of a role, not of a variable. {remedy}."
    assert findings(hosts, variable_names.names_of_playbook("site")) == variable_names.Findings([], [line])


def test_an_empty_key_or_the_name_of_another_role_is_no_concern() -> None:
    alone = variable_names.names_of_role(specifications.COLLECTION / "roles" / "jupyter")
    assert findings({"a": {"jupyter": None, "mirror": "https://mirror.example.org"}}, alone) == (
        variable_names.Findings()
    )


def test_the_values_of_others_may_look_like_inputs() -> None:
    assert findings({"a": {"jupyter": {"port": 1}}}, NAMES, ["jupyter"]) == variable_names.Findings()


def test_a_variable_in_place_of_a_host_or_group_is_an_error() -> None:
    known = NAMES.known
    misplaced = "The inventory has a {}, which is the name of a variable. Set it below vars, not below {}."
    assert variable_names.misplaced_names(["gpu01", "jupyter_port", "lock_env=a"], ["all", "condarc_path"], known) == [
        misplaced.format("host jupyter_port", "hosts"),
        misplaced.format("host lock_env=a", "hosts"),
        misplaced.format("group condarc_path", "children"),
    ]


def test_every_input_of_this_collection_is_known_to_all_playbooks_and_roles() -> None:
    inputs = {name for options in specifications.of_roles().values() for name in options}
    inputs |= {name for options in specifications.of_playbooks().values() for name in options}
    roles = [specifications.COLLECTION / "roles" / role for role in specifications.of_roles()]
    every = [*map(variable_names.names_of_playbook, specifications.of_playbooks())]
    for names in (*every, *map(variable_names.names_of_role, roles)):
        assert findings({"a": dict.fromkeys(inputs, 1)}, names) == variable_names.Findings()


@pytest.mark.parametrize(
    ("playbook", "name", "is_error"),
    [
        ("site", "jupyter_prot", True),
        ("site", "export_everything", False),
        ("export", "export_everything", True),
        ("client_config", "client_body_size", True),
        ("compare", "client_body_size", False),
        ("compare", "verify_min_gpu", True),
        ("lock", "evenkeel_miror", True),
    ],
)
def test_the_word_of_a_playbook_is_its_own_in_this_playbook(playbook: str, name: str, is_error: bool) -> None:
    found = findings({"a": {name: 1}}, variable_names.names_of_playbook(playbook))
    assert (len(found.errors), found.warnings) == (int(is_error), [])


def test_a_role_alone_looks_at_its_own_names() -> None:
    names = variable_names.names_of_role(specifications.COLLECTION / "roles" / "jupyter")
    found = findings({"a": {"jupyter_prot": 1, "miniconda_verison": 1, "jupiter_port": 1}}, names)
    use = "Use jupyter_port instead"
    assert found.errors == [no_variable("jupiter_port", use), no_variable("jupyter_prot", use)]
    assert found.warnings == []


README = "The README of the role {} lists its variables"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        # An error in a letter.
        ("nvidia_driver_verison", "Use nvidia_driver_version instead"),
        ("miniconda_instaler", "Use miniconda_installer instead"),
        ("remote_access_user", "Use remote_access_users instead"),
        ("conda_environment_list", "Use conda_environments_list instead"),
        ("cuda_toolkit_version", "Use cuda_toolkit_versions instead"),
        ("nvidia-drivers-version", "Use nvidia_driver_version instead"),
        # An abbreviation, or a word that is written out.
        ("lock_enviroment", "Use lock_env instead"),
        ("lock_environments", "Use lock_env instead"),
        ("jupyter_passwd", "Use jupyter_password instead"),
        ("jupyter_env", "Use jupyter_environment instead"),
        ("evenkeel_unknown_vars", "Use evenkeel_unknown_variables instead"),
        # A word more or less.
        ("nvidia_driver_skip_reboot", "Use nvidia_driver_reboot instead"),
        ("nvidia_driver_timeout", "Use nvidia_driver_lock_timeout or nvidia_driver_reboot_timeout instead"),
        ("miniconda_installer_version", "Use miniconda_installer or miniconda_version instead"),
        # No word of theirs is in a variable.
        ("jupyter_servers", README.format("jupyter")),
        ("jupyter_ip", README.format("jupyter")),
        ("miniconda_dir", README.format("miniconda")),
        ("nvidia_driver_packages", README.format("nvidia_driver")),
    ],
)
def test_a_suggestion_has_the_same_words(name: str, remedy: str) -> None:
    assert findings({"a": {name: 1}}, variable_names.names_of_playbook("lock")).errors == [no_variable(name, remedy)]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("conda_envs_list", "conda_environments_list"),
        ("conda_env_list", "conda_environments_list"),
        ("conda_channels", "condarc_channels"),
        ("conda_pkgs_dirs", "condarc_pkgs_dirs"),
        ("nvidia_version", "nvidia_driver_version"),
        ("export_environment", "export_env"),
        ("conda_envs", None),
        ("cuda_version", None),
        ("docker_users", None),
    ],
)
def test_a_name_that_others_may_have_looks_like_one_with_the_same_words(name: str, other: str | None) -> None:
    found = findings({"a": {name: 1}}, variable_names.names_of_playbook("site"))
    assert found == variable_names.Findings([], [similar(name, other)] if other else [])


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("jupyter_qwxyvb", "The README of the role jupyter lists its variables"), ("upgrade_qwxyvb", "See README.md")],
)
def test_a_long_list_of_names_is_in_a_readme(name: str, remedy: str) -> None:
    names = variable_names.names_of_playbook("upgrade_driver")
    assert findings({"a": {name: 1}}, names).errors == [no_variable(name, remedy)]
