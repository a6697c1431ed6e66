"""The training loop: fetches, steps, logs, validates and saves. Everything that computes is elsewhere."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import json
from pathlib import Path
import time
from typing import Any

from flax import linen as nn
import grain
import jax
import numpy as np
import optax

from attavvad_jax import checkpoints as checkpoints_lib
from attavvad_jax import config as config_lib
from attavvad_jax.blocks import AUDIO
from attavvad_jax.datasets.loader import PreparedData, training_batches
from attavvad_jax.evaluation.protocols import CLOSED
from attavvad_jax.evaluation.split import OUTPUTS, evaluate_outputs, score_recordings
from attavvad_jax.features.augmentation import Augmentation
from attavvad_jax.files import write_text
from attavvad_jax.loss_weights import LossWeights
from attavvad_jax.loss_weights.names import current_name
from attavvad_jax.notes import progress_bar
from attavvad_jax.predict import BlockScores, Predict, predict
from attavvad_jax.timeline import Timeline
from attavvad_jax.training.checkpoints import Checkpoints, clear_leftovers, has_last, is_better
from attavvad_jax.training.logs import Interval, RunLog, figures
from attavvad_jax.training.placement import (
  AXIS,
  MESH,
  PLACEMENTS,
  HostBatch,
  Placement,
  filled_size,
  padded,
  part_of_process,
  shared_out,
)
from attavvad_jax.training.processes import holding, is_main, stop_requests, wait_for_all
from attavvad_jax.training.step import Batch, StepLog, TrainState, create_state, train_step
from attavvad_jax.training.transfer import describe, freeze, frozen_parameters, load_matching
from attavvad_jax.versions import versions

# Whose versions a run and its checkpoints name.
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
# Keys of the config that may differ when a run goes on.
_MAY_CHANGE = ("num_epochs", "checkpoint_every_epochs", "checkpoint_every_steps", "log_every_steps", "remat")


@dataclasses.dataclass(frozen=True)
class Setup:
  """What a config describes, read and checked.

  Attributes:
    config: plain values, as JSON gives them back.
    data: the prepared data set.
    model: the network.
    transfer: what it starts from.
    optimiser: of its parameters.
    loss_weights: the function that gives the nine weights.
    augmentation: what is changed in the batches.
    audio_label: the entry of a batch that the audio branch learns.
    num_steps: of the whole training.
    checkpoint_interval: steps from one validation and checkpoint to the next.
  """

  config: dict[str, Any]
  data: PreparedData
  model: nn.Module
  transfer: config_lib.Transfer
  optimiser: optax.GradientTransformation
  loss_weights: LossWeights
  augmentation: Augmentation
  audio_label: str
  num_steps: int
  checkpoint_interval: int

  @property
  def data_digests(self) -> dict[str, str]:
    """What the splits that training reads are known by (`PreparedData.digest`)."""
    return {split: self.data.digest(split) for split in ("train", "validation") if split in self.data.splits}

  @functools.cached_property
  def source_digest(self) -> str | None:
    """What the checkpoint of `config.transfer` is known by; None where there is none, or none any more."""
    if self.transfer.checkpoint is None:
      return None
    try:
      return checkpoints_lib.parameters_digest(checkpoints_lib.find_checkpoint(self.transfer.checkpoint))
    except (ValueError, OSError):
      return None  # a run that has begun needs it no longer; one that begins says so when it loads it

  def open_batches(self) -> grain.DatasetIterator:
    """This process's share of the training batches, from the first."""
    shard = (jax.process_index(), jax.process_count())
    return training_batches(self.data, "train", self.config["batch_size"], self.config["seed"], shard=shard)

  def create_state(self, batch: Batch) -> TrainState:
    """A fresh state for batches shaped like `batch`."""
    return create_state(self.model, self.optimiser, self.loss_weights, batch, self.data.spec.clock, self.config["seed"])

  def load_transfer(self, state: TrainState) -> tuple[TrainState, str]:
    """A fresh state with what fits of `config.transfer.checkpoint`, and what that was, to be read; "" where none is."""
    if self.transfer.checkpoint is None:
      return state, ""
    state, loaded = load_matching(state, self.transfer.checkpoint)
    return state, describe(loaded, frozen_parameters(state.params, self.transfer.freeze))

  def step(self, state: TrainState, batch: Batch, **changes: Any) -> tuple[TrainState, StepLog]:
    """`train_step` of this setup, but for the `changes`: pure, to be jitted by the caller."""
    options: dict[str, Any] = dict(
      model=self.model,
      optimiser=self.optimiser,
      loss_weights=self.loss_weights,
      clock=self.data.spec.clock,
      seed=self.config["seed"],
      augmentation=self.augmentation,
      audio_label=self.audio_label,
      num_microbatches=self.config["num_microbatches"],
      remat=self.config["remat"],
    )
    return train_step(state, batch, **{**options, **changes})

  def map_step(self, placement: Placement) -> Callable[[TrainState, HostBatch], tuple[TrainState, StepLog]]:
    """`step`, compiled and mapped over devices; takes this process's blocks and uses up the state that it is given."""
    num_processes, num_parts = jax.process_count(), self.config["num_microbatches"]
    size, num_devices = self.config["batch_size"] // num_processes, placement.num_devices // num_processes
    has_padding = filled_size(size, num_devices, num_parts, num_processes) > size
    model = self.model.clone(axis_name=AXIS)

    # The seed is an argument, so that runs that differ in nothing else find the program compiled.
    def step(state: TrainState, batch: Batch, seed: jax.Array) -> tuple[TrainState, StepLog]:
      return self.step(state, batch, seed=seed, model=model, axis_name=AXIS, has_padding=has_padding)

    advance = placement.map_step(step)
    seed = np.uint32(self.config["seed"])

    def advance_by(state: TrainState, batch: HostBatch) -> tuple[TrainState, StepLog]:
      share = shared_out(batch, num_devices, num_parts, (jax.process_index(), num_processes))
      return advance(state, placement.put(share), seed)

    return advance_by

  def map_predict(self, placement: Placement) -> Callable[[Any, HostBatch], BlockScores]:
    """`predict`, compiled and mapped over devices; takes and gives all blocks in every process."""
    run = placement.map_predict(self.predict)

    def predict_batch(variables: Any, batch: HostBatch) -> BlockScores:
      scores = run(variables, placement.put(part_of_process(padded(batch, placement.num_devices))))
      return jax.tree.map(lambda values: np.asarray(values)[: len(batch["image_mask"])], scores)

    return predict_batch

  def predict(self, variables: Any, batch: Batch) -> BlockScores:
    """Scores of a batch: pure, to be jitted by the caller."""
    return predict(variables, batch, model=self.model, clock=self.data.spec.clock)


