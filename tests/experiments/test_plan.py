import math

import pytest

from attavvad_jax import config as config_lib
from attavvad_jax.configs import att_avvad, att_avvad_small
from attavvad_jax.experiments import plan
from attavvad_jax.loss_weights import from_name

CONFIGS = {"att_avvad": att_avvad, "att_avvad_small": att_avvad_small}


def names(experiments):
  return [experiment.name for experiment in experiments]


def configs_of(budget_name):
  budget = plan.find_budget(budget_name)
  config = plan.with_budget(CONFIGS[budget.config].get_config().to_dict(), budget)
  return {
    name: plan.run_config(config, budget, experiment, seed=3, data="data", checkpoint=None)
    for name, experiment in plan.EXPERIMENTS.items()
  }


def test_published_metrics_are_the_papers():
  f = {name: {row.title: row.paper.f for row in table.rows} for name, table in plan.TABLES.items()}
  assert f["1"] == {
    "1/1/.5": 76.38,
    "1/.5/1": 77.01,
    ".5/1/1": 76.73,
    "1/1/1": 77.81,
    ".5/.5/1": 77.90,
    ".5/.5/.5": 77.12,
  }
  assert f["2"] == {"Base-A": 40.93, "Base-AV": 59.11, "ATT-AVVAD": 77.81}
  assert f["3"] == {"audio only": 68.59, "visual only": 33.92, "both + fusion": 77.81}
  for row in plan.TABLES["2"].rows:
    paper = row.paper
    # The paper's P, R and F are rounded; F is their harmonic mean.
    assert paper.f == pytest.approx(2 * paper.precision * paper.recall / (paper.precision + paper.recall), abs=0.02)


def test_tables_share_experiments_and_name_existing_ones():
  for table in plan.TABLES.values():
    shown = [row.experiment for row in table.rows]
    assert set(shown) <= set(plan.EXPERIMENTS)
    assert {name for pair in table.pairs for name in pair} <= set(shown)
  assert names(plan.experiments_for(["3"], ["3", "4"])) == ["audio_only", "visual_only", "att_avvad"]
  assert len(plan.experiments_for(["1"], [])) == 6


def test_source_task_precedes_the_experiment_that_starts_from_it():
  needed = names(plan.experiments_for(["2"], []))
  assert needed.index("base_a_source") < needed.index("base_a")
  assert set(needed) == {"base_a_source", "base_a", "base_av", "att_avvad"}


def test_errors_for_unknown_names_list_the_known_ones():
  with pytest.raises(ValueError, match=r"unknown table '4'; expected some of 1, 2, 3, fusion"):
    plan.experiments_for(["1", "4"], [])
  with pytest.raises(ValueError, match=r"unknown figure '5'; expected some of 3, 4, saliency"):
    plan.experiments_for([], ["5"])
  with pytest.raises(ValueError, match="no table and no figure"):
    plan.experiments_for([], [])
  with pytest.raises(ValueError, match=r"unknown budget 'big'; expected one of smoke, small, full"):
    plan.find_budget("big")


@pytest.mark.parametrize("budget", plan.BUDGETS)
def test_the_model_of_every_experiment_can_be_built(budget):
  for name, config in configs_of(budget).items():
    assert config_lib.model(config) is not None
    from_name(config["loss_weights"])
    assert config["seed"] == 3, name


@pytest.mark.parametrize("budget", plan.BUDGETS)
def test_experiments_of_a_table_differ_only_in_its_subject(budget):
  configs = configs_of(budget)
  weights = [configs[row.experiment]["loss_weights"] for row in plan.TABLES["1"].rows]
  assert weights == [row.title for row in plan.TABLES["1"].rows]
  fusions = [configs[row.experiment]["model"]["fusion"] or "attention" for row in plan.TABLES["fusion"].rows]
  assert fusions == [row.title for row in plan.TABLES["fusion"].rows]
  for table, key in (("1", "loss_weights"), ("fusion", "model")):
    rest = [{k: v for k, v in configs[row.experiment].items() if k != key} for row in plan.TABLES[table].rows]
    assert all(other == rest[0] for other in rest)


def test_full_budget_is_the_papers():
  budget = plan.find_budget("full")
  assert sum(budget.minutes.values()) == 500
  config = configs_of("full")["att_avvad"]
  assert (config["crop"]["height_px"], config["crop"]["width_px"]) == (450, 300)
  assert (config["batch_size"], config["num_epochs"], config["learning_rate"]) == (64, 100, 1e-3)
  assert math.isclose(budget.minutes["train"], 360)
