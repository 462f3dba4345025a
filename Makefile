# The commands of this house: `make help` lists them. Each sets up .venv on its first use and installs nothing after that.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
BIN = .venv/bin
STAMP = .venv/.installed
# small tensors come and go by the thousand: glibc is told to keep their memory (a tenth to a half faster; others ignore it)
KEEP = MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=1073741824
OFFLINE = HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 HF_EVALUATE_OFFLINE=1 TOKENIZERS_PARALLELISM=false
PIP = $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL = help
.PHONY: help install course test grade-demo lab base readme hooks clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

install: $(STAMP) ## set up .venv with every package at its pinned version

$(STAMP): constraints.txt pyproject.toml settings.ini
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make install: needs Python 3.11 or newer, found '$(PYTHON)'. Install it, or name one: make install PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing the pinned packages into .venv (once, about 2 GB, a few minutes) ..."
	@$(PIP) --quiet setuptools wheel
	@$(PIP) --no-build-isolation -e '.[lab,files,dev]'
	@touch $(STAMP)

course: $(STAMP) ## make an Alpaca: teacher, filter, fine-tune, judge, report (_course/report.html)
	@$(OFFLINE) $(BIN)/alpaca-course course

test: $(STAMP) ## clean -> unchanged, export -> unchanged, lessons run, README fresh, pytest
	@$(OFFLINE) $(KEEP) OMP_NUM_THREADS=1 $(BIN)/python tools/check.py

grade-demo: $(STAMP) ## open the grading page on a made-up cohort of 60 students
	@$(BIN)/alpaca-course grade --demo

lab: $(STAMP) ## open JupyterLab on the lessons
	@$(BIN)/jupyter lab nbs

base: $(STAMP) ## train the shipped base models again (goes on where it was stopped)
	@$(OFFLINE) $(KEEP) $(BIN)/alpaca-course base few && $(OFFLINE) $(KEEP) $(BIN)/alpaca-course base many

readme: $(STAMP) ## write README.md from nbs/index.ipynb
	@$(BIN)/python tools/readme.py

hooks: $(STAMP) ## clean and export the lessons before each git commit
	@$(BIN)/pre-commit install

clean: ## delete what commands wrote: _course, builds, caches (.venv stays)
	@rm -rf _course _proc _docs build dist *.egg-info .pytest_cache
	@find . -path ./.venv -prune -o -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +
