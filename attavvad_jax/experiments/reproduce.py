"""Reproduces the paper's results from data to page in one call; an interrupted call can be resumed."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import dataclasses
import io
from pathlib import Path
import sys
import time
from typing import Any

import jax

from attavvad_jax import config as config_lib
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.experiments import plan, provenance
from attavvad_jax.experiments import results as results_lib
from attavvad_jax.experiments.data import DataSource, find_data
from attavvad_jax.experiments.results import Result
from attavvad_jax.experiments.scores import SPLIT, RunScores, score_run
from attavvad_jax.experiments.train import PlannedRun, train_runs
from attavvad_jax.files import write_text
from attavvad_jax.notes import note
from attavvad_jax.reports import embeddings, page, saliency


def reproduce(
  config: Mapping[str, Any],
  output: str | Path,
  *,
  tables: Sequence[str],
  figures: Sequence[str],
  data: DataSource,
  budget: plan.Budget,
  seeds: int | None = None,
  command: str = "",
) -> Path:
  """Prepares data, trains missing runs, evaluates all runs, and writes tables and a page.

  Args:
    config: the config named by `budget.config`, as plain values.
    output: folder that receives data/, runs/, scores/, tables.md, report.html and the figures.
    tables: names of `plan.TABLES`.
    figures: names of `plan.FIGURES`.
    data: the data for training and testing.
    budget: the budget.
    seeds: number of runs of each experiment; None for the budget's.
    command: the command line, for the page.

  Returns:
    The path of the page.

  Raises:
    ValueError: a table, figure, split or value is invalid; nothing was trained then.
    ImportError: a figure needs a library that is not installed.
  """
  started_s = time.monotonic()
  output = Path(output).absolute()
  experiments = plan.experiments_for(tables, figures)
  if {"3", "4"} & set(figures):
    embeddings.check_installed()
  seeds = budget.seeds if seeds is None else seeds
  if seeds < 1:
    raise ValueError(f"--seeds={seeds}; expected 1 or more")
  config = plan.with_budget(config, budget)
  # A prepared data set determines its own clock and crop.
  spec = config_lib.data_spec(config) if data.prepared is None else data.prepared.spec
  config.update(clock=spec.clock.to_dict(), crop=dataclasses.asdict(spec.crop))
  target = data.prepare(output / "data", spec, budget)
  if SPLIT not in target.splits:
    raise ValueError(f"{target.path}: has no split {SPLIT!r} to evaluate on; it has {', '.join(target.splits)}")
  paths = {False: str(target.path)}
  if any(experiment.is_source_task for experiment in experiments):
    source = find_data(f"simulated:{plan.SOURCE_PRESET}")
    # Source tasks are never scored.
    minutes = {split: value for split, value in budget.minutes.items() if split != SPLIT}
    prepared = source.prepare(output / "data", spec, dataclasses.replace(budget, minutes=minutes))
    paths[True] = str(prepared.path)

  def workdir(experiment: str, seed: int) -> Path:
    return output / "runs" / f"{experiment}-seed{seed}"

  runs = []
  # All experiments of a seed come before the next seed, so that an interrupted call has complete tables of fewer seeds.
  for seed in range(config["seed"], config["seed"] + seeds):
    for experiment in experiments:
      checkpoint = None if experiment.starts_from is None else str(workdir(experiment.starts_from, seed))
      path = paths[experiment.is_source_task]
      own = plan.run_config(config, budget, experiment, seed=seed, data=path, checkpoint=checkpoint)
      runs.append(PlannedRun(experiment, seed, own, workdir(experiment.name, seed)))
  with _compiling(quickly=budget.compiles_quickly):
    reasons = train_runs(runs, started_s)
    results = _score(runs, reasons, target, output / "scores")
    drawn = [_figure_section(name, runs, results, target) for name in figures]
  conditions = target.conditions(SPLIT)
  sections = [*(results_lib.section(plan.TABLES[name], results, conditions, data.name) for name in tables), *drawn]
  made = page.Page(
    "ATT-AVVAD: the paper's tables and figures",
    [budget.purpose, results_lib.method(conditions)],
    [
      *([("Command", command)] if command else []),
      *provenance.facts(),
      ("Data", data.describe(target, budget)),
      ("Data digests", "; ".join(f"{split} {target.digest(split)[:12]}" for split in target.splits)),
      ("Seeds", ", ".join(str(seed) for seed in dict.fromkeys(run.seed for run in runs))),
      *plan.describe(config, budget),
    ],
    sections,
  )
  output.mkdir(parents=True, exist_ok=True)
  for section in sections:
    for image in section.figures:
      (output / image.name).write_bytes(image.png)
  write_text(output / "tables.md", page.to_markdown(made))
  write_text(output / "report.html", page.to_html(made))
  print(f"done in {(time.monotonic() - started_s) / 60:.1f} min: {output / 'report.html'}, {output / 'tables.md'}")
  return output / "report.html"


@contextlib.contextmanager
def _compiling(quickly: bool) -> Iterator[None]:
  """Disables most compiler optimizations inside the context if `quickly`; otherwise changes nothing."""
  before = jax.config.values["jax_disable_most_optimizations"]
  jax.config.update("jax_disable_most_optimizations", quickly or before)
  try:
    yield
  finally:
    jax.config.update("jax_disable_most_optimizations", before)


def _score(
  runs: Sequence[PlannedRun], reasons: Mapping[Path, str], data: PreparedData, folder: Path
) -> dict[str, Result]:
  """Returns the results of all experiments except source tasks, by name."""
  scores: dict[str, dict[int, RunScores]] = {}
  failures: dict[str, dict[int, str]] = {}
  for run in runs:
    if run.experiment.is_source_task:
      continue
    name = run.experiment.name
    scores.setdefault(name, {})
    failures.setdefault(name, {})
    if run.workdir in reasons:
      failures[name][run.seed] = reasons[run.workdir]
      continue
    note(f"evaluating {run.title}", sys.stdout)
    try:
      scores[name][run.seed] = score_run(run.workdir, data, folder / f"{run.workdir.name}.json")
    except ValueError as error:
      failures[name][run.seed] = str(error)
  return {name: Result(scores[name], failures[name]) for name in scores}


def _figure_section(
  name: str, runs: Sequence[PlannedRun], results: Mapping[str, Result], data: PreparedData
) -> page.Section:
  """Returns a section with the figure of the first successful run of its experiment."""
  title, experiment = plan.FIGURES[name].title, plan.FIGURES[name].experiment
  whole = [run for run in runs if run.experiment.name == experiment and run.seed in results[experiment].runs]
  if not whole:
    return page.Section(title, [f"Not drawn: {results[experiment].reason}."])
  note(f"drawing {title}", sys.stdout)
  try:
    figure, found = _draw(name, whole[0].workdir, data.path)
  except ValueError as error:
    return page.Section(title, [f"Not drawn: {error}."])
  image = io.BytesIO()
  figure.savefig(image, format="png")
  figure_file = page.Figure(image.getvalue(), f"figure_{name}.png", f"{whole[0].title}, test split.")
  return page.Section(title, [found] if found else [], figures=[figure_file])


def _draw(name: str, checkpoint: Path, data: Path) -> tuple[Any, str]:
  """Returns a matplotlib figure, and its metric as text."""
  if name == "saliency":
    return saliency.figure(checkpoint, data, SPLIT), ""
  figure, found = (embeddings.figure_3 if name == "3" else embeddings.figure_4)(checkpoint, data, SPLIT)
  return figure, str(found)
