# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a role changes, the survey rehearses: no task can change a node behind its back, the reboot excepted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.logics import LOGICS
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey import role_tasks
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.role_tasks import COLLECTION, Reference

ROOT = Path(__file__).parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
SITE = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text())
ROLES_OF_SITE = yaml.safe_load((ROOT / "playbooks" / "vars" / "roles.yml").read_text())["__roles_of_site"]
BUILTIN = "ansible.builtin."
#: Modules of this collection that change nothing on any node.
OURS_READ = {"conda_mirror", "gpu_facts", "survey", "validate_inputs"}
#: Core's modules that change nothing on a node. Facts that a task sets are not known to the survey.
READS = {"assert", "debug", "import_tasks", "slurp"}
#: What it installs runs site.yml.
RUNS_THE_SITE = {"pull_agent"}
#: Of machines that need not be nodes.
SERVES_THE_SITE = {"package_mirror"}
#: What is built goes on while the driver is installed.
BEGIN = "Begin to build environments"
#: The choice of a mirror comes before the survey, which reads the fact that it sets.
BEFORE_THE_SURVEY = {"mirror": READS | {"include_tasks", "set_fact"}}
#: Without Python, no survey is possible: what gives it to a node precedes it.
BOOTSTRAP, PYTHON_IS_GONE = "bootstrap", "python_is_gone"
OF_BOOTSTRAP = {f"{COLLECTION}{name}" for name in ("node_python", "validate_inputs")}
#: A survey reports that a reboot is needed; what these do changes nothing but that.
REBOOT = "reboot.yml"
OF_REBOOT = READS | {"command", "reboot"}

#: What the survey understands of a task, or what makes no difference to it.
KEYS = {"name", "when", "loop", "loop_control", "vars", "register", "async", "poll"}
LOOP_CONTROL = {"loop_var", "label"}
KEYS_OF_BLOCK = {"name", "when", "vars", "block"}
KEYS_OF_IMPORT = {"name", "when", "vars"}

Task = Mapping[str, Any]
Files = Mapping[str, Sequence[Task]]


def flat(tasks: Sequence[Task]) -> Iterator[Task]:
    """Yield tasks and blocks, with all within these."""
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat(task.get(part, ()))


def module_of(task: Task) -> str:
    """Return the module or the statement of a task, by its full name."""
    return next((key for key in task if "." in key), "block" if "block" in task else "")


def files_of_reboot(files: Files) -> set[str]:
    """Return the files that only a reboot runs."""
    found, waiting = set(), [REBOOT] if REBOOT in files else []
    while waiting:
        found.add(name := waiting.pop())
        imported = {str(task.get(f"{BUILTIN}import_tasks", "")) for task in flat(files[name])}
        waiting += (imported & files.keys()) - found
    return found


def changing(role: str, files: Files) -> list[str]:
    """Return a line for each task of a role that may change a node and is not of this collection."""
    of_reboot = files_of_reboot(files)
    lines = []
    for name, tasks in files.items():
        allowed = OF_REBOOT if name in of_reboot else BEFORE_THE_SURVEY.get(role, READS)
        for task in flat(tasks):
            module = module_of(task)
            included = module == f"{BUILTIN}include_tasks" and task[module] == REBOOT
            if module == "block" or module.startswith(COLLECTION) or included:
                continue
            if module.removeprefix(BUILTIN) not in allowed:
                lines.append(f"{name}: {module or sorted(task)}")
    return lines


def missed(files: Files, read: Collection[str]) -> list[str]:
    """Return the modules of this collection that tasks run, and a survey does not."""
    ran = Counter(
        module.removeprefix(COLLECTION)
        for name, tasks in files.items()
        for module in map(module_of, flat(tasks))
        if module.startswith(COLLECTION)
    )
    unknown = [f"{module} can't be rehearsed" for module in ran if module not in {*LOGICS, *OURS_READ}]
    return unknown + sorted((ran - Counter(read) - Counter({name: ran[name] for name in OURS_READ})).elements())


def rehearsed(files: Files) -> Iterator[tuple[str, Task]]:
    """Yield the tasks and blocks of the files that a survey reads, with their file."""
    others = {*files_of_reboot(files), "main.yml", "validate.yml"}
    return ((name, task) for name, tasks in files.items() if name not in others for task in flat(tasks))


