import json
import os
from pathlib import Path
import pickle
import subprocess
import sys

import devices
import jax
import numpy as np
import pytest

from attavvad_jax.training.placement import padded, shared_out

TESTS = Path(__file__).parents[1]
# Each half runs in its own program, so that two test workers can run them in parallel.
HALVES = [list(devices.CASES)[0::2], list(devices.CASES)[1::2]]


def _on_eight_devices(output, names):
  environment = {
    **os.environ,
    "JAX_NUM_CPU_DEVICES": "8",
    "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
  }
  command = [sys.executable, devices.__file__, str(output), json.dumps(names)]
  result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
  assert result.returncode == 0, result.stderr
  return pickle.loads(output.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("names", HALVES, ids=["even", "odd"])
def test_a_step_on_eight_devices_equals_that_of_one(tmp_path, names):
  """Compares losses, weights, parameters (changed by their gradients) and batch statistics for every placement."""
  results = _on_eight_devices(tmp_path / "results", names)
  assert list(results) == names
  for name, outcomes in results.items():
    alone_state, alone_log = outcomes.pop("alone")
    assert set(outcomes["mesh"][0].params) == set(alone_state.params)
    for placement, (state, log) in outcomes.items():
      message = f"{name}, {placement}"
      jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5, err_msg=message), state, alone_state)  # noqa: B023
      jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5, err_msg=message), log, alone_log)  # noqa: B023


@pytest.mark.slow
def test_a_step_reduces_gradients_once_and_has_no_collectives_in_loops(tmp_path, capsys):
  """The compiled program exchanges gradients, losses, and twice the statistics of each normalization."""
  result = _on_eight_devices(tmp_path / "calls", ["collectives"])["collectives"]
  calls, num_norms, num_parameters = result["calls"], result["num_norms"], result["num_parameters"]
  with capsys.disabled():
    print(f"\n{result['description']}")
  assert not any(call.in_loop for call in calls)
  reduced = sorted(call.num_bytes for call in calls if call.kind == "all-reduce")
  assert reduced == [4 * 18, 4 * num_parameters]
  assert sum(call.kind == "all-gather" for call in calls) == num_norms
  assert sum(call.kind == "reduce-scatter" for call in calls) == num_norms
  assert len(calls) == 2 + 2 * num_norms


@pytest.mark.parametrize(("num_devices", "num_parts"), [(1, 1), (2, 1), (4, 1), (2, 2), (1, 3), (3, 2)])
def test_processes_have_the_same_microbatches_as_one_device(num_devices, num_parts):
  """Every block keeps its index and falls into the microbatch that it has when one device takes every M-th block."""
  value = np.arange(100, 118)
  whole = {"image_mask": np.ones((18, 1), bool), "block_mask": np.ones(18, bool), "value": value}
  for num_processes in (1, 2, 6, 18):
    shares, size = [], 18 // num_processes
    for index in range(num_processes):
      own = {name: array[index * size : (index + 1) * size] for name, array in whole.items()}
      shares.append(shared_out(own, num_devices, num_parts, (index, num_processes)))
    assert len({len(share["place"]) for share in shares}) == 1
    taken = {part: [] for part in range(num_parts)}
    for share in shares:
      for device in range(num_devices):
        on_device = {name: np.split(array, num_devices)[device] for name, array in share.items()}
        for part, places in taken.items():
          real = on_device["block_mask"][part::num_parts]
          blocks = {name: array[part::num_parts][real] for name, array in on_device.items()}
          np.testing.assert_array_equal(blocks["value"], value[blocks["place"]])
          places += blocks["place"].tolist()
    assert taken == {part: list(range(part, 18, num_parts)) for part in range(num_parts)}


def test_a_batch_that_fits_is_not_padded():
  whole = {"image_mask": np.ones((8, 1), bool), "value": np.arange(8)}
  share = shared_out(whole, 2, 2, (1, 2))
  np.testing.assert_array_equal(share["value"], whole["value"])
  assert share["place"].tolist() == list(range(8, 16))


def test_padding_is_at_the_end_and_masked():
  batch = {"image_mask": np.ones((5, 3), bool), "block_mask": np.ones(5, bool), "label": np.full(5, 2, np.int32)}
  filled = padded(batch, 4)
  assert filled["block_mask"].tolist() == [True] * 5 + [False] * 3
  assert filled["label"].tolist() == [2] * 5 + [0] * 3
  assert filled["image_mask"].shape == (8, 3)
  assert padded(batch, 5)["label"].tolist() == [2] * 5