def set_up(config: Mapping[str, Any]) -> Setup:
  """Reads all of a config and writes nothing, so that a value that cannot be leaves nothing behind.

  Raises:
    ValueError: the config cannot be used or does not fit the data.
  """
  config = _plain(config)
  config_lib.check_keys(config)
  data = _open_data(config)
  config_lib.smoothing(config)
  config_lib.check_batch(config)
  transfer = config_lib.transfer(config)
  num_blocks = len(data.source("train"))
  return Setup(
    config=config,
    data=data,
    model=config_lib.model(config),
    transfer=transfer,
    optimiser=freeze(optax.adam(_learning_rate(config, num_blocks)), transfer.freeze),
    loss_weights=config_lib.loss_weights(config),
    augmentation=config_lib.augmentation(config),
    audio_label=_audio_label(data, config),
    num_steps=config_lib.num_steps(config, num_blocks, config["num_epochs"]),
    checkpoint_interval=config_lib.checkpoint_interval(config, num_blocks),
  )


def _learning_rate(config: Mapping[str, Any], num_blocks: int) -> float | optax.Schedule:
  """Constant, or along half a cosine wave from its value to 0."""
  rate, decay_epochs = config["learning_rate"], config["learning_rate_decay_epochs"]
  if decay_epochs < 0:
    raise ValueError(f"config.learning_rate_decay_epochs is {decay_epochs}; expected 0 for a constant rate, or more")
  if not decay_epochs:
    return rate
  return optax.cosine_decay_schedule(rate, config_lib.num_steps(config, num_blocks, decay_epochs))


