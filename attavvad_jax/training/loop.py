"""The training loop: fetches, steps, logs, validates and saves. Everything that computes is elsewhere."""

from collections.abc import Mapping
import functools
import importlib.metadata
import json
from pathlib import Path
import time
from typing import Any

import jax
import jax.numpy as jnp
import optax
from tqdm import tqdm

from attavvad_jax import __version__
from attavvad_jax import config as config_lib
from attavvad_jax.datasets.loader import PreparedData, training_batches
from attavvad_jax.datasets.records import AUDIO
from attavvad_jax.detection.predict import Predict, predict
from attavvad_jax.evaluation.protocols import PAPER
from attavvad_jax.evaluation.split import OUTPUTS, evaluate_outputs, score_recordings
from attavvad_jax.files import write_text
from attavvad_jax.loss_weights import per_group
from attavvad_jax.losses import Terms, mean_terms
from attavvad_jax.training.checkpoints import Checkpoints
from attavvad_jax.training.logs import RunLog
from attavvad_jax.training.step import create_state, train_step

# Keys of the config that may differ when a run goes on.
_MAY_CHANGE = ("num_epochs", "log_every_steps")


def train(config: Mapping[str, Any], workdir: str | Path) -> Path:
  """Trains until `config.num_epochs`, going on from the last checkpoint in the workdir if there is one.

  The workdir receives config.json, log.jsonl, tensorboard/ and checkpoints/{last,best}; `best` is the checkpoint with
  the highest event-based F on the split "validation" (the paper's protocol, audio-visual output), the first of equals.

  Args:
    config: plain values with the keys of `configs/att_avvad.py`.
    workdir: folder of the run.

  Returns:
    The workdir.

  Raises:
    ValueError: the config cannot be used, does not fit the data or the run in the workdir, or the loss is not finite.
  """
  config = _plain(config)
  config_lib.check_keys(config)
  workdir = Path(workdir)
  data = _open_data(config)
  model = config_lib.model(config)
  optimiser = optax.adam(config["learning_rate"])
  clock = data.spec.clock
  # All of the config is read before the workdir is claimed, so that a value that cannot be leaves nothing behind.
  config_lib.smoothing(config)
  loss_weights = per_group(**config["loss_weights"])
  augmentation = config_lib.augmentation(config)
  audio_label = _audio_label(data, config)

  open_batches = functools.partial(
    training_batches,
    data,
    "train",
    config["batch_size"],
    config["seed"],
    shard=(jax.process_index(), jax.process_count()),
  )
  batches = open_batches()
  steps_per_epoch = len(data.source("train")) // config["batch_size"]
  num_steps = round(config["num_epochs"] * steps_per_epoch)
  _claim_workdir(workdir, config)

  # The first batch only gives the shapes; its iterator is a second one, so that no block is skipped.
  example = next(open_batches())
  state = create_state(model, optimiser, example, clock, config["seed"])
  checkpoints = Checkpoints(workdir)
  if checkpoints.latest_step() is not None:
    state = checkpoints.restore_last(state, batches)
  step = int(state.step)
  best = checkpoints.best_meta()
  best_f = best["validation"]["f"] if best else None

  advance = jax.jit(
    functools.partial(
      train_step,
      model=model,
      optimiser=optimiser,
      loss_weights=loss_weights,
      clock=clock,
      seed=config["seed"],
      augmentation=augmentation,
      audio_label=audio_label,
    ),
    donate_argnums=0,
  )
  predict_batch = jax.jit(functools.partial(predict, model=model, clock=clock))
  log = RunLog(workdir, step)
  progress = tqdm(total=num_steps, initial=step, desc="training", unit="step", disable=step >= num_steps)
  interval = _Interval()
  try:
    while step < num_steps:
      state, terms, total = advance(state, next(batches))
      step += 1
      interval.add(terms, total, step)
      checkpoint_due = step % config["checkpoint_every_steps"] == 0 or step == num_steps
      if step % config["log_every_steps"] == 0 or checkpoint_due:
        figures = interval.figures(config["batch_size"])
        interval = _Interval()
        log.write(step, "train", figures)
        progress.set_postfix_str(f"loss {figures['total']:.3f}, {figures['blocks_per_s']:.0f} blocks/s", refresh=False)
        progress.update(step - progress.n)
      if checkpoint_due:
        validation = _validate(functools.partial(predict_batch, state.variables), data, config)
        log.write(step, "validation", validation)
        meta = _meta(config, data, step, validation)
        if validation and (best_f is None or validation["f"] > best_f):
          best_f = validation["f"]
          checkpoints.save("best", state, batches, meta)
        # Last, so that a run killed between the two finds its best again when it goes on.
        checkpoints.save("last", state, batches, meta)
        interval = _Interval()
  finally:
    progress.close()
    log.close()
    checkpoints.close()
  return workdir


