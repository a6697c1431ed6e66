"""Trains many runs as one program: every setting of the loss weights with every seed, in parallel by `vmap`.

Every member is an ordinary run in its own folder, which can be evaluated, used for detection and resumed alone. It
draws the same blocks, dropout and augmentation as if it were trained alone. Members are distributed over the devices
and do not communicate.

Differences: a batched program sums in another order than a program of a single member, so the last digits differ.
Training amplifies this where a ReLU's input is nearly 0, and where Adam makes full steps of a gradient that is only
rounding error (of biases that a normalization cancels). Two kinds of machines differ in the same way. If one setting
needs gradient norms, all members compute them.

Speed: members together can fill a device that a single run leaves idle. On two CPU cores, which a single run keeps
busy, 3 members of the small configuration made 0.5 to 0.9 times the steps per second of runs one after another (4
rounds, with other programs running). The grouped convolutions that `vmap` creates are slow for few channels: the first
visual one, with 3 per member, took 5 times as long forward and 2.6 times for the kernel's gradient; those with 32 took
0.8 to 1.4 times at stride 1. Accelerators were not measured; each sweep measures its own speed.

Axes: M members of the program, padded to a multiple of the number of devices; B blocks.
"""

from collections.abc import Callable, Mapping, Sequence
import contextlib
import dataclasses
import functools
import math
import operator
from pathlib import Path
import re
import statistics
import time
from typing import Any

import grain
import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec, SingleDeviceSharding
import numpy as np
from tqdm import tqdm

from attavvad_jax.blocks import HostBatch
from attavvad_jax.checkpoints import find_checkpoint, read_meta
from attavvad_jax.evaluation.split import score_recordings
from attavvad_jax.features.augmentation import Batch
from attavvad_jax.files import write_text
from attavvad_jax.loss_weights import LossWeights, choose, from_name
from attavvad_jax.notes import progress_bar
from attavvad_jax.predict import BlockScores
from attavvad_jax.training.checkpoints import Checkpoints, has_last
from attavvad_jax.training.logs import Interval
from attavvad_jax.training.placement import Mesh
from attavvad_jax.training.processes import holding, stop_requests
from attavvad_jax.training.run import Diverged, Run
from attavvad_jax.training.setup import Setup, set_up
from attavvad_jax.training.step import TrainState
from attavvad_jax.training.validation import validation_metrics
from attavvad_jax.training.workdir import check_workdir, claim_workdir

_LARGEST_SEED = 2**32 - 1
# This file marks a member whose loss was not finite and says at which step. A resumed sweep does not train it further.
_DIVERGED = "diverged.txt"
# The smallest number of timed steps, and the shortest total time of them.
_TIMED_STEPS, _TIMED_S = 3, 2.0


@dataclasses.dataclass(frozen=True)
class Member:
  """A run of a sweep.

  Attributes:
    setting: the run's `config.loss_weights`.
    seed: the run's `config.seed`.
    workdir: the run's folder.
    setup: the objects that its config describes, as for training it alone.
  """

  setting: str
  seed: int
  workdir: Path
  setup: Setup

  def __str__(self) -> str:
    return f"{self.setting}, seed {self.seed}"

  @property
  def diverged(self) -> str | None:
    """The message in its folder about a loss that was not finite, or None."""
    path = self.workdir / _DIVERGED
    return path.read_text(encoding="utf-8").strip() if path.exists() else None


@dataclasses.dataclass(frozen=True)
class Speed:
  """Steps of members per second, as medians of a few steps.

  Attributes:
    together: with all members in one program.
    alone: with the first member alone.
  """

  together: float
  alone: float


@dataclasses.dataclass(frozen=True)
class Sweep:
  """The results of a sweep.

  Attributes:
    best: the members, by setting and then by seed, each with the metadata of its best checkpoint (`run.run_meta`), or
      None without one.
    speed: the measured speed; None if nothing was left to train.
  """

  best: list[tuple[Member, dict[str, Any] | None]]
  speed: Speed | None