def not_understood(files: Files) -> list[str]:
    """Return a line for each thing in tasks that a survey would ignore."""
    lines = []
    for name, task in rehearsed(files):
        module = module_of(task)
        if module == "block":
            lines += [f"{name}: {key}" for key in task.keys() - KEYS_OF_BLOCK]
        elif module == f"{BUILTIN}import_tasks":
            lines += [f"{name}: {key}" for key in task.keys() - KEYS_OF_IMPORT - {module}]
            lines += [] if isinstance(task[module], str) else [f"{name}: {task[module]}"]
        elif module.startswith(COLLECTION):
            lines += [f"{name}: {key}" for key in task.keys() - KEYS - {module}]
            lines += [f"{name}: {key}" for key in task.get("loop_control", {}).keys() - LOOP_CONTROL]
    return lines


def unreferred(tasks: Sequence[role_tasks.RoleTask], registered: Collection[str], variables: str) -> list[str]:
    """Return the registered results that something needs in a form that a survey does not know."""
    texts = [variables]
    for task in tasks:
        options = [value for value in task.options.values() if not isinstance(value, Reference)]
        texts.append(str([options, task.conditions, task.loop, task.variables]))
    return [name for name in registered if any(re.search(rf"\b{name}\b", text) for text in texts)]


def files_of(role: str) -> Files:
    return {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / "roles" / role / "tasks").glob("*.yml")}


def read(files: Files) -> list[role_tasks.RoleTask]:
    return role_tasks.read(Path("/"), lambda file: files[file.name])


def read_where_surveyed(role: str, files: Files) -> list[role_tasks.RoleTask]:
    return [] if role in BEFORE_THE_SURVEY else read(files)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_changes_nothing_but_by_our_modules(role: str) -> None:
    assert changing(role, files_of(role)) == []
    assert not (ROOT / "roles" / role / "handlers").exists()
    assert not yaml.safe_load((ROOT / "roles" / role / "meta" / "main.yml").read_text()).get("dependencies")


@pytest.mark.parametrize("role", ROLES)
def test_a_survey_asks_for_all_that_a_role_asks_for(role: str) -> None:
    files = files_of(role)
    assert missed(files, [task.module for task in read_where_surveyed(role, files)]) == []


@pytest.mark.parametrize("role", [role for role in ROLES if role not in BEFORE_THE_SURVEY])
def test_a_survey_understands_what_a_role_asks_for(role: str) -> None:
    files = files_of(role)
    assert not_understood(files) == []
    registered = [task["register"] for _file, task in rehearsed(files) if "register" in task]
    variables = [*(ROOT / "roles" / role).glob("vars/*.yml"), *(ROOT / "roles" / role).glob("defaults/*.yml")]
    assert unreferred(read(files), registered, "\n".join(path.read_text() for path in variables)) == []


@pytest.mark.parametrize("role", [role for role in ROLES if role not in BEFORE_THE_SURVEY])
def test_a_role_begins_with_its_survey(role: str) -> None:
    files = files_of(role)
    (first,) = files["validate.yml"]
    assert first.keys() == {"name", f"{COLLECTION}survey"}
    assert first[f"{COLLECTION}survey"] == {"roles": [role]}
    assert [task[f"{BUILTIN}import_tasks"] for task in files["main.yml"]] == ["validate.yml", role_tasks.ENTRY]
    assert files["variables.yml"] == []


def test_modules_that_can_be_rehearsed_are_those_of_the_roles() -> None:
    asked = {task.module for role in ROLES for task in read_where_surveyed(role, files_of(role))}
    assert asked | {"gpu_facts"} == set(LOGICS)


REHEARSED = {"evenkeel.gpu.condarc": {"path": "/a"}}


@pytest.mark.parametrize(
    ("task", "lines"),
    [
        ({"ansible.builtin.user": {"name": "a"}}, ["converge.yml: ansible.builtin.user"]),
        ({"block": [{"ansible.builtin.copy": {}}]}, ["converge.yml: ansible.builtin.copy"]),
        ({"block": [], "rescue": [{"ansible.builtin.file": {}}]}, ["converge.yml: ansible.builtin.file"]),
        ({"block": [], "always": [{"ansible.builtin.file": {}}]}, ["converge.yml: ansible.builtin.file"]),
        ({"ansible.builtin.set_fact": {"a": 1}}, ["converge.yml: ansible.builtin.set_fact"]),
        ({"ansible.builtin.reboot": {}}, ["converge.yml: ansible.builtin.reboot"]),
        ({"ansible.builtin.include_tasks": "more.yml"}, ["converge.yml: ansible.builtin.include_tasks"]),
        ({"community.general.ini_file": {}}, ["converge.yml: community.general.ini_file"]),
        ({"command": "true"}, ["converge.yml: ['command']"]),
        ({"ansible.builtin.debug": {"msg": "a"}}, []),
        ({"ansible.builtin.include_tasks": REBOOT}, []),
        (REHEARSED, []),
    ],
)
def test_a_task_that_changes_something_is_found(task: Task, lines: list[str]) -> None:
    reboot = {
        REBOOT: [{"ansible.builtin.reboot": {}}, {"ansible.builtin.import_tasks": "verify.yml"}],
        "verify.yml": [],
    }
    assert changing("a", {"converge.yml": [task], **reboot}) == lines


