"""What the paper's tables and figures are made of: experiments, and how much is spent on them. Data, and nothing else.

An experiment is a configuration of its own; a run is one of its seeds. Several tables may show the same experiment.
"""

from collections.abc import Iterable, Mapping, Sequence
import copy
import dataclasses
from typing import Any

from attavvad_jax.loss_weights import TABLE_1

# What all simulated data of one name is made of; the performers of the splits differ anyway.
DATA_SEED = 0
# Base-A learns its source task on clean, unaccompanied voices, whatever data the others are trained on.
SOURCE_PRESET = "unaccompanied"


@dataclasses.dataclass(frozen=True)
class Experiment:
  """One configuration.

  Attributes:
    name: of its runs' folders.
    title: what tables call it.
    model: a name of `MODELS`.
    fields: of that model, where they depart from the budget's.
    loss_weights: as `config.loss_weights`.
    starts_from: the experiment whose run of the same seed gives the first parameters.
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
  """Published figures, event-based: F, P and R in percent; None where the paper gives none."""

  f: float | None = None
  error_rate: float | None = None
  precision: float | None = None
  recall: float | None = None


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of a table: its name there, the experiment it shows, and what the paper says."""

  title: str
  experiment: str
  paper: Paper = Paper()


@dataclasses.dataclass(frozen=True)
class Table:
  """A table.

  Attributes:
    title: above it.
    rows: in the paper's order.
    pairs: experiments to be told apart by F: the one that should be ahead first.
  """

  title: str
  rows: Sequence[Row]
  pairs: Sequence[tuple[str, str]] = ()


@dataclasses.dataclass(frozen=True)
class Figure:
  """A picture of what is inside a network: its heading, and the experiment that is looked into."""

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

# Each looks into the first run of an experiment.
FIGURES = {
  "3": Figure("Figure 3: core vectors before and after fusion", "att_avvad"),
  "4": Figure("Figure 4: acoustic and visual vectors", "att_avvad"),
  "saliency": Figure("Saliency: what the visual branch looks at", "att_avvad"),
}


@dataclasses.dataclass(frozen=True)
class Budget:
  """How much is spent.

  Attributes:
    purpose: a sentence for the page.
    config: the name of a shipped config that is started from.
    minutes: of simulated video in each split.
    seeds: runs of each experiment, where nobody says otherwise.
    crop: changes of `config.crop`.
    models: changes of the fields of each model.
    training: changes of the config's other values.
    compiles_quickly: whether programs are compiled in half the time, and run slower.
  """

  purpose: str
  config: str
  minutes: Mapping[str, float]
  seeds: int
  crop: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  models: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
  training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  compiles_quickly: bool = False


# One layer where the paper has three or four: what takes time is compiling.
_TINY = {"filters": 4, "embedding_dim": 8}
_TINY_AUDIO = {"gru_units": 4, "audio_kernel_sizes": ((3, 7),)}
_TINY_VISUAL = {
  "visual_kernel_sizes": ((5, 13),),
  "visual_strided_kernel_sizes": ((5, 5),),
  "visual_strides": ((3, 3),),
}

BUDGETS = {
  "smoke": Budget(
    "Budget smoke, of minutes: this page says that everything runs, and nothing about the models.",
    "att_avvad_small",
    minutes={"train": 0.5, "validation": 0.5, "test": 1.0},
    seeds=1,
    crop={"height_px": 32, "width_px": 32},
    models={
      "att_avvad": {**_TINY, **_TINY_AUDIO, **_TINY_VISUAL},
      "audio_only": {**_TINY, **_TINY_AUDIO},
      "visual_only": {**_TINY, **_TINY_VISUAL},
      # Compiled quickly, the gradient of a maximum over several bands is NaN on CPUs (jaxlib 0.10.2).
      "base_a": {**_TINY, "gru_units": 4, "kernel_sizes": ((3, 3),), "pool_bands": (1,)},
      "base_av": {**_TINY, "gru_units": 4, "visual_kernel_sizes": ((5, 5),), "visual_strides": ((3, 3),)},
    },
    training={"batch_size": 32, "num_epochs": 1, "checkpoint_every_steps": 2, "log_every_steps": 2},
    compiles_quickly=True,
  ),
  "small": Budget(
    "Budget small, of hours on a CPU: smaller face images and networks than the paper's, and less video.",
    "att_avvad_small",
    # So many minutes of test that intervals of systems 4 points of F and 0.06 of ER apart seldom touch; with 120, half
    # of the resampled test splits have some that do.
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
    "Budget full, of days on an accelerator: the paper's configuration and minutes of video.",
    "att_avvad",
    minutes={"train": 360.0, "validation": 40.0, "test": 100.0},
    seeds=5,
  ),
}


def experiments_for(tables: Iterable[str], figures: Iterable[str]) -> list[Experiment]:
  """The experiments that tables and figures need, those before others that start from them, each once.

  Raises:
    ValueError: an unknown table or figure, or nothing at all.
  """
  tables, figures = list(tables), list(figures)
  for kind, names, known in (("table", tables, TABLES), ("figure", figures, FIGURES)):
    if unknown := [name for name in names if name not in known]:
      raise ValueError(f"unknown {kind} {', '.join(map(repr, unknown))}; expected some of {', '.join(known)}")
  needed = {row.experiment for table in tables for row in TABLES[table].rows} | {
    FIGURES[name].experiment for name in figures
  }
  if not needed:
    raise ValueError("nothing to make: no table and no figure is asked for")
  needed |= {source for name in needed if (source := EXPERIMENTS[name].starts_from) is not None}
  return [experiment for experiment in EXPERIMENTS.values() if experiment.name in needed]


def find_budget(name: str) -> Budget:
  """The budget of a name.

  Raises:
    ValueError: there is none; names those that there are.
  """
  if name not in BUDGETS:
    raise ValueError(f"unknown budget {name!r}; expected one of {', '.join(BUDGETS)}")
  return BUDGETS[name]


def with_budget(config: Mapping[str, Any], budget: Budget) -> dict[str, Any]:
  """A copy of the config that `budget.config` gives, with the budget's changes but for those of the models."""
  changed = copy.deepcopy(dict(config))
  changed["crop"] = {**changed["crop"], **budget.crop}
  return {**changed, **budget.training}


def run_config(
  config: Mapping[str, Any], budget: Budget, experiment: Experiment, *, seed: int, data: str, checkpoint: str | None
) -> dict[str, Any]:
  """The config of one run.

  Args:
    config: what `with_budget` gave, as plain values.
    budget: gives the model's sizes.
    experiment: what the run is of.
    seed: of the run.
    data: the prepared data set.
    checkpoint: the run that it starts from, if it does.
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
  """Names and values of what a budget spends, for people."""
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
      f"epochs: {config['num_epochs']}, in batches of {config['batch_size']}, Adam {config['learning_rate']}"
      f"{f' that falls to 0 within {decay:g}' if decay else ''}; the "
      "checkpoint with the highest event-based F on validation is tested",
    ),
    ("Networks", changed or "the paper's sizes"),
  ]