def sweep(config: Mapping[str, Any], workdir: str | Path, settings: Sequence[str], seeds: Sequence[int]) -> Sweep:
  """Trains every setting with every seed until `config.num_epochs`, each resuming from its own last checkpoint.

  Members that are ahead, because the program was killed between two saves or because they were trained alone, wait for
  the others. Members that are finished or diverged are left out, unless members that started in the same program are
  unfinished: the program then stays the same, so that these end with bit-identical results to an uninterrupted sweep.

  Args:
    config: the config for `training.loop.train`; each member replaces `loss_weights` and `seed`.
    workdir: receives a folder for each member, named by setting and seed, with the files of `training.loop.train`.
    settings: values of `config.loss_weights`.
    seeds: values of `config.seed`.

  Returns:
    The members with their best checkpoints, and the speed.

  Raises:
    ValueError: as `plan` and `training.loop.train`; but a loss that is not finite ends only its member, whose folder
      then has a file diverged.txt.
    SystemExit: SIGTERM was received; with code 0, after all members were saved so that they can resume.
  """
  members = plan(config, Path(workdir), settings, seeds)
  example = next(members[0].setup.open_batches())
  fresh = _fresh_states(members, example)
  for member in members:
    check_workdir(member.workdir, member.setup)
  with contextlib.ExitStack() as stack:
    for member in members:
      stack.enter_context(holding(member.workdir))
    for transferred in dict.fromkeys(transferred for _, transferred in fresh if transferred):
      print(transferred)
    for member, (_, transferred) in zip(members, fresh, strict=True):
      claim_workdir(member.workdir, member.setup)
      if transferred:
        write_text(member.workdir / "transfer.txt", transferred + "\n")

    in_program = _in_program(members)
    runs = [stack.enter_context(contextlib.closing(_MemberRun(member, in_program))) for member in in_program]
    states = [state for member, (state, _) in zip(members, fresh, strict=True) if member in in_program]
    must_stop = stack.enter_context(stop_requests())
    speed = _train(runs, states, example, must_stop) if runs else None
  return Sweep([(member, _best(member)) for member in members], speed)


def describe(result: Sweep) -> str:
  """Returns a table of the members, a line for each that diverged, and the speed as text."""
  rows = [("setting", "seed", "validation F %", "step")]
  for member, best in result.best:
    f, step = (best["validation"]["f"], str(best["step"])) if best else (math.nan, "–")
    rows.append((member.setting, str(member.seed), "–" if math.isnan(f) else f"{100 * f:.1f}", step))
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
  lines += [f"diverged: {member}: {member.diverged}" for member, _ in result.best if member.diverged]
  if speed := result.speed:
    lines.append(
      f"member steps/s: {speed.together:.3g} together, {speed.alone:.3g} one after another "
      f"({speed.together / speed.alone:.2f} times)"
    )
  return "\n".join(lines)


def parse_seeds(texts: Sequence[str]) -> list[int]:
  """Reads seeds from text.

  Raises:
    ValueError: a text is not a whole number in the range of seeds.
  """
  for text in texts:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > _LARGEST_SEED:
      raise ValueError(f"seeds: {text!r}; expected whole numbers from 0 to {_LARGEST_SEED}")
  return [int(text) for text in texts]


def plan(config: Mapping[str, Any], workdir: Path, settings: Sequence[str], seeds: Sequence[int]) -> list[Member]:
  """Returns the members, by setting and then by seed. Writes nothing.

  Raises:
    ValueError: a list is empty or has duplicates, a setting is unknown, or `set_up` raises it.
  """
  functions = [_function(setting) for setting in settings]
  _check_list("settings", settings, [_file_name(setting) for setting in settings])
  _check_list("seeds", seeds, [str(seed) for seed in seeds])
  base = set_up({**config, "loss_weights": settings[0], "seed": seeds[0]})
  return [
    Member(
      setting,
      seed,
      workdir / f"{_file_name(setting)}-seed{seed}",
      dataclasses.replace(base, config={**base.config, "loss_weights": setting, "seed": seed}, loss_weights=function),
    )
    for setting, function in zip(settings, functions, strict=True)
    for seed in seeds
  ]


