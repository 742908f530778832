# Set-up, demo, tests and checks; every target installs what it needs into .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# What differs between Pythons, and the Keras that each of them has: the core and the loading of models.
LIGHT := architectures bare bundle calls conditioning config contract decision engines fuse hdf5 intake \
	lane layout loading montage old_files operations per_window pick pipeline quality reorder replacement resampling ring \
	saved_model shapes steps text timeline units validation weights

.PHONY: demo test test-python braindecode doctor exactness timeline soak faults soak-faults dashboard-soak views-latency \
	pictures fuzz check format demo-model training-speed

demo: .venv/core
	$(BIN)/eegd demo

# Two at a time: most of it waits. LSL has 32 ports on a machine for all of them.
test: .venv/test
	$(BIN)/python -m pytest -n 2 --dist loadfile

# `make test-python PYTHON=python3.12`: the light tests on another Python, in an environment of its own.
test-python: OTHER = build/$(notdir $(PYTHON))
test-python:
	test -e $(OTHER)/bin/python || $(PYTHON) -m venv $(OTHER)
	$(OTHER)/bin/python -m pip --disable-pip-version-check install --quiet \
		--constraint constraints.txt --editable '.[recordings]' pytest pytest-xdist hypothesis tf-keras
	$(OTHER)/bin/python -m pytest -n 2 --dist loadfile $(LIGHT:%=tests/test_%.py)

# A network of braindecode, exported in an environment of its own (PyTorch), against ONNX Runtime here.
braindecode: .venv/test
	test -e build/braindecode/bin/python || $(PYTHON) -m venv build/braindecode
	build/braindecode/bin/python -m pip --disable-pip-version-check install --quiet \
		torch==2.13.0 braindecode==0.8.1 onnx
	$(BIN)/python -m pytest tests/test_braindecode.py

# Faults planted in this computer, its network and streams, all of which `eegd doctor` must find.
doctor: .venv/test
	$(BIN)/python -m pytest -m "slow or not slow" tests/live/test_doctor.py

# Ten minutes at eight times real time: memory must stay flat.
soak: .venv/test
	$(BIN)/python -m pytest -m slow -s tests/live/test_soak.py

# Every fault of an amplifier over real LSL; writes the table of docs/reliability.md.
faults: .venv/test
	EEGD_FAULT_TABLE=docs/reliability.md $(BIN)/python -m pytest -m "slow or not slow" -s \
		tests/live/test_faults_live.py

# An hour of random faults at eight times real time; EEGD_SOAK_SECONDS makes it shorter.
soak-faults: .venv/test
	$(BIN)/python -m pytest -m slow -s tests/live/test_soak_faults.py

# An hour in front of the page: neither it nor its server grows; EEGD_SOAK_SECONDS makes it shorter.
dashboard-soak: .venv/test
	$(BIN)/python -m pytest -m slow -s tests/live/test_dashboard_soak.py

# The daemon's latency with page, terminal view and a scraper attached, and without, in turns.
views-latency: .venv/test
	$(BIN)/python -m pytest -m slow -s tests/live/test_views_latency.py

# The page connected, abstaining and without amplifier, as PNG files; the README shows one of them.
pictures: .venv/test
	EEGD_PICTURES=docs/pictures $(BIN)/python -m pytest -m slow -s tests/live/test_pictures.py

# Broken and random files, configs and stream metadata, this many to each reader.
fuzz: .venv/test
	EEGD_FUZZ=20000 $(BIN)/python -m pytest -s tests/fuzz

# Every engine against Keras and float64 at full length; needs the recordings.
exactness: .venv/test
	$(BIN)/python -m pytest -m "slow or not slow" -s tests/test_exactness.py

# Ten million samples of every simulated sender, thousands of gaps, 20,000 strange streams.
timeline: .venv/test
	$(BIN)/python -m pytest -m "slow or not slow" tests/test_timeline.py tests/test_timeline_truth.py

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The encoder that the demo runs: trained on the simulator, and examined. Goes on where it was killed;
# remove build/demo-model to begin anew.
demo-model: .venv/core
	$(BIN)/python -m daemon.training.demo_model

# One training step against the source's model under model.fit, in one run.
training-speed: .venv/core
	$(BIN)/python -m daemon.training.speed

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/core: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

.venv/test: .venv/core
	$(PIP) --editable '.[train,test]'
	touch $@
