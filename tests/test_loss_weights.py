import jax
import numpy as np
import optax

from attavvad_jax.loss_weights import per_group
from attavvad_jax.losses import TERMS


def test_the_default_is_the_row_of_ones():
  assert per_group()(0) == dict.fromkeys(TERMS, 1.0)


def test_groups_are_those_of_table_1():
  weights = per_group(audio=0.5, visual=2.0, audio_visual=3.0)(7)
  assert [float(weights[name]) for name in TERMS] == [0.5] * 4 + [2.0] + [3.0] * 4


def test_a_schedule_follows_the_step_under_jit():
  weights = jax.jit(per_group(visual=optax.linear_schedule(0.0, 1.0, 10)))
  np.testing.assert_allclose([weights(step)["visual_vocalising"] for step in (0, 5, 20)], [0.0, 0.5, 1.0])
  assert weights(5)["audio_speech"] == 1.0