def _function(setting: str) -> LossWeights:
  try:
    return from_name(setting)
  except ValueError as error:
    raise ValueError(f"settings: {error}") from error


def _check_list(name: str, values: Sequence[Any], file_names: Sequence[str]) -> None:
  """Raises a ValueError for a list that is empty or has duplicates."""
  if not values:
    raise ValueError(f"{name}: none is given; expected one or more")
  for file_name in file_names:
    same = [str(value) for value, other in zip(values, file_names, strict=True) if other == file_name]
    if len(same) > 1:
      raise ValueError(f"{name}: {' and '.join(same)} are the same; give each once")


def _file_name(setting: str) -> str:
  """Returns a setting as part of a file name with normalized numbers: "1-1-0.5" for "1/1/.5" and "1/1/0.50"."""

  def plain(part: str) -> str:
    try:
      return str(float(part)).removesuffix(".0")
    except ValueError:
      return part

  return re.sub(r"[^\w.+]", "-", "-".join(plain(part) for part in setting.split("/")))


def _fresh_states(members: Sequence[Member], example: HostBatch) -> list[tuple[TrainState, str]]:
  """Returns each member's fresh state, and the description of what it loads from another run's checkpoint, or ""."""
  # Members with the same seed start from the same parameters.
  by_seed = {member.seed: member.setup for member in members}
  states = {seed: setup.create_state(example) for seed, setup in by_seed.items()}
  result = []
  for member in members:
    state = dataclasses.replace(states[member.seed], loss_weights=member.setup.loss_weights.init())
    result.append((state, "") if has_last(member.workdir) else member.setup.load_transfer(state))
  return result


def _in_program(members: Sequence[Member]) -> list[Member]:
  """Returns the unfinished members and those of the program they started in, as another would round differently."""
  unfinished: list[Member] = []
  names: set[str] = set()
  for member in members:
    meta = read_meta(find_checkpoint(member.workdir / "checkpoints" / "last")) if has_last(member.workdir) else None
    if member.diverged is None and (meta is None or meta["step"] < member.setup.num_steps):
      unfinished.append(member)
      names.update(meta.get("program", ()) if meta else ())
  return [member for member in members if member in unfinished or member.workdir.name in names]


def _best(member: Member) -> dict[str, Any] | None:
  with contextlib.closing(Checkpoints(member.workdir)) as checkpoints:
    return checkpoints.best_meta()


class _MemberRun(Run):
  """The run of a member, which ends early if its loss is not finite."""

  def __init__(self, member: Member, in_program: Sequence[Member]):
    super().__init__(member.setup, member.workdir, program=[other.workdir.name for other in in_program])
    self.member = member
    self.diverged = member.diverged is not None

  @property
  def goes_on(self) -> bool:
    """Whether steps are left to train."""
    return not (self.is_finished or self.diverged)

  def log_or_give_up(self, interval: Interval, blocks_per_s: float) -> None:
    """Writes the metrics of the steps since the last line, or marks the member as diverged."""
    try:
      self.log(interval, blocks_per_s)
    except Diverged as error:
      self.diverged = True
      self.note_divergence(interval)
      write_text(self.member.workdir / _DIVERGED, f"{error}\n")
      tqdm.write(f"{self.member}: {error}")


