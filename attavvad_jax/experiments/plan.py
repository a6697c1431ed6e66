"""The experiments behind the paper's tables and figures, and the budgets to run them with, as data.

An experiment is one configuration; a run is one seed of it. Several tables may show the same experiment.
"""

from collections.abc import Iterable, Mapping, Sequence
import copy
import dataclasses
from typing import Any

from attavvad_jax.loss_weights import TABLE_1

# Seed of all simulated data; the performers of the splits differ regardless.
DATA_SEED = 0
# Base-A learns its source task on clean, unaccompanied voices, independently of the data of other experiments.
SOURCE_PRESET = "unaccompanied"


@dataclasses.dataclass(frozen=True)
class Experiment:
  """An experiment: one configuration.

  Attributes:
    name: name in its runs' folders.
    title: name in tables.
    model: a name of `MODELS`.
    fields: fields of that model that differ from the budget's.
    loss_weights: value of `config.loss_weights`.
    starts_from: the experiment whose run with the same seed provides the initial parameters.
    is_source_task: whether it is trained on clean, unaccompanied voices.
  """

  name: str
  title: str
  model: str
  fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  loss_weights: str = "1/1/1"
  starts_from: str | None = None
  is_source_task: bool = False


def _weights_name(weights: str) -> str:
  return "att_avvad" if weights == "1/1/1" else f"att_avvad_{weights.replace('/', '_')}"


EXPERIMENTS = {
  experiment.name: experiment
  for experiment in (
    Experiment("audio_only", "audio only", "audio_only"),
    Experiment("visual_only", "visual only", "visual_only"),
    Experiment("base_a_source", "Base-A, source task", "base_a", is_source_task=True),
    Experiment("base_a", "Base-A", "base_a", starts_from="base_a_source"),
    Experiment("base_av", "Base-AV", "base_av"),
    Experiment("att_avvad", "ATT-AVVAD", "att_avvad"),
    *(
      Experiment(f"fusion_{fusion}", title, "att_avvad", {"fusion": fusion})
      for fusion, title in (
        ("concatenation", "fusion by concatenation"),
        ("decision", "decision fusion"),
        ("rule", "rule-embedded fusion"),
      )
    ),
    *(
      Experiment(_weights_name(weights), f"ATT-AVVAD {weights}", "att_avvad", loss_weights=weights)
      for weights in TABLE_1
      if weights != "1/1/1"
    ),
  )
}


@dataclasses.dataclass(frozen=True)
class Paper:
  """Published event-based metrics: F, P and R in percent; None where the paper gives none."""

  f: float | None = None
  error_rate: float | None = None
  precision: float | None = None
  recall: float | None = None


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of a table: its title, its experiment, and the paper's metrics."""

  title: str
  experiment: str
  paper: Paper = Paper()


@dataclasses.dataclass(frozen=True)
class Table:
  """A table.

  Attributes:
    title: its heading.
    rows: its rows, in the paper's order.
    pairs: pairs of experiments to compare, the one expected to be ahead first.
  """

  title: str
  rows: Sequence[Row]
  pairs: Sequence[tuple[str, str]] = ()


@dataclasses.dataclass(frozen=True)
class Figure:
  """A figure of the inside of a network: its heading, and the network's experiment."""

  title: str
  experiment: str


_PAPER_TABLE_1 = dict(zip(TABLE_1, (76.38, 77.01, 76.73, 77.81, 77.90, 77.12), strict=True))

