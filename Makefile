# Two commands on a fresh machine: `make demo` and `make test`. Both install into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# mediapipe and OpenCV load these libraries; bare servers and containers lack them.
LIBRARIES := libGL.so.1 libEGL.so.1 libGLESv2.so.2 libgthread-2.0.so.0
PACKAGES := libgl1 libegl1 libgles2 libglib2.0-0

export PYTHONNOUSERSITE := 1

.PHONY: demo test test-fast lint docs notebooks install system-libraries clean

demo: install
	$(BIN)/attavvad demo --workdir=demo

test: install lint
	$(BIN)/python -m pytest -q -n 2 --dist=worksteal --durations=25

test-fast: install
	$(BIN)/python -m pytest -q -n 2 --dist=worksteal -m "not slow"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Builds the site of docs/ into site/.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q

# Runs the notebooks from top to bottom and stores them with their outputs.
notebooks: install
	$(BIN)/python colab/make.py

install: system-libraries $(INSTALLED)

$(INSTALLED): setup.py constraints.txt
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("Python 3.11 to 3.13 is needed, $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV) || { echo "cannot create a virtual environment: on Debian and Ubuntu, install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[simulation,test]'
	$(BIN)/python -m attavvad_jax.faces.model_files
	@touch $@

# Installs missing libraries on Debian and its derivatives if permitted; otherwise names them and stops.
system-libraries:
	@for library in $(LIBRARIES); do \
	  $(PYTHON) -c "import ctypes; ctypes.CDLL('$$library')" 2>/dev/null || missing="$$missing $$library"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	echo "missing system libraries:$$missing"; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then as=; \
	elif command -v apt-get >/dev/null && command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as=sudo; \
	else echo "install them with your system's package manager (Debian and Ubuntu: apt-get install $(PACKAGES))" >&2; exit 1; fi; \
	$$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as apt-get install -qq -y --no-install-recommends $(PACKAGES) >/dev/null

clean:
	rm -rf $(VENV) build *.egg-info