class _Program:
  """The states of all members and the compiled functions of all of them, on at most one device per member.

  If the number of devices does not divide that of members, copies of the first member fill the rest and never advance.
  """

  def __init__(self, members: Sequence[Member], states: Sequence[TrainState]):
    setup = members[0].setup
    self.num_members = len(members)
    functions = {member.setting: member.setup.loss_weights for member in members}
    self.seeds = list(dict.fromkeys(member.seed for member in members))
    devices = jax.devices()[: len(members)]
    mesh = jax.make_mesh((len(devices),), ("members",), axis_types=(AxisType.Auto,), devices=devices)
    shared, everywhere = PartitionSpec("members"), PartitionSpec()
    # A single device does without a mesh, on which jax 0.7.2 raises for the gradients of vmapped convolutions.
    self._sharding = NamedSharding(mesh, shared) if len(devices) > 1 else SingleDeviceSharding(devices[0])
    self._num_copies = -len(members) % len(devices)
    # Indices of each member's setting and row of the batches, beside its seed.
    self._settings = [list(functions).index(member.setting) for member in members]
    rows = [self.seeds.index(member.seed) for member in members]
    own_seeds = [member.seed for member in members]
    self._choices = [self._place(np.array(choice, np.uint32)) for choice in (self._settings, own_seeds, rows)]
    # The step keeps a state for every weight function; those that a member does not use are fresh.
    unused = choose(list(functions.values()), 0).init()
    wide = [
      dataclasses.replace(state, loss_weights=(*unused[:own], state.loss_weights, *unused[own + 1 :]))
      for state, own in zip(states, self._settings, strict=True)
    ]
    self._state = jax.tree.map(lambda *leaves: self._place(np.stack(leaves)), *wide)

    def advance(
      state: TrainState, active: jax.Array, setting: jax.Array, seed: jax.Array, row: jax.Array, batches: Batch
    ) -> tuple[TrainState, Interval]:
      batch = {name: values[row] for name, values in batches.items()}
      after, log = setup.step(state, batch, loss_weights=choose(list(functions.values()), setting), seed=seed)
      return jax.tree.map(functools.partial(jnp.where, active), after, state), Interval.of(log, after.step)

    def share(function: Callable[..., Any], in_specs: Any, out_specs: Any) -> Callable[..., Any]:
      if len(devices) == 1:
        return function
      return jax.shard_map(function, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)

    advance_all = jax.vmap(advance, in_axes=(0, 0, 0, 0, 0, None))
    self._advance = jax.jit(
      share(advance_all, in_specs=(*[shared] * 5, everywhere), out_specs=shared), donate_argnums=0
    )
    predict_all = jax.vmap(setup.predict, in_axes=(0, None), out_axes=1)
    self._predict = jax.jit(share(predict_all, in_specs=(shared, everywhere), out_specs=PartitionSpec(None, "members")))

  def advance(self, active: Sequence[bool], batches: Sequence[HostBatch]) -> Interval:
    """Advances the active members by a step.

    Args:
      active: whether each member advances.
      batches: a batch for each of `seeds`.

    Returns:
      The interval of the step, [M, ...], meaningless for inactive members.
    """
    stacked = {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
    self._state, interval = self._advance(self._state, self._place(np.array(active)), *self._choices, stacked)
    return interval

  def predict(self, batch: Mapping[str, Any]) -> BlockScores:
    """Returns the scores of a batch by all members, [B, M, ...]."""
    return self._predict(self._state.variables, batch)

  def states(self) -> list[TrainState]:
    """Returns the state of each member, with the state of its own weight function only."""
    everything = jax.device_get(self._state)
    states = [jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf[i]), everything) for i in range(self.num_members)]
    return [
      dataclasses.replace(s, loss_weights=s.loss_weights[own]) for s, own in zip(states, self._settings, strict=True)
    ]

  def _place(self, values: np.ndarray) -> jax.Array:
    """Pads the members' values, [members, ...], and distributes them over the devices, [M, ...]."""
    return jax.device_put(np.concatenate([values, *[values[:1]] * self._num_copies]), self._sharding)