TABLES = {
  "1": Table(
    "Table 1: weights of the losses, audio/visual/audio-visual",
    [Row(weights, _weights_name(weights), Paper(f)) for weights, f in _PAPER_TABLE_1.items()],
  ),
  "2": Table(
    "Table 2: against the baselines",
    [
      Row("Base-A", "base_a", Paper(40.93, 0.86, 47.93, 35.72)),
      Row("Base-AV", "base_av", Paper(59.11, 0.72, 66.17, 53.41)),
      Row("ATT-AVVAD", "att_avvad", Paper(77.81, 0.39, 85.24, 71.57)),
    ],
    [("att_avvad", "base_av"), ("base_av", "base_a")],
  ),
  "3": Table(
    "Table 3: the branches alone and together",
    [
      Row("audio only", "audio_only", Paper(68.59)),
      Row("visual only", "visual_only", Paper(33.92)),
      Row("both + fusion", "att_avvad", Paper(77.81)),
    ],
    [("att_avvad", "audio_only"), ("audio_only", "visual_only")],
  ),
  "fusion": Table(
    "Ways of fusion (not in the paper)",
    [
      Row("attention", "att_avvad"),
      Row("concatenation", "fusion_concatenation"),
      Row("decision", "fusion_decision"),
      Row("rule", "fusion_rule"),
    ],
    [("att_avvad", "fusion_concatenation"), ("att_avvad", "fusion_decision"), ("att_avvad", "fusion_rule")],
  ),
}

# Each figure shows the first run of its experiment.
FIGURES = {
  "3": Figure("Figure 3: core vectors before and after fusion", "att_avvad"),
  "4": Figure("Figure 4: acoustic and visual vectors", "att_avvad"),
  "saliency": Figure("Saliency: what the visual branch looks at", "att_avvad"),
}


@dataclasses.dataclass(frozen=True)
class Budget:
  """The size of a reproduction: its data, networks and training.

  Attributes:
    purpose: a sentence for the page.
    config: the name of the shipped config that it changes.
    minutes: duration of simulated video in each split.
    seeds: default number of runs of each experiment.
    crop: changes to `config.crop`.
    models: changes to the fields of each model.
    training: changes to the config's other values.
    compiles_quickly: whether to halve the compile time at the cost of slower programs.
  """

  purpose: str
  config: str
  minutes: Mapping[str, float]
  seeds: int
  crop: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  models: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
  training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  compiles_quickly: bool = False


# One layer where the paper has three or four, because compiling dominates the time.
_TINY = {"filters": 4, "embedding_dim": 8}
_TINY_AUDIO = {"gru_units": 4, "audio_kernel_sizes": ((3, 7),)}
_TINY_VISUAL = {
  "visual_kernel_sizes": ((5, 13),),
  "visual_strided_kernel_sizes": ((5, 5),),
  "visual_strides": ((3, 3),),
}

BUDGETS = {
  "smoke": Budget(
    "Budget smoke, for minutes: this page shows that everything runs, and says nothing about the models.",
    "att_avvad_small",
    minutes={"train": 0.5, "validation": 0.5, "test": 1.0},
    seeds=1,
    crop={"height_px": 32, "width_px": 32},
    models={
      "att_avvad": {**_TINY, **_TINY_AUDIO, **_TINY_VISUAL},
      "audio_only": {**_TINY, **_TINY_AUDIO},
      "visual_only": {**_TINY, **_TINY_VISUAL},
      # With quick compilation, the gradient of a maximum over several bands is NaN on CPUs (jaxlib 0.10.2).
      "base_a": {**_TINY, "gru_units": 4, "kernel_sizes": ((3, 3),), "pool_bands": (1,)},
      "base_av": {**_TINY, "gru_units": 4, "visual_kernel_sizes": ((5, 5),), "visual_strides": ((3, 3),)},
    },
    training={"batch_size": 32, "num_epochs": 1, "checkpoint_every_steps": 2, "log_every_steps": 2},
    compiles_quickly=True,
  ),
  "small": Budget(
    "Budget small, for hours on a CPU: smaller face images and networks than the paper's, and less video.",
    "att_avvad_small",
    # 240 test minutes, so that the intervals of systems 4 points of F and 0.06 of ER apart seldom overlap; with 120,
    # some overlap in half of the resampled test splits.
    minutes={"train": 40.0, "validation": 10.0, "test": 240.0},
    seeds=3,
    crop={"height_px": 64, "width_px": 64},
    models={
      "att_avvad": {"filters": 16},
      "audio_only": {"filters": 16},
      "visual_only": {"filters": 16},
      "base_a": {"filters": 32},
      "base_av": {"filters": 16},
    },
    training={
      "batch_size": 16,
      "num_epochs": 6,
      "learning_rate_decay_epochs": 6.0,
      "log_every_steps": 45,
    },
  ),
  "full": Budget(
    "Budget full, for days on an accelerator: the paper's configuration and minutes of video.",
    "att_avvad",
    minutes={"train": 360.0, "validation": 40.0, "test": 100.0},
    seeds=5,
  ),
}


