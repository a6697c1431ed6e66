"""The suites: front end, model, media, the complete `attavvad detect`, and a training step on several devices.

Every function that returns a `Timed` is called in a child process, where it imports the code to time.
"""

from collections.abc import Callable
import functools
import os
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

from attavvad_jax.timeline import Clock
from tools.benchmarks.collectives import collectives, describe
from tools.benchmarks.harness import Case, Timed, alternate, report

# Programs from the cache would hide the time of compilation.
_COMPILE = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
_SMALL = (112, 112)
_PAPER = (450, 300)


def frontend(runs: int) -> str:
  """Times the log-mel of an hour of audio at 16 kHz, here and in librosa."""
  seconds = 3600
  work = (seconds / 60, "minutes")
  cases = [Case("attavvad_jax", _log_mel, (seconds,), work, _COMPILE), Case("librosa", _librosa, (seconds,), work)]
  return report("frontend", alternate(cases, runs), "attavvad_jax")


def model(runs: int) -> str:
  """Times inference and training steps in batched form, separate form, and batched form with XLA's own convolutions."""
  parts = []
  stock = {**_COMPILE, "XLA_FLAGS": None}
  for name, size, kind, batch in [
    ("small, inference", _SMALL, "inference", 1),
    ("small, inference", _SMALL, "inference", 64),
    ("small, train step", _SMALL, "train", 32),
    ("paper, inference", _PAPER, "inference", 1),
    ("paper, train step", _PAPER, "train", 8),
  ]:
    cases = [
      Case("batched", _network, ("batched", kind, size, batch), (batch, "blocks"), _COMPILE),
      Case("separate", _network, ("separate", kind, size, batch), (batch, "blocks"), _COMPILE),
      Case("batched, stock XLA", _network, ("batched", kind, size, batch), (batch, "blocks"), stock),
    ]
    parts.append(report(f"model: {name}, batch {batch}", alternate(cases, runs), "batched"))
  return "\n\n".join(parts)


def devices(runs: int) -> str:
  """Times a training step on 8 simulated devices of this CPU and lists the calls between the devices."""
  num_devices, batch_size = 8, 16
  simulated = {**_COMPILE, "JAX_NUM_CPU_DEVICES": str(num_devices)}
  cases = [
    Case("shard_map in jit", _on_devices, ("mesh", batch_size), (batch_size, "blocks"), simulated),
    Case("pmap", _on_devices, ("pmap", batch_size), (batch_size, "blocks"), simulated),
    Case("jit alone", _on_devices, ("jit", batch_size), (batch_size, "blocks"), simulated),
    Case("one device", _on_devices, ("mesh", batch_size), (batch_size, "blocks"), _COMPILE),
  ]
  parts = [report(f"devices: {num_devices}, small configuration", alternate(cases, runs), "shard_map in jit")]
  os.environ["JAX_NUM_CPU_DEVICES"] = str(num_devices)  # effective, since jax is not imported yet
  for how, title in (("mesh", "shard_map in jit"), ("jit", "jit alone")):
    step, arguments = _step_on_devices(how, _SMALL, batch_size)
    calls = collectives(step.lower(*arguments).compile().as_text(), num_devices)
    parts.append(f"{title}, calls between devices in a step, small configuration:\n{describe(calls)}")
  return "\n\n".join(parts)


def media(runs: int) -> str:
  """Times a 30 s clip of 960x544: decoding alone, and decoding with faces and crops."""
  with tempfile.TemporaryDirectory() as folder:
    video = _simulated_clip(Path(folder))
    work = (30.0, "seconds")
    cases = [Case("decode", _decode, (video,), work), Case("decode, faces, crops", _blocks, (video,), work)]
    return report("media", alternate(cases, runs), "decode")


def detect(runs: int) -> str:
  """Times the command, including start-up, on a 30 s clip of 960x544, with and without cached programs."""
  with tempfile.TemporaryDirectory() as folder:
    video = _simulated_clip(Path(folder))
    work = (30.0, "seconds")
    cases = [
      Case("attavvad detect", _command, (video, True), work),
      Case("attavvad detect, first time", _command, (video, False), work),
    ]
    return report("detect", alternate(cases, runs), "attavvad detect")


SUITES: dict[str, Callable[[int], str]] = {
  "frontend": frontend,
  "model": model,
  "detect": detect,
  "media": media,
  "devices": devices,
}


def run_suite(name: str, runs: int) -> str:
  """Runs a suite and returns one JSON object per line, then a table.

  Args:
    name: a key of `SUITES`.
    runs: number of timed runs of each case, after a first call that is timed separately.

  Raises:
    ValueError: the suite is unknown, or runs is less than 1.
  """
  if name not in SUITES:
    raise ValueError(f"unknown suite {name!r}; expected one of {', '.join(SUITES)}")
  if runs < 1:
    raise ValueError(f"runs is {runs}; expected 1 or more")
  return SUITES[name](runs)


def _audio(seconds: int) -> np.ndarray:
  return np.random.default_rng(0).normal(0, 0.1, seconds * 16_000).astype(np.float32)


def _log_mel(seconds: int) -> Timed:
  import jax

  from attavvad_jax.features.log_mel import log_mel

  waveform = jax.numpy.asarray(_audio(seconds))
  compiled = jax.jit(functools.partial(log_mel, clock=Clock()))
  return lambda: jax.block_until_ready(compiled(waveform))


def _librosa(seconds: int) -> Timed:
  import librosa

  waveform, clock = _audio(seconds), Clock()

  def run() -> None:
    power = librosa.feature.melspectrogram(
      y=waveform,
      sr=clock.sample_rate_hz,
      n_fft=1024,
      win_length=clock.window_samples,
      hop_length=clock.hop_samples,
      window="hamming",
      center=False,
      n_mels=64,
    )
    librosa.power_to_db(power, top_db=None)

  return run