def test_what_a_reboot_runs_may_change_nothing_else() -> None:
    reboot = {REBOOT: [{"ansible.builtin.import_tasks": "verify.yml"}], "verify.yml": [{"ansible.builtin.file": {}}]}
    assert changing("a", {"converge.yml": [], **reboot}) == ["verify.yml: ansible.builtin.file"]


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        ({"converge.yml": [REHEARSED, REHEARSED]}, []),
        ({"converge.yml": [REHEARSED], "more.yml": [REHEARSED]}, ["condarc"]),
        ({"converge.yml": [{"block": [], "rescue": [REHEARSED]}]}, ["condarc"]),
        ({"converge.yml": [], "validate.yml": [{"evenkeel.gpu.survey": {}}]}, []),
        ({"converge.yml": [{"evenkeel.gpu.conda_lock": {}}]}, ["conda_lock can't be rehearsed"]),
    ],
)
def test_a_module_that_no_survey_runs_is_found(files: Files, modules: list[str]) -> None:
    assert missed(files, [task.module for task in read(files)]) == modules


@pytest.mark.parametrize(
    ("task", "lines"),
    [
        *(
            ({**REHEARSED, key: "a"}, [f"converge.yml: {key}"])
            for key in (
                *("with_items", "failed_when", "changed_when", "until", "delegate_to", "become", "become_user"),
                *("environment", "check_mode", "ignore_errors", "run_once", "notify", "throttle", "tags", "no_log"),
            )
        ),
        ({**REHEARSED, "loop_control": {"index_var": "i", "label": "a"}}, ["converge.yml: index_var"]),
        ({"block": [{**REHEARSED, "until": "a"}]}, ["converge.yml: until"]),
        ({"block": [], "rescue": []}, ["converge.yml: rescue"]),
        ({"block": [], "environment": {}}, ["converge.yml: environment"]),
        ({"ansible.builtin.import_tasks": "a.yml", "become": True}, ["converge.yml: become"]),
        ({"ansible.builtin.import_tasks": {"file": "a.yml"}}, ["converge.yml: {'file': 'a.yml'}"]),
        ({"name": "a", **REHEARSED, "when": "a", "loop": [], "vars": {}, "register": "r"}, []),
        ({"ansible.builtin.debug": {}, "run_once": True}, []),
    ],
)
def test_what_a_survey_ignores_is_found(task: Task, lines: list[str]) -> None:
    assert not_understood({"converge.yml": [task]}) == lines


@pytest.mark.parametrize(
    ("task", "variables", "names"),
    [
        ({"evenkeel.gpu.condarc": {"path": "{{ r.path }}"}}, "", []),
        ({"evenkeel.gpu.condarc": {"path": "{{ r.path }}/a"}}, "", ["r"]),
        ({"evenkeel.gpu.condarc": {"settings": {"a": "{{ r.path }}"}}}, "", ["r"]),
        ({**REHEARSED, "when": "r.changed"}, "", ["r"]),
        ({**REHEARSED, "loop": "{{ r.paths }}"}, "", ["r"]),
        ({**REHEARSED, "vars": {"a": "{{ r.path }}"}}, "", ["r"]),
        (REHEARSED, "a: '{{ r.path }}'", ["r"]),
        (REHEARSED, "a: '{{ other.path }}'", []),
    ],
)
def test_a_result_that_a_survey_can_not_hand_on_is_found(task: Task, variables: str, names: list[str]) -> None:
    files = {"converge.yml": [{**REHEARSED, "register": "r"}, task]}
    assert unreferred(read(files), ["r"], variables) == names


def _with_imported(tasks: Sequence[Task]) -> Iterator[Task]:
    """Yield a playbook's tasks, with those of the files that it imports in their place."""
    for task in flat(tasks):
        file = task.get("ansible.builtin.import_tasks")
        yield from yaml.safe_load((ROOT / "playbooks" / file).read_text()) if file else [task]


def test_the_site_does_nothing_but_what_its_roles_do() -> None:
    """Every task of site.yml reads, or is the entry of a role that the survey covers."""
    play = _own_play()
    imported = [play["ansible.builtin.import_playbook"] for play in SITE if "hosts" not in play]
    assert imported == ["plays/require_hosts.yml", f"plays/{BOOTSTRAP}.yml"]
    assert not play.keys() & {"roles", "pre_tasks", "post_tasks", "handlers"}
    assert play["vars"]["__site_roles"] == "{{ __roles_of_site }}"
    assert set(ROLES_OF_SITE) == {*ROLES} - {*BEFORE_THE_SURVEY} - RUNS_THE_SITE - SERVES_THE_SITE
    tasks = list(_with_imported(play["tasks"]))
    entries, known, others = [], [], []
    for task in tasks:
        module = module_of(task).removeprefix(BUILTIN)
        if task["name"] == BEGIN:
            begin = task["ansible.builtin.include_role"]
            assert (begin["name"], begin["tasks_from"]) == (f"{COLLECTION}conda_environments", "begin")
        elif module == "include_role":
            entries.append(task)
        elif module == "import_role":
            known.append(task)
        else:
            others.append(module.removeprefix(COLLECTION))
    assert set(others) <= {"block", "debug", "include_tasks", "meta", "node_lease", "survey", "validate_inputs"}
    (gone,) = [task for task in tasks if "ansible.builtin.include_tasks" in task]
    assert gone["ansible.builtin.include_tasks"]["file"] == f"tasks/{PYTHON_IS_GONE}.yml"
    assert gone["when"] == "__evenkeel_survey.no_python | default(false)"
    for role, entry in zip(ROLES_OF_SITE, entries, strict=True):
        assert entry == {
            "name": f"Converge {role}",
            "ansible.builtin.include_role": {
                "name": f"{COLLECTION}{role}",
                "tasks_from": "{{ __site_entry }}",
                "apply": {"tags": [role]},
            },
            "when": f"'{role}' in __evenkeel_survey.to_do | default(__site_roles)",
            "tags": [role],
        }
    names = [task["name"] for task in tasks]
    assert names.index("Converge miniconda") < names.index(BEGIN) < names.index("Converge nvidia_driver")
    first, *imports = [task["ansible.builtin.import_role"] for task in known]
    # The specifications have no entry point that Ansible would validate, and take it long to read.
    unread = {"rolespec_validate": False}
    assert first == {"name": f"{COLLECTION}mirror", **unread}
    assert imports == [{"name": f"{COLLECTION}{role}", "tasks_from": "variables", **unread} for role in ROLES_OF_SITE]
    assert tasks.index(known[-1]) < [module_of(task) for task in tasks].index(f"{COLLECTION}survey")
    assert [module_of(task) for task in tasks].index(f"{COLLECTION}survey") < tasks.index(entries[0])


@pytest.mark.parametrize("path", sorted((ROOT / "playbooks" / "plays").glob("*.yml")), ids=lambda path: path.stem)
def test_plays_around_the_site_only_read_or_install_python(path: Path) -> None:
    tasks = [task for play in yaml.safe_load(path.read_text()) for task in flat(play["tasks"])]
    allowed = READS | (OF_BOOTSTRAP if path.stem == BOOTSTRAP else set())
    assert {module_of(task).removeprefix(BUILTIN) for task in tasks} <= allowed


def test_a_node_whose_python_is_gone_gets_one_and_is_surveyed() -> None:
    tasks = yaml.safe_load((ROOT / "playbooks" / "tasks" / f"{PYTHON_IS_GONE}.yml").read_text())
    names = [module_of(task).removeprefix(COLLECTION).removeprefix(BUILTIN) for task in tasks]
    assert names == ["node_python", "survey", "meta"]
    surveys = [task for task in flat(_own_play()["tasks"]) if f"{COLLECTION}survey" in task] + [tasks[1]]
    assert [one[f"{COLLECTION}survey"] for one in surveys] == [{"roles": "{{ __site_surveyed }}"}] * 2
    assert [one["register"] for one in surveys] == ["__evenkeel_survey"] * 2


def _own_play() -> Task:
    (play,) = [play for play in SITE if "hosts" in play]
    found: Task = play
    return found
