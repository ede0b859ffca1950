# SPDX-License-Identifier: Apache-2.0
# make demo: everything from a fresh Debian or Ubuntu machine to a trained network. make test: the same, to green tests.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ROBOT  := $(BIN)/robot --console dotted --outputdir out/robot --xunit junit.xml
EXTRAS ?= unicorn,avr,dev

.PHONY: help system-deps setup demo test test-slow test-wheel robot lint conformance repetitions bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo        install what is missing, then train scenarios/depthconv.yaml on an emulated board"
	@echo "make test        the tests that take seconds"
	@echo "make test-slow   the tests that take minutes"
	@echo "make test-wheel  build the wheel, install it elsewhere, train with it"
	@echo "make robot       all Robot Framework suites, and the documentation of their keywords; ROBOT_ARGS goes to robot"
	@echo "make lint        ruff and mypy"
	@echo "make reproduce-poster  a published table beside our own figures, into docs/reproductions.md; also reproduce-*"
	@echo "make conformance  every network on every board of every backend that is here; writes the table in docs/fidelity.md"
	@echo "make repetitions  a scenario 20 times on a busy host, on every backend: the same bytes"
	@echo "make bench       every benchmarks/*/run.py"
	@echo "make system-deps packages of the distribution: prints what it installs, nothing when all is there"
	@echo "make setup       Python environment in $(VENV)"
	@echo "make clean       everything that was made"

# Each need is probed for what it is used for, so a tool that came from elsewhere counts too.
system-deps:
	@missing=""; \
	command -v arm-none-eabi-gcc >/dev/null 2>&1 || missing="$$missing gcc-arm-none-eabi"; \
	echo '#include <string.h>' | arm-none-eabi-gcc -E - >/dev/null 2>&1 || missing="$$missing libnewlib-arm-none-eabi"; \
	command -v cc >/dev/null 2>&1 || missing="$$missing gcc"; \
	echo '#include <stdlib.h>' | cc -E - >/dev/null 2>&1 || missing="$$missing libc6-dev"; \
	command -v avr-gcc >/dev/null 2>&1 || missing="$$missing gcc-avr"; \
	case "$$(avr-gcc -print-file-name=libm.a 2>/dev/null)" in */*) ;; *) missing="$$missing avr-libc" ;; esac; \
	command -v c++ >/dev/null 2>&1 || missing="$$missing g++"; \
	echo '#include <simavr/sim_avr.h>' | cc -E - >/dev/null 2>&1 || missing="$$missing libsimavr-dev"; \
	echo '#include <libelf.h>' | cc -E - >/dev/null 2>&1 || missing="$$missing libelf-dev"; \
	command -v avr-gdb >/dev/null 2>&1 || missing="$$missing gdb-avr"; \
	command -v qemu-system-arm >/dev/null 2>&1 || missing="$$missing qemu-system-arm"; \
	command -v gdb-multiarch >/dev/null 2>&1 || missing="$$missing gdb-multiarch"; \
	command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || missing="$$missing chromium"; \
	command -v $(PYTHON) >/dev/null 2>&1 || missing="$$missing python3"; \
	$(PYTHON) -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$$missing python3-venv"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null 2>&1; then echo "install these with the system's package manager:$$missing" >&2; exit 4; fi; \
	sudo=""; if [ "$$(id -u)" != 0 ]; then sudo="sudo"; fi; \
	echo "installing:$$missing"; \
	$$sudo apt-get update && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y --no-install-recommends $$missing

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'
	@touch $@

demo: system-deps setup
	$(BIN)/trainbed run scenarios/depthconv.yaml

test: system-deps setup
	$(BIN)/python -m pytest -q -n auto --dist worksteal
	$(ROBOT) --exclude slow robot

test-slow: system-deps setup
	$(BIN)/python -m pytest -q -m 'slow and not wheel'

test-wheel: system-deps setup
	$(BIN)/python -m pytest -q -m wheel

robot: system-deps setup
	$(ROBOT) $(ROBOT_ARGS) robot
	$(BIN)/libdoc trainbed.robot_library out/robot/keywords.html

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy

# benchmarks/reproductions/<name>.py; docs/reproductions.md is written anew.
reproduce-%: system-deps setup
	$(BIN)/python benchmarks/reproductions/run.py $*

conformance: system-deps setup
	$(BIN)/python benchmarks/conformance/run.py

repetitions: system-deps setup
	$(BIN)/python -m pytest -q -m '' tests/conformance/test_repetitions.py

bench: system-deps setup
	@for script in benchmarks/*/run.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) out dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis compile_commands.json
	find harness tests -name __pycache__ -type d -prune -exec rm -rf {} +
