# SPDX-License-Identifier: GPL-3.0-or-later
"""How a survey asks for all roles at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.template import Templar, trust_as_template
from ansible_collections.evenkeel.gpu.plugins.action import survey as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import process_identity
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import this_run
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import gpus
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.role_tasks import Reference, RoleTask

READ = {"gpus": [{"device_id": "0x2901", "name": ""}], "driver": {"loaded": "580.1"}, "processes": [{"pid": 1}]}
GPUS = gpus.merged(READ)
LONG = "long " * 100
NODE = {"machine_id": "a1", "architecture": "x86_64", "name": "Ubuntu", "versions": ["24.04"]}
FACTS = {"machine_id": "a1", "architecture": "x86_64", "distribution": "Ubuntu", "distribution_version": "24.04"}
#: As the module setup returns them.
FRESH = {f"ansible_{name}": value for name, value in FACTS.items()}

Result = dict[str, Any]
Answer = Callable[[str, Mapping[str, Any]], Result]


def task(module: str, when: tuple[Any, ...] = (), loop: Any = None, **options: Any) -> RoleTask:
    """Return a task of a role, whose texts are templates."""
    written = {name: trusted(value) for name, value in options.items()}
    return RoleTask(module, written, tuple(map(trusted, when)), trusted(loop), "item", {})


def trusted(value: Any) -> Any:
    return trust_as_template(value) if isinstance(value, str) else value


class Task(SimpleNamespace):
    def copy(self, *, exclude_parent: bool) -> Task:
        assert exclude_parent
        return Task(**vars(self))


class Reading:
    """As the action gpu_facts."""

    def steps(self, _task_vars: Mapping[str, Any]) -> Steps:
        return (yield Call("gpu_facts", {}))


class Site:
    """A site of roles on a node, whose modules answer as a function says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, said: Path) -> None:
        self._monkeypatch = monkeypatch
        self.tasks: dict[str, list[RoleTask]] = {}
        self.invalid: dict[str, str] = {}
        self.started: list[Any] = []
        self.calls: list[dict[str, Any]] = []
        self.shown: list[str] = []
        self.answer: Answer = lambda module, _: (
            {"ansible_facts": {"evenkeel_gpu": GPUS}} if module == "gpu_facts" else {}
        )
        self.replies: list[Result] = []
        self.lease: Result | None = None
        self.gathered: list[tuple[str, Any]] = []
        self.kept: list[tuple[str, Any]] = []
        self.setup: Result = {"ansible_facts": dict(FRESH)}
        self.module_defaults: list[dict[str, Any]] = []
        self.places: list[list[str]] = []
        monkeypatch.setattr(action, "TASKS", self.tasks)
        monkeypatch.setattr(action, "CODE", SimpleNamespace(digest="d1", text="the code"))
        monkeypatch.setattr(action, "SAID", said)
        monkeypatch.setattr(action, "show", self.shown.append)
        monkeypatch.setattr(action.cached_facts, "keep", lambda host, facts: self.kept.append((host, facts)))
        monkeypatch.setattr(ActionBase, "_make_tmp_path", lambda _: None)
        monkeypatch.setattr(ActionBase, "_execute_module", lambda _, **call: self._execute(**call))

    def _execute(self, module_name: str, module_args: dict[str, Any], task_vars: Any, wrap_async: int = 0) -> Result:
        assert not wrap_async
        if module_name == "ansible.builtin.setup":
            self.gathered.append((module_name, module_args))
            return self.setup
        assert module_name == "evenkeel.gpu.survey"
        handed = module_args[HANDED]
        self.calls.append(handed)
        if self.replies:
            return self.replies.pop(0)
        answers = {
            role: [{"changed": False, **self.answer(call["module"], call["options"])} for call in calls]
            for role, calls in handed["layers"].items()
        }
        return {"changed": False, "answers": answers, "node": NODE, "lease": self.lease}

    def _action(self, name: str, task: Task, **_others: Any) -> Any:
        self.started.append((name, task.args, task.check_mode))
        if name == "evenkeel.gpu.gpu_facts":
            return Reading()
        if name != "evenkeel.gpu.validate_inputs":
            return None

        def act(variables: Mapping[str, Any]) -> Result:
            self.places.append(variables["ansible_search_path"])
            wrong = self.invalid.get(variables["role_name"])
            return {"failed": True, "msg": wrong} if wrong else {}

        return SimpleNamespace(act=act)

    def survey(
        self,
        *roles: str,
        fail: bool = True,
        by_item: bool = False,
        lease: bool = True,
        check_mode: bool = False,
        host: str = "n1",
        **variables: Any,
    ) -> Result:
        written = {"ansible_facts": FACTS, **variables}
        task_vars = {"inventory_hostname": host, **{name: trusted(value) for name, value in written.items()}}
        plugin = action.ActionModule(
            task=Task(
                args={"roles": list(roles), "fail": fail, "by_item": by_item, "lease": lease},
                async_val=0,
                check_mode=check_mode,
                diff=True,
                module_defaults=self.module_defaults,
            ),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
            play_context=None,
            loader=DataLoader(),
            templar=Templar(DataLoader(), task_vars),
            shared_loader_obj=None,
        )
        plugin._shared_loader_obj = SimpleNamespace(action_loader=SimpleNamespace(get=self._action))
        result: Result = plugin.run(task_vars=task_vars)
        return result

    def asked(self) -> list[dict[str, list[tuple[str, Any]]]]:
        """Return the modules and options of each run on the node, by role."""
        return [
            {role: [(call["module"], call["options"]) for call in calls] for role, calls in handed["layers"].items()}
            for handed in self.calls
        ]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    return Site(monkeypatch, tmp_path)


