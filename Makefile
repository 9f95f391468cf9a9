SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench
READY := $(VENV)/.ready
ROLES := $(notdir $(wildcard roles/*))
# Three run at a time, and short ones last, so that none ends alone.
SHORT_SCENARIOS := nvidia_driver miniconda remote_access mirror nvidia_container_toolkit
SCENARIOS := jupyter_multiuser $(filter-out $(SHORT_SCENARIOS),$(ROLES)) hostile_user site environment_life environment_drift \
	$(SHORT_SCENARIOS)
LONG_SCENARIOS := nvidia_driver_vm nvidia_driver_dkms distribution_life upgrade driver_upgrade secure_boot site_vm front_door_jupyter \
	air_gap image vm_image remove
# Their roles survey themselves; in test-long they also go through site.yml, whose survey is of all roles at once.
# site.yml has no role pull_agent, which runs site.yml, and no package_mirror, which is of other machines.
SCENARIOS_OF_ROLES := $(filter-out site pull_agent package_mirror,$(SCENARIOS)) nvidia_driver_vm nvidia_driver_dkms \
	distribution_life front_door_jupyter
DEBIAN13_SCENARIOS := nvidia_driver_dkms environment_life distribution_life
# Begun first, so that they do not run alone at the end.
LONGEST_FAULTS := tests/faults/test_upgrade_driver.py tests/faults/test_nvidia_driver.py tests/faults/test_survey.py
# They need a newer Python than Debian 12 has, and run on a Debian 13 node.
NEWER_CORES := 2.20 2.21
ENTERPRISE_SCENARIOS := nvidia_driver cuda_toolkit nvidia_container_toolkit
UBUNTU_SCENARIOS := nvidia_driver
UBUNTU_MACHINE_SCENARIOS := driver_upgrade
# Ten that pull at once.
PULLING_NODES := debian12 ubuntu2404 rocky9 $(foreach number,1 2 3 4 5 6 7,debian12)
ROLE ?=
INDEX ?=
FILES ?=
DIR ?=
SYNTHETIC ?=
PLATFORMS ?=
CUDA ?=
JOBS ?=
BASE ?=
PARTS ?=
LIMIT ?=
ONLY ?=

export PATH := $(CURDIR)/$(BIN):$(PATH)
export MOLECULE_GLOB := molecule/*/molecule.yml

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup ## Bring up the lab and two fresh nodes, take them to a working JupyterLab, twice, run a cell in each kernel, and take one node down again
	python -m lab.demo

.PHONY: demo-down
demo-down: setup ## Remove exactly what the demo made (caches stay; python -m lab clean frees them)
	python -m lab down demo

.PHONY: setup
setup: system-packages $(READY) ## Install what is missing: Debian packages through apt, Python packages into .venv

.PHONY: system-packages
system-packages:
	@lab/install-debian-packages.sh

$(READY): pyproject.toml
	@echo "Installing the control node's and the development tools into $(VENV)"
	python3 -m venv $(VENV)
	$(BIN)/python -m pip install -qq --upgrade pip
	$(BIN)/python -m pip install -qq '.[dev]'
	@touch $@

.PHONY: test
test: setup ## Everything: lint, unit and contract tests, the built collection, alerts, a Molecule scenario for each role and the site, bad input
	@echo "The lab, lint and the unit tests run side by side, which takes minutes; each is shown as it ends."
	$(MAKE) --no-print-directory --jobs 3 --output-sync=target lab lint unit
	$(MAKE) --no-print-directory artifact monitoring molecule faults

# Of scenarios, also the tests that take long.
.PHONY: test-long
test-long: export EVENKEEL_TESTS := long or not long
test-long: lab ## What takes longer: whole sites, ten nodes, execution environments, upgrades and Secure Boot on virtual machines, Debian 13's own driver, other releases, each scenario through site.yml, a damaged site
	for scenario in $(DEBIAN13_SCENARIOS); do EVENKEEL_RELEASES=debian13 molecule test --scenario-name $$scenario; done
	for scenario in $(ENTERPRISE_SCENARIOS); do EVENKEEL_RELEASES="rocky8 rocky10" molecule test --scenario-name $$scenario; done
	for scenario in $(UBUNTU_SCENARIOS); do EVENKEEL_RELEASES="ubuntu2204 ubuntu2604" molecule test --scenario-name $$scenario; done
	for scenario in $(LONG_SCENARIOS); do molecule test --scenario-name $$scenario; done
	for scenario in $(UBUNTU_MACHINE_SCENARIOS); do EVENKEEL_RELEASES=ubuntu2404vm molecule test --scenario-name $$scenario; done
	EVENKEEL_RELEASES="$(PULLING_NODES)" molecule test --scenario-name pull_agent
	EVENKEEL_RELEASES="rocky9 rocky9 rocky9" molecule test --scenario-name package_mirror
	EVENKEEL_SURVEY=false molecule test --scenario-name site_vm
	for scenario in $(SCENARIOS_OF_ROLES); do \
		converge=$$(python -m lab.nodes.site_way $$scenario); \
		EVENKEEL_CONVERGE=$$converge molecule test --scenario-name $$scenario; done
	pytest tests/faults -m long --numprocesses 1 --dist loadfile
	EVENKEEL_FLEET=10 pytest tests/faults/test_rollout.py
	EVENKEEL_CORES="$(NEWER_CORES)" pytest tests/artifact
	pytest tests/engines

.PHONY: checks
checks: $(READY) ## lint and unit, side by side
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint unit

.PHONY: lint
lint: $(READY) ## ansible-lint (production profile), yamllint, ruff, mypy, words to avoid, stale references, changelog fragments, licences, workflows
	ruff check .
	ruff format --check .
	mypy -p lab -p maintenance -p reality -p ansible_collections.evenkeel.gpu.plugins
	yamllint --strict .
	codespell --config .config/codespell.cfg
	ansible-lint --config-file .config/ansible-lint.yml
	antsibull-changelog lint
	reuse lint --quiet
	zizmor --offline --quiet --no-progress --strict-collection .github/workflows engines/ci/github-workflow.yml
	python -m maintenance.role_readmes --check
	python -m reality report --check

.PHONY: unit
unit: $(READY) ## Unit and contract tests
	pytest --numprocesses 2

.PHONY: artifact
artifact: $(READY) ## The built collection beside the oldest ansible-core: what it needs, ansible-test sanity, galaxy-importer
	pytest tests/artifact --numprocesses 2

.PHONY: monitoring
monitoring: $(READY) ## Metrics, alerts and the dashboard, by promtool out of Debian's package prometheus
	pytest tests/monitoring

.PHONY: lab
lab: setup ## Build the lab's mirror and base images into the user's cache folder
	python -m lab mirror
	python -m lab image

.PHONY: molecule
molecule: lab ## A Molecule scenario for each role, and one for the whole of site.yml, three at a time
	$(MAKE) --no-print-directory --jobs 3 --output-sync=target $(SCENARIOS:%=molecule-%)

.PHONY: $(SCENARIOS:%=molecule-%)
$(SCENARIOS:%=molecule-%): molecule-%:
	TIMEFORMAT='$* took %0R s'; time molecule test --scenario-name $*

.PHONY: test-role
test-role: lab ## The inner loop on one role: make test-role ROLE=jupyter
	@test -n "$(ROLE)" || { echo "Name a role: make test-role ROLE=jupyter" >&2; exit 2; }
	molecule test --scenario-name $(ROLE)

# Three at a time: each waits for its node a sixth of the time.
.PHONY: faults
faults: lab ## Bad input, broken mirrors, full disks and killed runs, on nodes of the lab
	pytest $(LONGEST_FAULTS) $(filter-out $(LONGEST_FAULTS),$(sort $(wildcard tests/faults/test_*.py))) \
		-m "not long" --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: execution-environment
execution-environment: $(READY) ## Build the container image that execution-environment.yml describes: make execution-environment BASE=debian:13
	rm -rf build/collection build/execution-environment
	ansible-galaxy collection build --output-path build/collection
	ansible-builder build --tag localhost/evenkeel-gpu:latest --context build/execution-environment \
		$(if $(BASE),--build-arg EE_BASE_IMAGE=$(BASE))

.PHONY: test-gpu
test-gpu: ## What needs a real GPU, with Python alone; without one it prints status 77, and make ends with 2
	python3 tests/gpu/run.py

.PHONY: test-real
test-real: $(READY) ## What the lab stands in for, asked of the real thing: make test-real PARTS="data conda" LIMIT=3600; writes a report
	python -m reality run $(if $(PARTS),--parts "$(PARTS)") $(if $(LIMIT),--limit $(LIMIT)) $(if $(ONLY),--only "$(ONLY)")

.PHONY: record-reality
record-reality: $(READY) ## Record what the lab can learn from the real thing: make record-reality PARTS="data packages"
	python -m reality record $(if $(PARTS),--parts "$(PARTS)") $(if $(LIMIT),--limit $(LIMIT)) $(if $(ONLY),--only "$(ONLY)")

.PHONY: bench-environments
bench-environments: lab ## Time builds and checks of an environment beside the file system, and beside a real conda: CONDA=/path/to/conda
	PYTHONPATH=collections python -m bench.environments $(if $(CONDA),--conda $(CONDA))

.PHONY: bench-locking
bench-locking: $(READY) ## Time locks of 10, 100 and 400 packages beside the solver alone, and beside pixi and conda-lock: PIXI=/path/to/pixi
	PYTHONPATH=collections python -m bench.locking $(if $(PIXI),--pixi $(PIXI)) $(if $(CONDA_LOCK),--conda-lock $(CONDA_LOCK))

.PHONY: bench
bench: demo $(BENCH_VENV)/.ready ## Time a run that changes nothing beside 50 empty tasks and beside pyinfra
	PYTHONPATH=collections python -m bench.noop --pyinfra $(BENCH_VENV)/bin/pyinfra

.PHONY: bench-drift-page
bench-drift-page: setup ## Time the drift report's page of 50 and 500 hosts in a headless Chromium
	PYTHONPATH=collections python -m bench.drift_page

.PHONY: bench-fleet
bench-fleet: lab $(BENCH_VENV)/.ready ## Measure what a fleet costs, on nodes of the lab and hosts that are not there: make bench-fleet PARTS="control forks output nodes pull switch"
	PYTHONPATH=collections python -m bench.fleet --pyinfra $(BENCH_VENV)/bin/pyinfra $(if $(PARTS),--parts $(PARTS))

.PHONY: bench-jupyter
bench-jupyter: demo ## Measure the memory of notebook servers that nobody uses, for 1, 10 and 50 users
	python -m bench.jupyter

.PHONY: bench-mirror
bench-mirror: lab ## Measure a package mirror beside the wire, and twenty builds at once through it beside builds without it
	PYTHONPATH=collections python -m bench.mirror

# Apart from Ansible, which starts more slowly beside what pyinfra needs.
$(BENCH_VENV)/.ready: pyproject.toml
	python3 -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -qq ".[bench]"
	@touch $@

.PHONY: mutants
mutants: $(VENV)/.mutants-ready ## Change plugins in small ways and print what no unit test notices: make mutants FILES=plugins/module_utils/_gpu/facts.py
	python -m maintenance.mutants $(FILES)

$(VENV)/.mutants-ready: $(READY)
	$(BIN)/python -m pip install -qq ".[mutants]"
	@touch $@

.PHONY: corpus
corpus: $(READY) ## Put a folder's environment files, locks and requirements through the lock pipeline: make corpus DIR=/srv/environments SYNTHETIC=yes
	@test -n "$(DIR)" || { echo "Name a folder: make corpus DIR=/srv/environments" >&2; exit 2; }
	python -m maintenance.corpus "$(DIR)" $(if $(SYNTHETIC),--synthetic) \
		$(foreach platform,$(PLATFORMS),--platform $(platform)) $(if $(CUDA),--cuda $(CUDA)) $(if $(JOBS),--jobs $(JOBS))

.PHONY: docs
docs: $(READY) ## Generate the roles' references, the picture of the rooms, and the table of what is proven on the real thing
	python -m maintenance.draw_rooms
	python -m maintenance.role_readmes
	python -m reality report --readme

.PHONY: report-pictures
report-pictures: setup ## Take the documentation's pictures of the drift report and of the review, of a fleet that is made up, in a headless Chromium
	python -m maintenance.report_pictures

.PHONY: installers
installers: $(READY) ## Add the installers that an index lists to the known ones: make installers INDEX=https://repo.anaconda.com/miniconda/
	@test -n "$(INDEX)" || { echo "Name an index: make installers INDEX=https://repo.anaconda.com/miniconda/" >&2; exit 2; }
	python -m maintenance.refresh_installers $(INDEX)

.PHONY: gpu-data
gpu-data: $(READY) ## Refresh the data on GPUs, drivers and CUDA from NVIDIA's files: make gpu-data FILES="README.md releases.json"
	@test -n "$(FILES)" || { echo "Name files or URLs: make gpu-data FILES=releases.json" >&2; exit 2; }
	python -m maintenance.refresh_gpu_data $(FILES)

.PHONY: clean
clean: ## Remove the virtual environment and the tools' caches from the checkout
	rm -rf $(VENV) $(BENCH_VENV) build *.egg-info .ansible .mypy_cache .pytest_cache .ruff_cache
