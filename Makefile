# Each target is also one plain command, which its recipe shows.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
IMAGE ?=
AUDIO ?=
JOBS ?= 200
FAULTS ?= 100

# The shell reads them from the environment: a path may contain an apostrophe.
export IMAGE AUDIO

.DEFAULT_GOAL := help
.PHONY: help demo trace-demo up down test test-fast faults speech-test browser-test promtool soak check deploy-check fix docs lock wheels audit api worker maintenance flower migrate migration images images-check clean

help: ## Show this help
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

# One stamp for each set of extras: pip runs again only when its inputs change.
$(VENV)/.%: pyproject.toml kinomill/pyproject.toml requirements/*.txt
	@PYTHON='$(PYTHON)' sh requirements/install.sh '$(VENV)' '$*'
	@touch '$@'

demo: $(VENV)/.embedded ## Make a photo speak; IMAGE=face.jpg AUDIO=voice.wav uses your own files
	@$(BIN)/kinomill demo $${IMAGE:+--image "$$IMAGE"} $${AUDIO:+--audio "$$AUDIO"}

trace-demo: $(VENV)/.embedded,otel ## Run one job and show its trace, from the POST to the webhook, as a tree
	@$(BIN)/kinomill trace-demo

up: $(VENV)/.embedded ## Start everything on this machine; Ctrl-C stops it
	@$(BIN)/kinomill up

down: $(VENV)/.embedded ## Stop everything that `make up` started, also after a crash
	@$(BIN)/kinomill down

test-fast: $(VENV)/.test-fast ## Run the quick tests: no torch, no worker processes
	@$(BIN)/python -m pytest -p tests.fast -n 2 --dist loadfile --no-loadscope-reorder -m 'not slow and not faults' $(ARGS)

test: $(VENV)/.test ## Run all tests except the slow ones; they start the servers they need
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not slow and not faults' $(ARGS)

faults: $(VENV)/.test ## Run the fault suite and the slow tests
	@$(BIN)/python -m pytest -p tests.marked -m 'faults or slow' -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

speech-test: ## Test the speech extra in a separate environment (GPL-3 packages)
	@$(MAKE) --no-print-directory VENV=.venv-speech '.venv-speech/.test,speech'
	@.venv-speech/bin/python -m pytest tests/models/kokoro tests/models/latentsync/test_spoken_text.py tests/acceptance/test_speech.py $(ARGS)

browser-test: $(VENV)/.browser ## Run the tests in a real browser; installs Debian's Chromium
	@command -v chromium-headless-shell > /dev/null || { sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends chromium-headless-shell; } \
		|| echo "Chromium cannot be installed here: its tests are skipped"
	@$(BIN)/python -m pytest tests/browser -n 2 --dist loadfile $(ARGS)

promtool: ## Install Prometheus's promtool from Debian, which tests use to check metrics and rules
	@command -v promtool > /dev/null || { sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; folder=$$(mktemp -d) \
		&& $$sudo apt-get update -qq && cd "$$folder" && apt-get -o APT::Sandbox::User=root download -qq prometheus \
		&& dpkg-deb --fsys-tarfile prometheus_*.deb | $$sudo tar -x -C /usr/local/bin --strip-components=3 ./usr/bin/promtool; } \
		|| echo "promtool cannot be installed here: its tests are skipped"

soak: $(VENV)/.test ## Run jobs under random faults, check what callers saw: JOBS=200 FAULTS=100
	@$(BIN)/python -m tests.soak --jobs $(JOBS) --faults $(FAULTS) $(ARGS)

check: $(VENV)/.check ## Check lint, types, imports, spelling and generated docs; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m docs.generate --check
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/structure tests/api/test_error_codes.py

deploy-check: $(VENV)/.deploy ## Render and check the manifests of deploy/ without a cluster: Helm, Kustomize, shell scripts
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/deploy $(ARGS)

fix: $(VENV)/.check ## Format the code and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.test ## Regenerate the generated parts of the docs
	$(BIN)/python -m docs.generate

lock: ## Write the hashed requirement files again, from PyPI; torch.txt only with WHEELS=FOLDER of CPU wheels
	@test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv==0.13.9; }
	@.venv-lock/bin/python requirements/lock.py $(WHEELS)

wheels: ## Build the wheels and source archives of server and client into dist/
	@test -x .venv-build/bin/twine || { $(PYTHON) -m venv .venv-build && .venv-build/bin/pip install --quiet build==1.6.1 twine==7.0.0; }
	@rm -rf dist && for project in . kinomill; do .venv-build/bin/python -m build --quiet --outdir dist $$project; done
	@.venv-build/bin/twine check --strict dist/*

audit: ## Look up known vulnerabilities of the locked packages; writes an SBOM of each extra
	@test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit && .venv-audit/bin/pip install --quiet pip-audit==2.10.1; }
	@mkdir -p build/sbom
	@status=0; for file in flower embedded worker torch; do \
		.venv-audit/bin/pip-audit --disable-pip --require-hashes -r requirements/$$file.txt \
			--format cyclonedx-json --output build/sbom/$$file.json || status=1; \
	done; exit $$status

api: $(VENV)/.embedded ## Run only the API (needs DATABASE_URL and other settings)
	@$(BIN)/kinomill api

worker: $(VENV)/.embedded ## Run only one worker
	@$(BIN)/kinomill worker

maintenance: $(VENV)/.embedded ## Run only maintenance
	@$(BIN)/kinomill maintenance

flower: $(VENV)/.flower ## Show workers and tasks in a browser (needs REDIS_URL)
	@$(BIN)/kinomill flower

migrate: $(VENV)/.embedded ## Upgrade the database to the newest schema
	@$(BIN)/kinomill migrate

migration: $(VENV)/.embedded ## Generate a migration from the tables: MESSAGE="add a column"
	@$(BIN)/alembic revision --autogenerate -m "$(MESSAGE)"

images: ## Build the container images and check their sizes: ARGS="--target api"
	@$(PYTHON) docker/images.py $(ARGS)

images-check: ## Run the compose stack, kill and restart parts of it, check the result
	@$(PYTHON) docker/check.py $(ARGS)

clean: ## Remove everything that was built here
	rm -rf $(VENV) .venv-speech .venv-audit .venv-build .venv-lock build dist out *.egg-info kinomill/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