def test_roles_are_asked_at_once_and_those_with_work_are_to_do(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc"), task("pip_config")], "jupyter": [task("jupyter_servers", port=5)]}
    site.answer = lambda module, _: {"changed": module == "pip_config"}
    result = site.survey("condarc", "jupyter")
    assert site.asked() == [
        {"condarc": [("condarc", {}), ("pip_config", {})], "jupyter": [("jupyter_servers", {"port": 5})]}
    ]
    assert not result.get("failed")
    assert not result["changed"]
    assert (result["roles"], result["to_do"]) == (["condarc", "jupyter"], ["condarc"])
    assert result["layers"]["condarc"]["changes"] == [{"task": "pip_config"}]
    assert "ansible_facts" not in result
    assert site.shown == ["n1: condarc to do"]


def test_a_node_with_nothing_to_do(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")], "jupyter": []}
    result = site.survey("condarc", "jupyter")
    assert (result["to_do"], result["as_declared"]) == ([], True)
    assert site.shown == ["n1: nothing to do"]


def test_items_of_loops_are_reported_one_by_one_where_that_is_asked_for(site: Site) -> None:
    site.tasks |= {
        "condarc": [task("condarc")],
        "conda_environments": [task("conda_environment", loop="{{ names }}", name="{{ item }}")],
        "jupyter": [],
    }
    site.answer = lambda _, options: {"changed": options.get("name") == "llm"}
    roles = ("condarc", "conda_environments", "jupyter")
    result = site.survey(*roles, by_item=True, names=["ai-dev", "llm"])
    changes = [{"task": "conda_environment llm"}]
    assert result["items"] == {"conda_environments": {"": {}, "ai-dev": {}, "llm": {"changes": changes}}}
    assert result["layers"]["conda_environments"] == {"changes": changes}
    assert result["asked"] == ["condarc", "conda_environments"]
    assert result["took"] >= 0
    assert "items" not in site.survey(*roles, names=["ai-dev"])


def test_only_the_roles_that_are_named_are_asked(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")], "jupyter": [task("jupyter_servers")]}
    assert site.survey("jupyter", role_name="jupyter")["roles"] == ["jupyter"]
    assert site.shown == [], "a role that is alone has nothing to sum up"
    assert site.asked() == [{"jupyter": [("jupyter_servers", {})]}]
    site.calls.clear()
    assert site.survey()["to_do"] == []
    assert site.calls == []


def test_all_problems_of_all_roles_are_one_error(site: Site) -> None:
    site.tasks |= {
        "miniconda": [task("conda_distribution")],
        "condarc": [task("condarc"), task("pip_config")],
        "jupyter": [task("jupyter_servers", port="{{ nowhere }}")],
        "front_door": [task("front_door")],
    }
    site.invalid = {"miniconda": "a is wrong.\nb is wrong."}
    site.answer = lambda module, _: {"failed": module != "front_door", "msg": f"{module} fails."}
    result = site.survey("miniconda", "condarc", "jupyter", "front_door")
    assert result["failed"]
    *lines, last = result["msg"].splitlines()
    assert lines == ["miniconda: a is wrong.", "  b is wrong.", "condarc: condarc fails.", "condarc: pip_config fails."]
    assert last.startswith("jupyter: ")
    assert "'nowhere' is undefined" in last
    assert site.asked() == [{"condarc": [("condarc", {}), ("pip_config", {})], "front_door": [("front_door", {})]}]


def test_problems_can_be_reported_instead(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    site.invalid = {"condarc": "a is wrong."}
    result = site.survey("condarc", fail=False)
    assert not result.get("failed")
    assert result["layers"]["condarc"]["problems"] == ["a is wrong."]
    assert (result["to_do"], result["as_declared"]) == ([], False)


#: Of a run whose control node nobody here knows.
OTHER = {
    "id": "b2",
    "who": "ana@control1",
    "what": "site.yml",
    "machine": "c3",
    "process": "",
    "since": "2026-11-29 12:03 UTC",
    "until": "2026-11-29 13:03 UTC",
}


@pytest.mark.parametrize(
    ("lease", "changed", "options", "refused"),
    [
        (OTHER, True, {}, True),
        (OTHER, False, {}, False),
        (OTHER, True, {"check_mode": True}, False),
        (OTHER, True, {"fail": False}, False),
        (OTHER, True, {"lease": False}, False),
        (OTHER, True, {"evenkeel_take_over": "true"}, False),
        ({**OTHER, "id": this_run.of({}).id}, True, {}, False),
        ({**OTHER, "machine": process_identity.machine()}, True, {}, False),
        (None, True, {}, False),
    ],
    ids=["held", "nothing to do", "check mode", "a report", "a build", "taken over", "our own", "ended here", "free"],
)
def test_a_node_that_another_run_changes_is_left_alone(
    site: Site, lease: Result | None, changed: bool, options: dict[str, Any], refused: bool
) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    site.answer = lambda *_: {"changed": changed}
    site.lease = lease
    result = site.survey("condarc", **options)
    assert bool(result.get("failed")) == refused
    if refused:
        assert result["msg"] == (
            "ana@control1 has been changing this node by site.yml since 2026-11-29 12:03 UTC "
            "(until 2026-11-29 13:03 UTC if it does not go on). "
            "Wait for it to end, or take the node from it by -e evenkeel_take_over=true."
        )


def test_a_users_problem_is_nothing_to_do_and_still_to_be_reported(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    site.answer = lambda *_: {"changed": False, "user_problems": {"bo": ["conda can't use ~/.condarc"]}}
    result = site.survey("condarc")
    assert (result["to_do"], result["as_declared"]) == ([], False)


def test_a_long_problem_is_shown_whole_on_one_host(site: Site) -> None:
    site.tasks |= {"condarc": []}
    site.invalid = {"condarc": LONG}
    first, second = (site.survey("condarc", host=host)["msg"] for host in ("n1", "n2"))
    assert LONG.strip() in first
    assert "the same as on n1" in second


def test_options_and_conditions_are_those_of_the_role(site: Site) -> None:
    site.tasks |= {
        "jupyter": [
            task(
                "condarc", when=("jupyter_on", "jupyter_port > 1"), port="{{ jupyter_port }}", text="a{{ __jupyter_b }}"
            ),
            task("pip_config", when=("jupyter_on", False)),
            task("sysctl_floor", loop="{{ jupyter_list }}", name="{{ item.name }}", when=("item.name != 'bo'",)),
        ]
    }
    people = [{"name": "ana"}, {"name": "bo"}, {"name": "cy"}]
    values = {"jupyter_on": True, "jupyter_port": 5, "__jupyter_b": "{{ evenkeel_c }}", "evenkeel_c": "c"}
    site.answer = lambda *_: {"changed": True}
    result = site.survey("jupyter", jupyter_list=people, **values)
    floors = [("sysctl_floor", {"name": "ana"}), ("sysctl_floor", {"name": "cy"})]
    assert site.asked() == [{"jupyter": [("condarc", {"port": 5, "text": "ac"}), *floors]}]
    labels = [change["task"] for change in result["layers"]["jupyter"]["changes"]]
    assert labels == ["condarc", "sysctl_floor ana", "sysctl_floor cy"]


def test_a_value_is_no_template_only_because_a_variable_has_it(site: Site) -> None:
    site.tasks |= {"jupyter": [task("condarc", text="{{ jupyter_text }}", more="a{{ jupyter_text }}")]}
    site.survey("jupyter", jupyter_text="{{ '{' ~ '{ nowhere }' ~ '}' }}")
    assert site.asked() == [{"jupyter": [("condarc", {"text": "{{ nowhere }}", "more": "a{{ nowhere }}"})]}]


def test_actions_run_as_in_check_mode(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc", path="/a")]}
    site.survey("condarc")
    assert site.started[-1] == ("evenkeel.gpu.condarc", {"path": "/a"}, True)
    assert {check_mode for *_, check_mode in site.started} == {True}


def test_a_result_of_an_earlier_task_is_handed_on(site: Site) -> None:
    options = {"path": Reference(0, "path")}
    site.tasks |= {"condarc": [task("condarc"), RoleTask("pip_config", options, (), None, "item", {})]}
    site.survey("condarc")
    assert site.asked()[0]["condarc"][1] == ("pip_config", {"path": {"_earlier": [0, "path"]}})


@pytest.mark.parametrize(
    ("known", "rounds"),
    [
        pytest.param(GPUS, 1, id="as the last run found"),
        pytest.param({**GPUS, "processes": []}, 1, id="but for what uses them"),
        pytest.param(READ, 1, id="when less was known of them"),
        pytest.param({**GPUS, "gpus": []}, 2, id="another one"),
        pytest.param(None, 2, id="not known"),
    ],
)
def test_a_second_run_is_needed_where_the_gpus_are_not_as_expected(site: Site, known: Any, rounds: int) -> None:
    count = "{{ (ansible_facts['evenkeel_gpu'] | default({'gpus': []})).gpus | length }}"
    site.tasks |= {"nvidia_driver": [task("nvidia_driver", gpus=count)], "condarc": [task("condarc")]}
    site.answer = lambda module, options: (
        {"ansible_facts": {"evenkeel_gpu": GPUS}} if module == "gpu_facts" else {"changed": options.get("gpus") == 1}
    )
    result = site.survey(
        "nvidia_driver", "condarc", ansible_facts={**FACTS, **({"evenkeel_gpu": known} if known else {})}
    )
    first, *later = site.asked()
    assert len(later) == rounds - 1
    assert first["gpu_facts"] == [("gpu_facts", {})]
    assert first["condarc"] == [("condarc", {})]
    assert ("nvidia_driver" in first) is (known is not None)
    assert (later or [first])[-1]["nvidia_driver"] == [("nvidia_driver", {"gpus": 1})]
    assert all(asked.keys() == {"nvidia_driver"} for asked in later)
    assert result["ansible_facts"] == {"evenkeel_gpu": GPUS}
    assert list(result["layers"]) == ["nvidia_driver", "condarc"]
    assert result["to_do"] == ["nvidia_driver"]


def test_gpus_that_can_not_be_read_are_an_error(site: Site) -> None:
    site.tasks |= {"cuda_toolkit": [task("cuda_toolkit")]}
    site.answer = lambda *_: {"failed": True, "msg": "modinfo hangs."}
    result = site.survey("cuda_toolkit")
    assert result["failed"]
    assert result["msg"].startswith("The GPUs can't be read: modinfo hangs.")


def test_code_is_sent_when_a_node_does_not_have_it(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    site.replies = [{"wanted": "d1"}]
    assert not site.survey("condarc").get("failed")
    assert [(call["digest"], call.get("packed")) for call in site.calls] == [("d1", None), ("d1", "the code")]
    assert site.calls[0]["layers"] == site.calls[1]["layers"]


def test_a_node_that_can_not_be_surveyed_is_an_error(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    site.replies = [{"failed": True, "msg": "no Python"}]
    assert site.survey("condarc")["msg"].startswith("The node can't be surveyed: no Python")


@pytest.mark.parametrize("known", [FACTS, {}], ids=["it had one in the last run", "nothing is known of it"])
def test_a_node_without_python_is_told_from_others(site: Site, known: Any) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    site.setup = {"failed": True, "rc": 127, "module_stdout": "", "msg": "not found"}
    site.replies = [site.setup]
    result = site.survey("condarc", ansible_facts=known)
    assert result["no_python"]
    assert result["msg"] == "The node has no Python. Run site.yml, which installs one."


@pytest.mark.parametrize(
    ("answer", "warnings"),
    [({}, ["w"]), ({"changed": True}, []), ({"changed": True, "failed": True, "msg": "no"}, ["w"])],
    ids=["nothing to do", "something, which warns itself", "a problem"],
)
def test_warnings_are_those_that_no_role_repeats(site: Site, answer: Result, warnings: list[str]) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    site.answer = lambda *_: {"warnings": ["w"], **answer}
    assert site.survey("condarc")["warnings"] == warnings


def test_defaults_of_modules_are_options_that_no_task_sets(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc", path="/a"), task("pip_config")]}
    site.module_defaults = [
        {"group/evenkeel.gpu.all": {"path": "/of/all", "index": "i"}},
        {"evenkeel.gpu.condarc": {"path": "/b", "conda_version": "4.6.0"}, "ansible.builtin.copy": {"mode": "0600"}},
    ]
    site.survey("condarc")
    assert site.asked() == [
        {
            "condarc": [
                ("condarc", {"path": "/a", "index": "i", "conda_version": "4.6.0"}),
                ("pip_config", {"path": "/of/all", "index": "i"}),
            ]
        }
    ]


def test_files_are_looked_for_in_the_role_and_then_where_the_roles_own_tasks_would(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    place = str(action.ROLES / "condarc")
    site.survey("condarc", ansible_search_path=[place, "/srv/site/roles/mine", "/srv/site"])
    site.survey("condarc", ansible_search_path=["/srv/site"])
    assert site.places == [[place, "/srv/site/roles/mine", "/srv/site"], [place, "/srv/site"]]


@pytest.mark.parametrize("seconds", [0, -5, 10**15])
def test_the_limit_of_time_is_a_number_of_seconds(site: Site, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    monkeypatch.setattr(
        action.ActionModule, "validate_argument_spec", lambda *_: ({}, {"roles": [], "seconds": seconds})
    )
    result = site.survey()
    assert result["msg"] == f"seconds is {seconds}. Set it to a number from 1 to 86400."


OFF: list[dict[str, Any]] = [
    {"front_door_enabled": False},
    {"front_door_enabled": "no"},
    {"front_door_state": "absent"},
    {"front_door_state": "{{ 'absent' }}", "front_door_enabled": True},
]


@pytest.mark.parametrize("switches", OFF)
def test_of_a_role_that_is_off_inputs_are_not_validated_and_what_it_takes_down_is_rehearsed(
    site: Site, switches: dict[str, Any]
) -> None:
    site.tasks |= {
        "front_door": [
            task("front_door", when=("front_door_enabled | default(false) | bool and front_door_state is undefined",)),
            task("front_door", state="absent"),
        ]
    }
    site.invalid = {"front_door": "front_door_key is wrong."}
    result = site.survey("front_door", **switches)
    assert site.asked() == [{"front_door": [("front_door", {"state": "absent"})]}]
    assert (result["asked"], result["to_do"], result["as_declared"]) == ([], [], True)
    site.answer = lambda *_: {"changed": True, "left": ["nginx: others use it"]}
    result = site.survey("front_door", **switches)
    assert (result["asked"], result["to_do"]) == (["front_door"], ["front_door"])
    assert result["layers"]["front_door"]["left"] == ["nginx: others use it"]


@pytest.mark.parametrize("value", [True, "maybe", "{{ nowhere }}"])
def test_a_role_that_is_not_off_is_validated(site: Site, value: Any) -> None:
    site.tasks |= {"front_door": [task("front_door")]}
    site.invalid = {"front_door": "front_door_key is wrong."}
    result = site.survey("front_door", front_door_enabled=value)
    assert (result.get("failed", False), site.calls) == (True, [])


@pytest.mark.parametrize(
    "known",
    [
        pytest.param({**FACTS, "distribution_version": "22.04"}, id="another release"),
        pytest.param({**FACTS, "machine_id": "b2"}, id="another machine under the name"),
    ],
)
def test_facts_that_are_not_of_the_node_are_gathered_anew_and_all_is_asked_again(site: Site, known: Any) -> None:
    site.tasks |= {"condarc": [task("condarc", of="{{ ansible_facts['distribution_version'] | default('') }}")]}
    result = site.survey("condarc", ansible_facts=known)
    assert site.gathered == [("ansible.builtin.setup", {"gather_subset": ["min"]})]
    versions = (known["distribution_version"], "24.04")
    assert site.asked() == [{"condarc": [("condarc", {"of": version})]} for version in versions]
    assert result["ansible_facts"] == FRESH
    assert result["as_declared"]


@pytest.mark.parametrize(
    "known",
    [
        pytest.param({}, id="none"),
        pytest.param({"evenkeel_gpu": GPUS}, id="of GPUs alone"),
        pytest.param({"distribution": "Ubuntu", "distribution_version": "24.04"}, id="some"),
    ],
)
def test_facts_that_are_missing_are_gathered_before_a_role_asks_for_them(site: Site, known: Any) -> None:
    site.tasks |= {"condarc": [task("condarc", of="{{ ansible_facts['architecture'] }}")]}
    result = site.survey("condarc", ansible_facts=known)
    assert not result.get("failed"), result
    assert site.asked() == [{"condarc": [("condarc", {"of": "x86_64"})]}]
    assert (len(site.gathered), result["ansible_facts"]) == (1, FRESH)


def test_a_node_is_not_asked_for_facts_where_inputs_are_wrong_whatever_it_is(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    site.invalid = {"condarc": "There is no variable condarc_chanels."}
    assert site.survey("condarc", ansible_facts={})["msg"].endswith("There is no variable condarc_chanels.")
    assert (site.gathered, site.calls) == ([], [])


def test_a_survey_that_fails_leaves_its_facts_to_the_next_run(site: Site) -> None:
    site.tasks |= {"nvidia_driver": [task("nvidia_driver")]}
    site.answer = lambda module, _: (
        {"ansible_facts": {"evenkeel_gpu": GPUS}}
        if module == "gpu_facts"
        else {"failed": True, "msg": "No such package."}
    )
    assert site.survey("nvidia_driver", ansible_facts={})["failed"]
    assert site.kept[-1] == ("n1", {**FRESH, "evenkeel_gpu": GPUS})


def test_facts_of_the_node_are_not_gathered(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    assert "ansible_facts" not in site.survey("condarc")
    assert site.gathered == []


def test_what_is_found_on_the_way_with_old_facts_does_not_count(site: Site) -> None:
    old = {**FACTS, "distribution_version": "22.04", "evenkeel_gpu": {**GPUS, "gpus": []}}
    release = "{{ ansible_facts['distribution_version'] }}"
    site.tasks |= {"nvidia_driver": [task("nvidia_driver", of=release)]}
    site.answer = lambda module, options: (
        {"ansible_facts": {"evenkeel_gpu": GPUS}}
        if module == "gpu_facts"
        else {"failed": options["of"] == "22.04", "msg": "It has no such package."}
    )
    result = site.survey("nvidia_driver", ansible_facts=old)
    assert not result.get("failed")
    assert result["ansible_facts"] == {**FRESH, "evenkeel_gpu": GPUS}


def test_facts_that_never_agree_are_gathered_once(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    site.setup = {"ansible_facts": {**FRESH, "ansible_distribution_version": "n/a"}}
    assert not site.survey("condarc", ansible_facts={}).get("failed")
    assert len(site.gathered) == 1


def test_facts_that_can_not_be_gathered_are_an_error(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    site.setup = {"failed": True, "msg": "no space"}
    assert site.survey("condarc", ansible_facts={})["msg"].startswith("The node's facts can't be gathered: no space")


def test_a_mirror_is_not_used_on_an_architecture_that_it_was_not_chosen_for(site: Site) -> None:
    site.tasks |= {"condarc": [task("condarc")]}
    old = {**FACTS, "architecture": "aarch64"}
    assert not site.survey("condarc", ansible_facts=old).get("failed")
    result = site.survey("condarc", ansible_facts=old, evenkeel_mirror_in_use="ustc")
    assert result["msg"] == (
        "The mirror was chosen for aarch64, which the node was in the last run; it is x86_64 now. Run again."
    )
    assert site.kept[-1] == ("n1", FRESH)
    assert not site.survey("condarc", ansible_facts={}, evenkeel_mirror_in_use="ustc").get("failed")
