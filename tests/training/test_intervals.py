"""The number of a run's steps, its validation interval and its best checkpoint, for data sets of any size."""

import math

import pytest

from attavvad_jax.config import checkpoint_interval, num_steps
from attavvad_jax.configs import att_avvad_small, demo, detector
from attavvad_jax.training.checkpoints import is_better

_BLOCKS_A_MINUTE = 180


def _config(base=att_avvad_small, **changes):
  config = base.get_config()
  config.update(changes)
  return config.to_dict()


@pytest.mark.parametrize(
  ("num_blocks", "batch_size", "epochs", "expected"),
  [
    (96, 16, 2, 12),
    (120, 32, 1, 4),  # 3.75 batches
    (120, 32, 4, 15),  # 4 times 3 would leave out a fifth of the blocks
    (120, 32, 100, 375),
    (7200, 16, 6, 2700),
    (100, 32, 0.5, 2),
    (33, 32, 3, 4),  # 3.09
    (10, 10, 0.1 + 0.2, 1),  # 0.30000000000000004 epochs
  ],
)
def test_every_epoch_covers_every_block(num_blocks, batch_size, epochs, expected):
  assert num_steps(_config(batch_size=batch_size), num_blocks, epochs) == expected


@pytest.mark.parametrize(
  ("minutes", "changes", "expected"),
  [
    (47 / 60 * 0.72, {}, 20),  # 100 epochs of 3.2 batches: 16 validations in 319 steps
    (47 / 60 * 0.72, {"num_epochs": 5}, 3),  # 16 steps
    (2, {"num_epochs": 1}, 2),  # 12 steps
    (0.2, {"num_epochs": 1}, 1),  # 2 steps
    (8, {"batch_size": 16, "num_epochs": 4}, 45),  # half an epoch of 90 steps
    (360, {"batch_size": 64}, 506),  # the paper's minutes, 1012.5 steps per epoch
    (6000, {"batch_size": 64}, 8438),  # half an epoch, even a long one
    (6000, {"batch_size": 64, "checkpoint_every_epochs": 0.01}, 169),
    (8, {"checkpoint_every_steps": 7}, 7),
  ],
)
def test_validation_interval_follows_epochs_with_several_validations_per_run(minutes, changes, expected):
  assert checkpoint_interval(_config(**changes), round(minutes * _BLOCKS_A_MINUTE)) == expected


def test_validation_intervals_of_shipped_configurations_on_their_own_data():
  assert checkpoint_interval(_config(demo), round(15 * 0.72 * _BLOCKS_A_MINUTE)) == 61
  assert checkpoint_interval(_config(detector), 120 * _BLOCKS_A_MINUTE) == 675


@pytest.mark.parametrize("name", ["checkpoint_every_epochs", "checkpoint_every_steps"])
def test_intervals_of_0_raise(name):
  with pytest.raises(ValueError, match=rf"config\.{name} is 0"):
    checkpoint_interval({**_config(), name: 0}, 100)


def _best_of(f_scores):
  """Returns the index of the checkpoint that is kept as best after validations with these F."""
  best, kept = None, None
  for index, f in enumerate(f_scores):
    if is_better({"f": f}, best):
      best, kept = f, index
  return kept


@pytest.mark.parametrize(
  ("f_scores", "expected"),
  [
    ([0.1, 0.5, 0.3], 1),
    ([0.5, 0.5], 0),  # the first of equals
    ([0.2, 0.4, math.nan], 1),
    ([math.nan, 0.2, 0.1], 1),  # no number is greater than NaN
    ([math.nan, math.nan, 0.0], 2),
    ([math.nan, math.nan], 0),  # every run has a best
  ],
)
def test_a_validation_without_events_is_never_better_than_one_with(f_scores, expected):
  assert _best_of(f_scores) == expected


def test_a_checkpoint_without_validation_is_not_the_best():
  assert not is_better({}, None)