class _Interval:
  """Losses and time between two lines of the log; the losses stay on the device until they are asked for."""

  def __init__(self):
    self._start_s = time.monotonic()
    self._steps = 0
    self._terms: Terms | None = None
    self._total = jnp.zeros(())
    self._first_bad = jnp.full((), jnp.iinfo(jnp.int32).max, jnp.int32)

  def add(self, terms: Terms, total: jax.Array, step: int) -> None:
    self._terms = terms if self._terms is None else jax.tree.map(jnp.add, self._terms, terms)
    self._total = self._total + total
    self._first_bad = jnp.where(jnp.isfinite(total), self._first_bad, jnp.minimum(self._first_bad, step))
    self._steps += 1

  def figures(self, batch_size: int) -> dict[str, float]:
    """Mean losses, mean total and speed of the interval.

    Raises:
      ValueError: a loss was not finite; names the first step.
    """
    assert self._terms is not None
    first_bad = int(self._first_bad)
    if first_bad != jnp.iinfo(jnp.int32).max:
      raise ValueError(
        f"the loss is not finite at step {first_bad}; the last checkpoint is of before: lower config.learning_rate and "
        "start again"
      )
    figures = {name: float(value) for name, value in mean_terms(self._terms).items()}
    figures["total"] = float(self._total) / self._steps
    figures["blocks_per_s"] = batch_size * self._steps / (time.monotonic() - self._start_s)
    return figures


def _validate(predict_batch: Predict, data: PreparedData, config: Mapping[str, Any]) -> dict[str, float]:
  """Event-based figures of the outputs on the validation split; empty if the data set has none."""
  if "validation" not in data.splits:
    return {}
  recordings = score_recordings(predict_batch, data, "validation", config["batch_size"])
  scores = evaluate_outputs(recordings, data, config_lib.smoothing(config), PAPER)
  main = next(output for output in OUTPUTS if output in scores)
  overall = scores[main].event_based["overall"]
  figures = {f"{output}_f": value.event_based["overall"].f_score for output, value in scores.items()}
  return {"f": overall.f_score, "error_rate": overall.error_rate, **figures}


def _open_data(config: Mapping[str, Any]) -> PreparedData:
  if not config["data"]:
    raise ValueError("config.data is not set; name a prepared data set: --config.data=PATH")
  data = PreparedData(config["data"])
  if misfit := data.spec.misfit(config_lib.data_spec(config)):
    raise ValueError(f"{data.path}: prepared with {misfit}, which the config asks for; prepare it again")
  return data


def _audio_label(data: PreparedData, config: Mapping[str, Any]) -> str:
  """The entry of a batch that the audio branch learns."""
  if config_lib.audio_targets(config) == config_lib.PERFORMER:
    return "label"
  if AUDIO not in data.spec.label_sets:
    raise ValueError(
      f"{data.path}: has no labels of any voice, which config.audio_targets={config_lib.ANY_VOICE} needs; prepare it "
      f"with them or set {config_lib.PERFORMER}"
    )
  return "audio_label"


def _claim_workdir(workdir: Path, config: dict[str, Any]) -> None:
  """Writes config.json, or refuses a workdir that holds a run of another configuration."""
  path = workdir / "config.json"
  if path.exists():
    found = json.loads(path.read_text(encoding="utf-8"))["config"]
    different = [key for key in config_lib.KEYS if key not in _MAY_CHANGE and found.get(key) != config[key]]
    if different:
      raise ValueError(
        f"{workdir}: holds a run with other values of {', '.join(different)}; use another --workdir or remove it"
      )
  workdir.mkdir(parents=True, exist_ok=True)
  write_text(path, json.dumps({"config": config, "versions": _versions()}, indent=2) + "\n")


def _meta(config: dict[str, Any], data: PreparedData, step: int, validation: dict[str, float]) -> dict[str, Any]:
  return {
    "config": config,
    "spec": data.spec.to_dict(),
    "versions": _versions(),
    "step": step,
    "protocol": PAPER.event_name,
    "validation": validation,
  }


def _versions() -> dict[str, str]:
  names = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
  return {"attavvad_jax": __version__, **{name: importlib.metadata.version(name) for name in names}}


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
  """A ConfigDict or nested dict as plain dicts, as JSON will give it back."""
  return json.loads(json.dumps(dict(config), default=lambda nested: nested.to_dict()))
