# Everything a newcomer needs; nothing but Python 3.11+ and make.
PYTHON ?= python3
PHOTOS ?=
CORE := .venv-core
FULL := .venv

.PHONY: demo test test-browser test-learn test-slow lint clean

demo: $(CORE)/.ready
	$(CORE)/bin/vitruvian demo $(foreach photo,$(PHOTOS),--photos "$(photo)") --out demo

test: $(FULL)/.ready
	$(FULL)/bin/python -m pytest -m "not learn and not slow and not browser"

# where none is installed and may be, the distribution's Chromium is; else the tests say why they skip
test-browser: $(FULL)/.ready
	command -v chromium || command -v chromium-browser || command -v google-chrome || { [ "$$(id -u)" = 0 ] \
	  && command -v apt-get && apt-get update --quiet -o Acquire::http::Timeout=20 && apt-get install --yes --quiet chromium; } || true
	$(FULL)/bin/python -m pytest -m browser

test-slow: $(FULL)/.ready
	$(FULL)/bin/python -m pytest -m slow -s

test-learn: $(FULL)/.ready
	$(FULL)/bin/python -m pytest -m learn

lint: $(FULL)/.ready
	$(FULL)/bin/ruff check .
	$(FULL)/bin/ruff format --check .
	$(FULL)/bin/mypy
	PYTHONPATH=src $(FULL)/bin/lint-imports

$(CORE)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(CORE)
	$(CORE)/bin/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

# torch first: the pinned build decides which torchvision fits it
$(FULL)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(FULL)
	$(FULL)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(FULL)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[all,dev]'
	touch $@

clean:
	rm -rf $(CORE) $(FULL) demo build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
