"""Trains with several processes on this machine, joined over loopback."""

import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
from prepared import SPEC
import pytest

from attavvad_jax.checkpoints import find_checkpoint, restore_item
from attavvad_jax.files import locked
from attavvad_jax.training import processes

ROOT = Path(__file__).parents[2]
# The launcher, with training made a smooth function of rounding errors.
LAUNCHER = "from sweeping import make_smooth; make_smooth(setattr); from launch import app; app.run('train')"


def _command(data, workdir, *more):
  """Returns the command that trains the network of `tools.crash_test` on the data of `prepared.py`."""
  flags = ["--config=tools/crash_config.py", "--config.checkpoint_every_steps=6", "--config.loss_weights=1/1/1"]
  flags.append(f"--config.crop.margin={SPEC.crop.margin}")
  return [sys.executable, "-c", LAUNCHER, *flags, f"--config.data={data}", f"--workdir={workdir}", *more]


def _start(command, output, num_devices=1):
  paths = [ROOT, ROOT / "tests", ROOT / "tests" / "training"]
  environment = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(map(str, paths)),
    "JAX_NUM_CPU_DEVICES": str(num_devices),
  }
  with output.open("w") as file:
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)


def _train_together(folder, data, workdir, num_processes, *more, num_devices=1):
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  joined = ["--distributed", f"--coordinator_address=127.0.0.1:{port}", f"--num_processes={num_processes}"]
  logs = [folder / f"{index}.log" for index in range(num_processes)]
  started = [
    _start(_command(data, workdir, *joined, f"--process_id={index}", *more), log, num_devices)
    for index, log in enumerate(logs)
  ]
  codes = [process.wait(300) for process in started]
  outputs = [log.read_text() for log in logs]
  assert codes == [0] * num_processes, outputs
  return outputs


def _variables(workdir):
  return restore_item(find_checkpoint(workdir / "checkpoints" / "last"), "variables")


@pytest.mark.slow
def test_two_and_then_four_processes_train_the_same_network_as_one(tmp_path, prepared_path):
  """Two processes train half of the steps over a mesh; four resume from their checkpoint with pmap."""
  epochs = "--config.num_epochs=2"  # 12 steps
  alone = _start(_command(prepared_path, tmp_path / "alone", epochs), tmp_path / "alone.log")
  outputs = _train_together(tmp_path, prepared_path, tmp_path / "together", 2, "--config.num_epochs=1")
  assert "finished" in outputs[0]
  assert "finished" not in outputs[1]
  assert find_checkpoint(tmp_path / "together" / "checkpoints" / "last").name == "6"
  assert alone.wait(300) == 0, (tmp_path / "alone.log").read_text()
  _train_together(tmp_path, prepared_path, tmp_path / "together", 4, epochs, "--placement=pmap")
  expected, actual = _variables(tmp_path / "alone"), _variables(tmp_path / "together")
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), actual, expected)
  steps = [line.split(",")[0] for line in (tmp_path / "together" / "log.jsonl").read_text().splitlines()]
  assert steps == [line.split(",")[0] for line in (tmp_path / "alone" / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_processes_whose_devices_do_not_divide_their_blocks_train_the_same_network_as_one(tmp_path, prepared_path):
  """Two devices take nine of 18 blocks; voices and background come from all blocks, and some have no face."""
  augmentation = dict(swap_audio_probability=0.5, mix_probability=0.5, drop_images_probability=0.3)
  flags = [f"--config.augmentation.{name}={value}" for name, value in augmentation.items()]
  flags += ["--config.batch_size=18", "--config.num_epochs=1"]  # 5 steps
  alone = _start(_command(prepared_path, tmp_path / "alone", *flags), tmp_path / "alone.log")
  _train_together(tmp_path, prepared_path, tmp_path / "together", 2, *flags, num_devices=2)
  assert alone.wait(300) == 0, (tmp_path / "alone.log").read_text()
  expected, actual = _variables(tmp_path / "alone"), _variables(tmp_path / "together")
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), actual, expected)


@pytest.mark.slow
def test_sigterm_saves_and_ends_with_code_0(tmp_path, prepared_path):
  workdir, log = tmp_path / "run", tmp_path / "log"
  process = _start(_command(prepared_path, workdir, "--config.num_epochs=1000"), log)
  end_s = time.monotonic() + 120
  while "blocks/s" not in log.read_text():
    assert process.poll() is None, log.read_text()
    assert time.monotonic() < end_s
    time.sleep(0.05)
  with pytest.raises(ValueError, match="another program"), locked(workdir):
    pass
  process.send_signal(signal.SIGTERM)
  assert process.wait(15) == 0, log.read_text()
  assert "saved at step" in log.read_text()
  with locked(workdir):
    assert int(find_checkpoint(workdir / "checkpoints" / "last").name) > 0


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (("host:1", None, 0), r"--num_processes is not given"),
    (("host:1", 2, 2), r"--process_id is 2; .*0 to 1 .*--num_processes=2"),
    ((None, None, None), r"could not be joined .*--coordinator_address, --num_processes .*--process_id"),
  ],
)
def test_error_of_join_names_the_argument(arguments, message):
  with pytest.raises(ValueError, match=message):
    processes.join(*arguments)
