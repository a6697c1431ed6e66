"""Many runs as one program: settings of the loss weights times seeds, side by side by `vmap`.

Every member is an ordinary run in a folder of its own, which can be evaluated, used to detect and gone on with alone.
It draws the blocks, the dropout and the augmentation that it would draw alone. Members are shared out over the devices
that there are, and have nothing to tell each other.

Differences: a batched program adds numbers up in another order than one of a single member, so that the last digits
part. Training widens this where a ReLU's input is nearly 0, and where Adam makes whole steps of a gradient that is
nothing but rounding (of biases that a normalization takes away again), as between two kinds of machines. All members
pay for the gradient norms that one setting asks for.

Speed: members together fill a device that one alone leaves idle. Two CPU cores are not idle: there 3 members of the
small configuration made 0.5 to 0.9 times the steps a second of one after another (4 rounds, other programs running).
The grouped convolutions that `vmap` makes are slow for few channels: the first visual one, with 3 a member, took 5
times as long forward and 2.6 times for the kernel's gradient, those with 32 from 0.8 to 1.4 times at stride 1. Not
measured on accelerators; each sweep measures its own.

Axes: M members of the program, a multiple of the number of devices; B blocks.
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
# In the folder of a member whose loss was not finite: what happened. A sweep that goes on leaves such a member alone.
_DIVERGED = "diverged.txt"
# Steps are timed at least this often and this long.
_TIMED_STEPS, _TIMED_S = 3, 2.0


@dataclasses.dataclass(frozen=True)
class Member:
  """A run of a sweep.

  Attributes:
    setting: its `config.loss_weights`.
    seed: its `config.seed`.
    workdir: its folder.
    setup: what training it alone would read from its config.
  """

  setting: str
  seed: int
  workdir: Path
  setup: Setup

  def __str__(self) -> str:
    return f"{self.setting}, seed {self.seed}"

  @property
  def diverged(self) -> str | None:
    """What its folder says of a loss that was not finite, or None."""
    path = self.workdir / _DIVERGED
    return path.read_text(encoding="utf-8").strip() if path.exists() else None


@dataclasses.dataclass(frozen=True)
class Speed:
  """Steps of members a second: of all members together, and of the first one alone. Medians of a few steps."""

  together: float
  alone: float


@dataclasses.dataclass(frozen=True)
class Sweep:
  """What came of a sweep.

  Attributes:
    best: the members, by setting and then by seed, each with what its best checkpoint says of itself (`run.run_meta`),
      None where there is none.
    speed: None where nothing was left to train.
  """

  best: list[tuple[Member, dict[str, Any] | None]]
  speed: Speed | None


def sweep(config: Mapping[str, Any], workdir: str | Path, settings: Sequence[str], seeds: Sequence[int]) -> Sweep:
  """Trains every setting with every seed until `config.num_epochs`, each going on from its own last checkpoint.

  Members that are ahead, because the program was killed between two saves or because they were trained alone, wait for
  the others. Those that are finished or diverged are left out, unless others that began with them are not: these then
  end as they would have if nothing had happened, bit for bit.

  Args:
    config: as `training.loop.train` takes it; members have `loss_weights` and `seed` of their own.
    workdir: gets a folder for each member, named by setting and seed, as `training.loop.train` makes it.
    settings: values of `config.loss_weights`.
    seeds: values of `config.seed`.

  Returns:
    The members with their best checkpoints, and the speed.

  Raises:
    ValueError: as `plan` and `training.loop.train`; but a loss that is not finite ends only its member, whose folder
      then has a file diverged.txt.
    SystemExit: with code 0, after SIGTERM: all members were saved and can be gone on with.
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
  """A table of the members, those that diverged by name, and the speed."""
  rows = [("setting", "seed", "validation F %", "step")]
  for member, best in result.best:
    f, step = (best["validation"]["f"], str(best["step"])) if best else (math.nan, "–")
    rows.append((member.setting, str(member.seed), "–" if math.isnan(f) else f"{100 * f:.1f}", step))
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
  lines += [f"diverged: {member}: {member.diverged}" for member, _ in result.best if member.diverged]
  if speed := result.speed:
    lines.append(
      f"members/s: {speed.together:.3g} steps of members a second together, {speed.alone:.3g} one after another "
      f"({speed.together / speed.alone:.2f} times)"
    )
  return "\n".join(lines)


