# Everything runs in a virtual environment that is made here, with the Python named by PYTHON: a
# program, or a version such as 3.12, which is that of the image for containers, too.
# Its stamp is no older than what it was installed from, so a second run starts at once.
PYTHON ?= python3
VERSION := $(filter 3.%,$(PYTHON))
INTERPRETER := $(VERSION:%=python)$(PYTHON)
VENV := .venv
BIN := $(VENV)/bin
DATA ?=
SECONDS ?= 300

# compose/compose.sh takes these from the environment.
export COMPOSE_FILE ?= docker-compose-dev.yaml
GIVEN := $(or $(DATA),$(INPUT_DIR))
export INPUT_DIR := $(or $(GIVEN),data)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help test test-slow test-browser test-faults soak mutants fuzz demo bench bench-full lint types coverage package clean
.PHONY: docker-image scale-out-image scale-out-up docker-compose-up docker-compose-down docker-compose-logs test-compose

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | while IFS='|' read -r name text; do \
		printf '%-24s %s\n' "$$name" "$$text"; done

# Programs of the environment are run as "python -m NAME": the first line of a script can not
# hold a path with blanks, nor does it follow when the folder is moved.
$(VENV)/python.stamp:
	@$(INTERPRETER) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo '$(INTERPRETER) is not Python 3.11 or newer with its venv;' \
			'on Debian, install python3-venv.'; \
		exit 2; }
	rm -rf $(VENV)
	$(INTERPRETER) -m venv $(VENV)
	touch $@

$(VENV)/demo.stamp: $(VENV)/python.stamp setup.py pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/test.stamp: $(VENV)/python.stamp setup.py pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

$(VENV)/browser.stamp: $(VENV)/python.stamp setup.py pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[browser]'
	touch $@

$(VENV)/dev.stamp: $(VENV)/python.stamp setup.py pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

$(VENV)/fuzz.stamp: $(VENV)/python.stamp setup.py pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fuzz]' || { \
		echo 'atheris cannot be installed here: it needs a Python that it has a wheel for, such as 3.11.'; \
		exit 1; }
	touch $@

test: $(VENV)/test.stamp ## run the fast suite
	CI=true $(BIN)/python -m pytest tests -m 'not slow' -n 2 --dist loadfile
	CI=true $(BIN)/python -m twisted.trial tests.trial

test-slow: $(VENV)/test.stamp ## run the tests that take longer
	CI=true $(BIN)/python -m pytest tests -m 'slow and not faults'

test-browser: $(VENV)/browser.stamp ## look at the status page in Chromium, which has to be there
	CI=true $(BIN)/python -m pytest tests/browser -p no:twisted

test-faults: $(VENV)/test.stamp ## kill, cut, fill and break: a sample of all faults
	CI=true $(BIN)/python -m pytest tests -m faults -n 2 --dist loadfile

soak: $(VENV)/test.stamp ## all faults there are, for hours, and then the mutants
	LOTTERY_SOAK=1 $(BIN)/python -m pytest tests -m 'faults or soak'
	$(MAKE) mutants

mutants: $(VENV)/test.stamp ## plant bugs in a copy, one at a time: the suite has to find each
	$(BIN)/python tests/mutants/mutants.py

fuzz: $(VENV)/fuzz.stamp ## throw bytes at whatever reads them, five minutes each (SECONDS=N for longer)
	@scratch=$$(mktemp -d -p $(firstword $(wildcard /dev/shm /tmp))) || exit 1; \
	trap 'rm -rf "$$scratch"' EXIT; trap 'exit 1' INT TERM; \
	for target in decoder batch salvage settings roster; do \
		TMPDIR="$$scratch" $(BIN)/python tests/fuzz/run.py $$target --seconds $(SECONDS) || exit 1; \
	done

bench: $(VENV)/demo.stamp ## measure what a change may spoil unseen, within minutes
	$(BIN)/python benchmarks/micro.py
	$(BIN)/python benchmarks/performance.py

bench-full: $(VENV)/demo.stamp ## measure everything into docs/performance.md, in a quarter of an hour
	$(BIN)/python benchmarks/performance.py --full
	$(BIN)/python benchmarks/group_commit.py

demo: $(VENV)/demo.stamp ## run a whole day: a central and five agencies (DATA=DIR uses its agency-N.csv)
	$(BIN)/python contrib/demo.py $(if $(DATA),--data "$(DATA)")

lint: $(VENV)/dev.stamp ## look for mistakes and bad form
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: $(VENV)/dev.stamp ## check the types
	$(BIN)/python -m mypy

coverage: $(VENV)/dev.stamp ## run the suite and see what it does not reach
	$(BIN)/python -m coverage erase
	CI=true $(BIN)/python -m coverage run -m pytest tests -n 2 --dist loadfile -m 'not slow and not faults'
	CI=true $(BIN)/python -m coverage run -m pytest tests -m 'slow and not faults'
	CI=true $(BIN)/python -m coverage run -m twisted.trial tests.trial
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

package: $(VENV)/dev.stamp ## build, install in fresh environments, look for the plugin
	bash tests/packaging_check.sh $(BIN)/python

docker-image: ## build the image for containers, on Python 3.13 or PYTHON=3.N
	docker build --file compose/Dockerfile $(VERSION:%=--build-arg PYTHON=%) \
		--tag lottery-central:latest .

scale-out-image: docker-image ## build the images for several centrals: of these, and of all around them
	docker build --file compose/Dockerfile $(VERSION:%=--build-arg PYTHON=%) \
		--build-arg EXTRAS=tls,postgres --tag lottery-central-postgres:latest .
	docker build --file compose/scale-out/Dockerfile $(VERSION:%=--build-arg PYTHON=%) \
		--tag lottery-scale-out:latest .

scale-out-up: scale-out-image data ## start two centrals, databases, a balancer and five agencies
	COMPOSE_FILE=compose/scale-out/compose.yaml compose/compose.sh up -d --remove-orphans

docker-compose-up: docker-image $(if $(GIVEN),,data) ## start the containers of COMPOSE_FILE (DATA=DIR as above)
	compose/compose.sh up -d --remove-orphans

docker-compose-down: ## stop and remove them; what they have stored stays in their volumes
	compose/compose.sh down --remove-orphans

docker-compose-logs: ## follow what they say
	compose/compose.sh logs -f

# A made-up day, with a file for each agency of the compose file.
data: | docker-image
	rm -rf data.tmp && mkdir data.tmp
	agencies=$$(grep -c '^  client[0-9]*:' "$(COMPOSE_FILE)"); \
	[ "$$agencies" -gt 0 ] || agencies=5; \
	docker run --rm --user "$$(id -u):$$(id -g)" \
		--mount "type=bind,source=$(CURDIR)/data.tmp,target=/data" \
		lottery-central:latest lottery sample /data --agencies $$agencies
	mv data.tmp data

test-compose: $(VENV)/test.stamp ## run days in containers, on the Docker engine that answers
	@docker info >/dev/null && compose/compose.sh version || { \
		echo 'This needs a Docker engine that answers, and compose.'; exit 1; }
	CI=true IMAGE_PYTHON=$(or $(VERSION),3.13) $(BIN)/python -m pytest tests/compose

clean: ## remove all that was made here
	rm -rf $(VENV) .tox build dist *.egg-info .coverage .coverage.* htmlcov _trial_temp* demo \
		data.tmp logs.txt
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis twisted/plugins/dropin.cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