def _train(
  runs: Sequence[_MemberRun], fresh: Sequence[TrainState], example: HostBatch, must_stop: Callable[[int], bool]
) -> Speed:
  """Trains each run to its end or until its loss is not finite, and then measures the speed."""
  states, iterators = [], {}
  for run, state in zip(runs, fresh, strict=True):
    batches = run.member.setup.open_batches()
    states.append(run.restore(state, batches))
    # The data of a seed resume at the position of the member that is furthest behind.
    if run.step == min(other.step for other in runs if other.member.seed == run.member.seed):
      iterators[run.member.seed] = batches
  program = _Program([run.member for run in runs], states)

  setup = runs[0].member.setup
  config, num_steps = setup.config, setup.num_steps
  latest = dict.fromkeys(program.seeds, example)
  accumulate = jax.jit(lambda interval, new: interval + new)
  step = min(run.step for run in runs)
  progress = progress_bar(total=num_steps, initial=step, desc=f"training {len(runs)} runs", unit="step")
  interval, started_s = None, time.monotonic()
  try:
    while going_on := [run for run in runs if run.goes_on]:
      step = min(run.step for run in going_on)
      active = [run for run in going_on if run.step == step]
      latest.update({seed: next(iterators[seed]) for seed in {run.member.seed for run in active}})
      new = program.advance([run in active for run in runs], [latest[seed] for seed in program.seeds])
      interval = new if interval is None else accumulate(interval, new)
      step += 1
      for run in active:
        run.step = step
      # An interval ends when waiting members join, so that all its steps have the same members.
      joined = any(run.step == step for run in going_on if run not in active)
      stopping = must_stop(step)
      if active[0].line_is_due or joined or stopping:
        everyone = jax.device_get(interval)
        blocks_per_s = config["batch_size"] * int(everyone.steps[0]) / (time.monotonic() - started_s)
        interval, started_s = None, time.monotonic()
        for i, run in enumerate(runs):
          if run in active:
            run.log_or_give_up(jax.tree.map(operator.itemgetter(i), everyone), blocks_per_s)
        progress.set_postfix_str(f"{len(active) * blocks_per_s:.0f} blocks/s", refresh=False)
        progress.update(step - progress.n)
      if active[0].checkpoint_is_due or stopping:
        to_save = [run for run in active if not run.diverged]
        _checkpoint(program, runs, to_save, iterators, validates=active[0].checkpoint_is_due)
        started_s = time.monotonic()
      if stopping and any(run.goes_on for run in runs):
        print(f"asked to end; saved at step {step} of {num_steps}. Run the same command again to resume.")
        raise SystemExit(0)
  finally:
    progress.close()
  return _measure(program, setup, program.states()[0], example)


def _checkpoint(
  program: _Program,
  runs: Sequence[_MemberRun],
  active: Sequence[_MemberRun],
  iterators: Mapping[int, grain.DatasetIterator],
  validates: bool,
) -> None:
  """Saves the active runs of a program and, if `validates`, first validates them in one pass over the data."""
  setup = runs[0].member.setup
  recordings = {}
  if validates and active and "validation" in setup.data.splits:
    recordings = score_recordings(program.predict, setup.data, "validation", setup.config["batch_size"])
  for i, (run, state) in enumerate(zip(runs, program.states(), strict=True)):
    if run in active:
      scored = {name: (reference, _of_member(scores, i)) for name, (reference, scores) in recordings.items()}
      validation = validation_metrics(scored, setup.data, setup.config) if scored else {}
      run.save(state, iterators[run.member.seed], validation)


def _of_member(scores: BlockScores, i: int) -> BlockScores:
  """Selects a member's scores, [B, M, ...] -> [B, ...]."""
  return jax.tree.map(lambda array: array[:, i], scores)


def _measure(program: _Program, setup: Setup, state: TrainState, example: HostBatch) -> Speed:
  """Times steps of all members of a program and, alternately, of a single member as in `loop.train`.

  Args:
    program: the members' program; their states are meaningless afterwards.
    setup: setup of the single member.
    state: state of the single member.
    example: batch for every step.
  """
  placement = Mesh()
  advance, state = setup.map_step(placement), placement.replicate(state)
  together_s: list[float] = []
  alone_s: list[float] = []
  # The first steps compile.
  while len(alone_s) <= _TIMED_STEPS or sum(together_s[1:] + alone_s[1:]) < _TIMED_S:
    times = [time.monotonic()]
    jax.block_until_ready(program.advance([True] * program.num_members, [example] * len(program.seeds)))
    times.append(time.monotonic())
    state, _ = jax.block_until_ready(advance(state, example))
    times.append(time.monotonic())
    together_s.append(times[1] - times[0])
    alone_s.append(times[2] - times[1])
  return Speed(program.num_members / statistics.median(together_s[1:]), 1 / statistics.median(alone_s[1:]))