def parse_seeds(texts: Sequence[str]) -> list[int]:
  """Numbers from text.

  Raises:
    ValueError: one is not a whole number that can be a seed.
  """
  for text in texts:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > _LARGEST_SEED:
      raise ValueError(f"seeds: {text!r}; expected whole numbers from 0 to {_LARGEST_SEED}")
  return [int(text) for text in texts]


def plan(config: Mapping[str, Any], workdir: Path, settings: Sequence[str], seeds: Sequence[int]) -> list[Member]:
  """The members, by setting and then by seed. Writes nothing.

  Raises:
    ValueError: a list is empty or has something twice, a setting is unknown, or as `set_up`.
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
  """Raises a ValueError for a list that is empty or has something twice."""
  if not values:
    raise ValueError(f"{name}: none is given; expected one or more")
  for file_name in file_names:
    same = [str(value) for value, other in zip(values, file_names, strict=True) if other == file_name]
    if len(same) > 1:
      raise ValueError(f"{name}: {' and '.join(same)} are the same; give each once")


def _file_name(setting: str) -> str:
  """A setting as a part of a file name, numbers written in one way: "1-1-0.5" for "1/1/.5" and "1/1/0.50"."""

  def plain(part: str) -> str:
    try:
      return str(float(part)).removesuffix(".0")
    except ValueError:
      return part

  return re.sub(r"[^\w.+]", "-", "-".join(plain(part) for part in setting.split("/")))


def _fresh_states(members: Sequence[Member], example: HostBatch) -> list[tuple[TrainState, str]]:
  """The state that each member starts from, and what it takes of a checkpoint, to be read."""
  # Members of one seed start from the same parameters.
  by_seed = {member.seed: member.setup for member in members}
  states = {seed: setup.create_state(example) for seed, setup in by_seed.items()}
  result = []
  for member in members:
    state = dataclasses.replace(states[member.seed], loss_weights=member.setup.loss_weights.init())
    result.append((state, "") if has_last(member.workdir) else member.setup.load_transfer(state))
  return result


def _in_program(members: Sequence[Member]) -> list[Member]:
  """Those with something left to train, and those that they began with: another program would round differently."""
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
  """The run of a member, which may end early where its loss is not finite."""

  def __init__(self, member: Member, in_program: Sequence[Member]):
    super().__init__(member.setup, member.workdir, program=[other.workdir.name for other in in_program])
    self.member = member
    self.diverged = member.diverged is not None

  @property
  def goes_on(self) -> bool:
    """Whether there is something left to train."""
    return not (self.is_finished or self.diverged)

  def log_or_give_up(self, interval: Interval, blocks_per_s: float) -> None:
    """Writes the figures of the steps since the last line, or that the loss of one of them was not finite."""
    try:
      self.log(interval, blocks_per_s)
    except Diverged as error:
      self.diverged = True
      self.note_divergence(interval)
      write_text(self.member.workdir / _DIVERGED, f"{error}\n")
      tqdm.write(f"{self.member}: {error}")


class _Program:
  """The states of all members, and what is computed with them at once, on as many devices as there are members for.

  Where the members cannot be shared out evenly, copies of the first one fill the places left and never advance.
  """

  def __init__(self, members: Sequence[Member], states: Sequence[TrainState]):
    setup = members[0].setup
    self.num_members = len(members)
    functions = {member.setting: member.setup.loss_weights for member in members}
    self.seeds = list(dict.fromkeys(member.seed for member in members))
    devices = jax.devices()[: len(members)]
    mesh = jax.make_mesh((len(devices),), ("members",), axis_types=(AxisType.Auto,), devices=devices)
    shared, everywhere = PartitionSpec("members"), PartitionSpec()
    # One device needs no mesh, and with one, jax 0.7.2 raises for the gradients of all members' convolutions.
    self._sharding = NamedSharding(mesh, shared) if len(devices) > 1 else SingleDeviceSharding(devices[0])
    self._num_copies = -len(members) % len(devices)
    # Which setting, seed and row of the batches each member has.
    self._settings = [list(functions).index(member.setting) for member in members]
    rows = [self.seeds.index(member.seed) for member in members]
    own_seeds = [member.seed for member in members]
    self._choices = [self._place(np.array(choice, np.uint32)) for choice in (self._settings, own_seeds, rows)]
    # The step keeps a state for every function; those of functions that a member does not use start anew.
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
      after, found = setup.step(state, batch, loss_weights=choose(list(functions.values()), setting), seed=seed)
      return jax.tree.map(functools.partial(jnp.where, active), after, state), Interval.of(found, after.step)

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
    """A step of the active members; what is found of the others means nothing.

    Args:
      active: of each member.
      batches: for each of `seeds`.

    Returns:
      What the step found, [M, ...].
    """
    stacked = {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
    self._state, found = self._advance(self._state, self._place(np.array(active)), *self._choices, stacked)
    return found

  def predict(self, batch: Mapping[str, Any]) -> BlockScores:
    """Scores of a batch by all members, [B, M, ...]."""
    return self._predict(self._state.variables, batch)

  def states(self) -> list[TrainState]:
    """The state of each member, with that of its own weight function only."""
    everything = jax.device_get(self._state)
    states = [jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf[i]), everything) for i in range(self.num_members)]
    return [
      dataclasses.replace(s, loss_weights=s.loss_weights[own]) for s, own in zip(states, self._settings, strict=True)
    ]

  def _place(self, values: np.ndarray) -> jax.Array:
    """A value of each member, [members, ...], filled up and shared out, [M, ...]."""
    return jax.device_put(np.concatenate([values, *[values[:1]] * self._num_copies]), self._sharding)


def _train(
  runs: Sequence[_MemberRun], fresh: Sequence[TrainState], example: HostBatch, must_stop: Callable[[int], bool]
) -> Speed:
  """Trains runs to their ends, or to where a loss is not finite, and then measures the speed."""
  states, iterators = [], {}
  for run, state in zip(runs, fresh, strict=True):
    batches = run.member.setup.open_batches()
    states.append(run.restore(state, batches))
    # The data of a seed go on from where that member is that is furthest behind.
    if run.step == min(other.step for other in runs if other.member.seed == run.member.seed):
      iterators[run.member.seed] = batches
  program = _Program([run.member for run in runs], states)

  setup = runs[0].member.setup
  config, num_steps = setup.config, setup.num_steps
  latest = dict.fromkeys(program.seeds, example)
  accumulate = jax.jit(lambda interval, found: interval + found)
  step = min(run.step for run in runs)
  progress = progress_bar(total=num_steps, initial=step, desc=f"training {len(runs)} runs", unit="step")
  interval, started_s = None, time.monotonic()
  try:
    while going_on := [run for run in runs if run.goes_on]:
      step = min(run.step for run in going_on)
      active = [run for run in going_on if run.step == step]
      latest.update({seed: next(iterators[seed]) for seed in {run.member.seed for run in active}})
      found = program.advance([run in active for run in runs], [latest[seed] for seed in program.seeds])
      interval = found if interval is None else accumulate(interval, found)
      step += 1
      for run in active:
        run.step = step
      # An interval ends where members that waited join in, so that all its steps are of the same ones.
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
        print(f"asked to end; saved at step {step} of {num_steps}. The same command goes on from there.")
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
  """Validates the active ones of a program's runs where that is asked for, in one pass over the data; saves them."""
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
  """[B, M, ...] -> [B, ...]."""
  return jax.tree.map(lambda array: array[:, i], scores)


def _measure(program: _Program, setup: Setup, state: TrainState, example: HostBatch) -> Speed:
  """Times steps of all members of a program and, in turn, of one alone as in `loop.train`.

  Args:
    program: its members are worth nothing after this.
    setup: of the one alone.
    state: of the one alone.
    example: the batch of every step.
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