def train(config: Mapping[str, Any], workdir: str | Path, placement: str = MESH) -> Path:
  """Trains until `config.num_epochs`, going on from the last checkpoint in the workdir if there is one.

  The workdir receives config.json, log.jsonl, tensorboard/ and checkpoints/{last,best}; `best` is the checkpoint with
  the highest event-based F on the split "validation" (protocol `closed`, audio-visual output), the first of equals.
  What a fresh run takes from another's checkpoint is printed and written to transfer.txt; one that goes on takes none.

  All devices are used, and those of all processes that have joined (`training.processes`), which need not be as many
  when a run goes on.

  Args:
    config: plain values with the keys of `configs.att_avvad`.
    workdir: folder of the run; of several processes the same one.
    placement: a name of `placement.PLACEMENTS`.

  Returns:
    The workdir.

  Raises:
    ValueError: the config cannot be used, does not fit the data or the run in the workdir, another program is at work
      in the workdir, a checkpoint cannot be written, another process was lost, or the loss is not finite.
    SystemExit: with code 0, after SIGTERM: the run was saved and can be gone on with.
  """
  workdir = Path(workdir)
  setup = set_up(config)
  if placement not in PLACEMENTS:
    raise ValueError(f"unknown placement {placement!r}; expected one of {', '.join(PLACEMENTS)}")
  check_workdir(workdir, setup)
  # The first batch only gives the shapes.
  state = setup.create_state(next(setup.open_batches()))
  state, transferred = (state, "") if has_last(workdir) else setup.load_transfer(state)
  with holding(workdir), stop_requests() as must_stop:
    try:
      _train(setup, workdir, PLACEMENTS[placement](), state, transferred, must_stop)
    except jax.errors.JaxRuntimeError as error:
      if jax.process_count() == 1:
        raise
      raise ValueError(
        f"{workdir}: lost another of the {jax.process_count()} processes ({str(error).splitlines()[0]}); look at what "
        "the others say; started again, all go on from the last checkpoint"
      ) from error
  return workdir


def _train(
  setup: Setup,
  workdir: Path,
  placement: Placement,
  state: TrainState,
  transferred: str,
  must_stop: Callable[[int], bool],
) -> None:
  """As `train`, from a fresh state, in a workdir that is held."""
  config, num_steps = setup.config, setup.num_steps
  batches = setup.open_batches()
  state = placement.replicate(state)
  if is_main():
    claim_workdir(workdir, setup)
    if transferred:
      print(transferred)
      write_text(workdir / "transfer.txt", transferred + "\n")
  wait_for_all("claimed")

  checkpoints = Checkpoints(workdir)
  if checkpoints.latest_step() is not None:
    state = checkpoints.restore_last(state, batches)
  step = int(state.step)
  best = checkpoints.best_meta()
  best_f = best["validation"]["f"] if best else None

  advance = setup.map_step(placement)
  accumulate = jax.jit(lambda interval, found, step: interval + Interval.of(found, step))
  predict_batch = setup.map_predict(placement)
  log = RunLog(workdir, step) if is_main() else None
  progress = progress_bar(
    total=num_steps, initial=step, desc="training", unit="step", disable=step >= num_steps or not is_main()
  )
  interval, started_s = None, time.monotonic()
  try:
    while step < num_steps:
      state, found = advance(state, next(batches))
      step += 1
      interval = Interval.of(found, step) if interval is None else accumulate(interval, found, step)
      stopping = must_stop(step)
      checkpoint_due = step % setup.checkpoint_interval == 0 or step == num_steps
      if step % config["log_every_steps"] == 0 or checkpoint_due or stopping:
        check_finite(interval)
        blocks = config["batch_size"] * int(interval.steps)
        line = {**figures(interval), "blocks_per_s": blocks / (time.monotonic() - started_s)}
        interval, started_s = None, time.monotonic()
        if log:
          log.write(step, "train", line)
        progress.set_postfix_str(f"loss {line['total']:.3f}, {line['blocks_per_s']:.0f} blocks/s", refresh=False)
        progress.update(step - progress.n)
      if checkpoint_due:
        placed = placement.replicate(state)
        validation = validate(functools.partial(predict_batch, placed.variables), setup.data, config)
        if log and validation:
          log.write(step, "validation", validation)
        meta = run_meta(setup, step, validation)
        if is_better(validation, best_f):
          best_f = validation["f"]
          checkpoints.save("best", placed, batches, meta)
        # Last, so that a run killed between the two finds its best again when it goes on.
        checkpoints.save("last", placed, batches, meta)
        started_s = time.monotonic()
      if stopping and step < num_steps:
        if not checkpoint_due:
          checkpoints.save("last", placement.replicate(state), batches, run_meta(setup, step, {}))
        if is_main():
          print(f"{workdir}: asked to end; saved at step {step} of {num_steps}. The same command goes on from there.")
        raise SystemExit(0)
  finally:
    progress.close()
    if log:
      log.close()
    checkpoints.close()


