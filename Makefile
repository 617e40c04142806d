# Each verb is also one plain command, named in its recipe.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
IMAGE ?=
AUDIO ?=
JOBS ?= 200
FAULTS ?= 100

.DEFAULT_GOAL := help
.PHONY: help demo up down test faults speech-test soak check fix docs api worker maintenance flower migrate migration images images-check clean

help: ## Show this help
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

# One stamp for each set of extras: pip runs again only when its inputs change. Client and server
# go into one call: apart, pip would look for the client on an index, where a stranger may own it.
$(VENV)/.%: pyproject.toml kinomill/pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing kinomill and kinomill-server[$*] into $(VENV) (a minute or two, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ./kinomill -e '.[$*]'
	@touch '$@'

demo: $(VENV)/.embedded ## Make a photo speak: IMAGE=face.jpg AUDIO=voice.wav for your own
	@$(BIN)/kinomill demo $(if $(IMAGE),--image '$(IMAGE)') $(if $(AUDIO),--audio '$(AUDIO)')

up: $(VENV)/.embedded ## Start everything on this machine; Ctrl-C stops it
	@$(BIN)/kinomill up

down: $(VENV)/.embedded ## Stop what `up` started, also after a crash
	@$(BIN)/kinomill down

test: $(VENV)/.test ## Run the tests; they start all they need (`make faults` for the rest)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not slow and not faults' $(ARGS)

faults: $(VENV)/.test ## Run the whole fault suite, the slow tests too
	@$(BIN)/python -m pytest -m 'faults or slow' -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

speech-test: ## Test the speech extra in an environment of its own (GPL-3 packages)
	@$(MAKE) --no-print-directory VENV=.venv-speech '.venv-speech/.test,speech'
	@.venv-speech/bin/python -m pytest tests/models/kokoro $(ARGS)

soak: $(VENV)/.test ## Disturb two workers at random and count what is lost: JOBS=200 FAULTS=100
	@$(BIN)/python -m tests.soak --jobs $(JOBS) --faults $(FAULTS) $(ARGS)

check: $(VENV)/.check ## Lint, types, architecture, spelling; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m docs.generate --check

fix: $(VENV)/.check ## Format, and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.test ## Write the generated parts of the docs anew
	$(BIN)/python -m docs.generate

api: $(VENV)/.embedded ## Serve the API alone (needs DATABASE_URL and the like)
	@$(BIN)/kinomill api

worker: $(VENV)/.embedded ## Run one worker alone
	@$(BIN)/kinomill worker

maintenance: $(VENV)/.embedded ## Run maintenance alone
	@$(BIN)/kinomill maintenance

flower: $(VENV)/.flower ## Show workers and tasks in a browser (needs REDIS_URL)
	@$(BIN)/kinomill flower

migrate: $(VENV)/.embedded ## Bring the database to the newest schema
	@$(BIN)/kinomill migrate

migration: $(VENV)/.embedded ## Draft a migration from the tables: MESSAGE="add a column"
	@$(BIN)/alembic revision --autogenerate -m "$(MESSAGE)"

images: ## Build the container images and hold their sizes to the budgets: ARGS="--target api"
	@$(PYTHON) docker/images.py $(ARGS)

images-check: ## Run the compose stack, kill and restart parts of it, and check its one result
	@$(PYTHON) docker/check.py $(ARGS)

clean: ## Remove what was built here
	rm -rf $(VENV) .venv-speech build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