def _batch(size: tuple[int, int], batch_size: int) -> dict[str, np.ndarray]:
  """Returns a batch of noise."""
  clock, rng = Clock(), np.random.default_rng(0)
  return {
    "waveform": rng.integers(-3000, 3000, (batch_size, clock.block_samples)).astype(np.int16),
    "images": rng.integers(0, 255, (batch_size, clock.num_images, *size)).astype(np.uint8),
    "image_mask": np.ones((batch_size, clock.num_images), bool),
    "label": (np.arange(batch_size) % 4).astype(np.int32),
    "block_mask": np.ones(batch_size, bool),
  }


def _network(form: str, kind: str, size: tuple[int, int], batch_size: int) -> Timed:
  """Prepares one forward pass, or one training step with Adam, of a form of the network."""
  import jax
  import optax

  from attavvad_jax.loss_weights import per_group
  from attavvad_jax.models import AttAvvad, build
  from attavvad_jax.predict import predict
  from attavvad_jax.training.step import TrainState, create_state, train_step
  from tools.benchmarks.separate_form import SeparateForm, separate_variables

  clock = Clock()
  batch = {key: jax.numpy.asarray(value) for key, value in _batch(size, batch_size).items()}
  network = build("att_avvad", dropout_rate=0.0)
  optimizer = optax.adam(1e-3)
  state = create_state(network, optimizer, per_group(), batch, clock, seed=0)
  if form == "separate":
    assert isinstance(network, AttAvvad)
    variables = separate_variables(network, state.variables)
    network = SeparateForm(network)
    params = variables["params"]
    state = TrainState(state.step, params, variables["batch_stats"], optimizer.init(params), state.loss_weights)
  if kind == "inference":
    infer = jax.jit(functools.partial(predict, model=network, clock=clock))
    return lambda: jax.block_until_ready(infer(state.variables, batch))
  step = jax.jit(
    functools.partial(train_step, model=network, optimizer=optimizer, loss_weights=per_group(), clock=clock, seed=0)
  )
  return lambda: jax.block_until_ready(step(state, batch))


def _on_devices(how: str, batch_size: int) -> Timed:
  """Prepares one training step of the small configuration on all devices."""
  import jax

  step, (state, *others) = _step_on_devices(how, _SMALL, batch_size)

  def run() -> None:
    nonlocal state
    state, _ = jax.block_until_ready(step(state, *others))

  return run


def _step_on_devices(how: str, size: tuple[int, int], batch_size: int) -> tuple[Any, tuple[Any, ...]]:
  """Returns a compiled training step and its arguments, for a placement or for `jit`, which shards the batch itself."""
  import jax
  from jax.sharding import AxisType, NamedSharding, PartitionSpec
  import optax

  from attavvad_jax.loss_weights import per_group
  from attavvad_jax.models import AttAvvad, with_fields
  from attavvad_jax.training.placement import AXIS, PLACEMENTS
  from attavvad_jax.training.step import create_state, train_step

  batch, network, optimizer, clock = _batch(size, batch_size), AttAvvad(), optax.adam(1e-3), Clock()
  state = create_state(network, optimizer, per_group(), batch, clock, seed=0)
  axis_name = AXIS if how in PLACEMENTS else None
  step = functools.partial(
    train_step,
    model=with_fields(network, axis_name=axis_name),
    optimizer=optimizer,
    loss_weights=per_group(),
    clock=clock,
    axis_name=axis_name,
  )

  def seeded(state, batch, seed):
    return step(state, batch, seed=seed)

  if how in PLACEMENTS:
    placement = PLACEMENTS[how]()
    return placement.map_step(seeded), (placement.replicate(state), placement.put(batch), np.uint32(0))
  mesh = jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))
  everywhere, shared = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(AXIS))
  arguments = jax.device_put(state, everywhere), jax.device_put(batch, shared), np.uint32(0)
  return jax.jit(seeded, donate_argnums=0), arguments


def _simulated_clip(folder: Path) -> str:
  from attavvad_jax.simulation import write_folder

  write_folder(folder / "videos", minutes={"test": 0.5}, size=(960, 544), seed=3)
  return str(next((folder / "videos").glob("**/*.mp4")))


def _decode(video: str) -> Timed:
  """Prepares decoding of all frames and samples in file order."""
  import av

  def run() -> None:
    with av.open(video) as container:
      container.streams.video[0].thread_type = "AUTO"
      for _ in container.decode(container.streams.video[0], container.streams.audio[0]):
        pass

  return run


def _blocks(video: str) -> Timed:
  from attavvad_jax.blocks import Crop
  from attavvad_jax.faces import FaceDetector
  from attavvad_jax.recordings import read_blocks

  detect_faces = FaceDetector().__enter__()  # stays open until the process ends, as in preparing many files

  def run() -> None:
    for _ in read_blocks(video, Clock(), Crop(*_SMALL), detect=detect_faces):
      pass

  return run


def _command(video: str, compiled_before: bool) -> Timed:
  """Prepares the console command in a separate process, so that start-up and imports count."""
  output = tempfile.mkdtemp()
  command = [sys.executable, "-m", "attavvad_jax", "detect", video, "--output", output, "--overwrite"]

  def run() -> None:
    with tempfile.TemporaryDirectory() as empty:
      cache = {} if compiled_before else {"JAX_COMPILATION_CACHE_DIR": empty}
      subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **cache})

  return run