def check_finite(interval: Interval) -> None:
  """Raises a ValueError where a loss was not finite; names the first step."""
  if (step := interval.diverged_at) is not None:
    raise ValueError(
      f"the loss is not finite at step {step}; the last checkpoint is of before: lower config.learning_rate and start "
      "again"
    )


def validate(predict_batch: Predict, data: PreparedData, config: Mapping[str, Any]) -> dict[str, float]:
  """Event-based figures of the outputs on the validation split; empty if the data set has none."""
  if "validation" not in data.splits:
    return {}
  recordings = score_recordings(predict_batch, data, "validation", config["batch_size"])
  return validation_figures(recordings, data, config)


def validation_figures(
  recordings: Mapping[str, tuple[Timeline, BlockScores]], data: PreparedData, config: Mapping[str, Any]
) -> dict[str, float]:
  """Event-based figures of the outputs on recordings that were scored; `f`, of the main one, tells what is best."""
  scores = evaluate_outputs(recordings, data, config_lib.smoothing(config), CLOSED)
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


def check_workdir(workdir: Path, setup: Setup) -> None:
  """Refuses a workdir that holds a run of another configuration, on other data, or from another source.

  Data and source are told by their digests, and may lie elsewhere than they did. A run of before digests were noted is
  told by their paths.
  """
  found = _read_claim(workdir)
  if not found:
    return
  config, data, source = setup.config, found.get("data", {}), found.get("source")
  before = {**found["config"], "transfer": dict(found["config"].get("transfer", {}))}
  if data:
    before["data"] = config["data"]
  if source and config["transfer"]["checkpoint"]:
    before["transfer"]["checkpoint"] = config["transfer"]["checkpoint"]
  before["loss_weights"] = current_name(before["loss_weights"])
  config = {**config, "loss_weights": current_name(config["loss_weights"])}
  different = [key for key in config_lib.KEYS if key not in _MAY_CHANGE and before.get(key) != config[key]]
  if different:
    raise ValueError(
      f"{workdir}: holds a run with other values of {', '.join(different)}; use another --workdir or remove it"
    )
  digests = setup.data_digests
  for split in {**data, **digests} if data else ():
    then, now = data.get(split), digests.get(split)
    if then != now:
      raise ValueError(
        f"{workdir}: holds a run on other data than {setup.data.path} has now: split {split} is {_short(now)}, "
        f"expected {_short(then)}; bring those back, or use another --workdir or remove it"
      )
  if source and setup.source_digest not in (None, source):
    raise ValueError(
      f"{workdir}: holds a run that started from other parameters than {config['transfer']['checkpoint']} has now: "
      f"{_short(setup.source_digest)}, expected {_short(source)}; bring those back, or use another --workdir or remove "
      "it"
    )


def claim_workdir(workdir: Path, setup: Setup) -> None:
  """Writes config.json and clears what a run that was killed has left, or refuses as `check_workdir`."""
  check_workdir(workdir, setup)
  source = _read_claim(workdir).get("source") or setup.source_digest
  workdir.mkdir(parents=True, exist_ok=True)
  claim = {"config": setup.config, "data": setup.data_digests, "source": source, "versions": versions(_PACKAGES)}
  write_text(workdir / "config.json", json.dumps(claim, indent=2) + "\n")
  clear_leftovers(workdir)


def run_meta(setup: Setup, step: int, validation: dict[str, float]) -> dict[str, Any]:
  """What a checkpoint says of itself."""
  return {
    "config": setup.config,
    "spec": setup.data.spec.to_dict(),
    "data": setup.data_digests,
    "versions": versions(_PACKAGES),
    "step": step,
    "protocol": CLOSED.event_name,
    "validation": validation,
  }


def _read_claim(workdir: Path) -> dict[str, Any]:
  """The config.json of a workdir; empty where there is none."""
  path = workdir / "config.json"
  return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _short(digest: str | None) -> str:
  """Of a digest as much as people compare."""
  return digest[:12] if digest else "not there"


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
  """A ConfigDict or nested dict as plain dicts, as JSON will give it back."""
  return json.loads(json.dumps(dict(config), default=lambda nested: nested.to_dict()))