def experiments_for(tables: Iterable[str], figures: Iterable[str]) -> list[Experiment]:
  """Returns the experiments that tables and figures need, each once, and after the one that it starts from.

  Raises:
    ValueError: a table or figure is unknown, or none is requested.
  """
  tables, figures = list(tables), list(figures)
  for kind, names, known in (("table", tables, TABLES), ("figure", figures, FIGURES)):
    if unknown := [name for name in names if name not in known]:
      raise ValueError(f"unknown {kind} {', '.join(map(repr, unknown))}; expected some of {', '.join(known)}")
  needed = {row.experiment for table in tables for row in TABLES[table].rows} | {
    FIGURES[name].experiment for name in figures
  }
  if not needed:
    raise ValueError("no table and no figure is requested; name at least one")
  needed |= {source for name in needed if (source := EXPERIMENTS[name].starts_from) is not None}
  return [experiment for experiment in EXPERIMENTS.values() if experiment.name in needed]


def find_budget(name: str) -> Budget:
  """Returns the budget with a name.

  Raises:
    ValueError: the name is unknown; the message lists the known ones.
  """
  if name not in BUDGETS:
    raise ValueError(f"unknown budget {name!r}; expected one of {', '.join(BUDGETS)}")
  return BUDGETS[name]


def with_budget(config: Mapping[str, Any], budget: Budget) -> dict[str, Any]:
  """Returns a copy of the config named by `budget.config`, with the budget's changes except those to the models."""
  changed = copy.deepcopy(dict(config))
  changed["crop"] = {**changed["crop"], **budget.crop}
  return {**changed, **budget.training}


def run_config(
  config: Mapping[str, Any], budget: Budget, experiment: Experiment, *, seed: int, data: str, checkpoint: str | None
) -> dict[str, Any]:
  """Returns the config of one run.

  Args:
    config: result of `with_budget`, as plain values.
    budget: the budget, which sets the model's sizes.
    experiment: the run's experiment.
    seed: the run's seed.
    data: path of the prepared data set.
    checkpoint: workdir of the run that it starts from; None to start from random parameters.
  """
  fields = {**config["model"], **budget.models.get(experiment.model, {}), **experiment.fields}
  return {
    **config,
    "seed": seed,
    "data": data,
    "model": {**fields, "name": experiment.model},
    "loss_weights": experiment.loss_weights,
    "transfer": {**config["transfer"], "checkpoint": checkpoint},
  }


def describe(config: Mapping[str, Any], budget: Budget) -> list[tuple[str, str]]:
  """Returns names and values of a budget's settings as text."""
  crop, decay = config["crop"], config["learning_rate_decay_epochs"]
  changed = "; ".join(
    f"{model}: {', '.join(f'{name} {value}' for name, value in fields.items())}"
    for model, fields in budget.models.items()
  )
  return [
    ("Configuration", budget.config),
    ("Face images", f"{crop['height_px']} x {crop['width_px']}"),
    (
      "Training",
      f"epochs: {config['num_epochs']}, batch size {config['batch_size']}, Adam with learning rate "
      f"{config['learning_rate']}{f' decaying to 0 over {decay:g} epochs' if decay else ''}; the checkpoint with the "
      "highest event-based F on validation is tested",
    ),
    ("Networks", changed or "the paper's sizes"),
  ]
