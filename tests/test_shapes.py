"""Annotated shapes are checked in tests, and only tests need jaxtyping."""

import subprocess
import sys

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from attavvad_jax import losses
from attavvad_jax.features.images import normalize_images
from attavvad_jax.models import Outputs
from attavvad_jax.models.fusion import semantic_attention


def test_axes_of_two_arguments_must_agree():
  with pytest.raises(jaxtyping.TypeCheckError, match="visual"):
    semantic_attention(jnp.zeros((2, 4, 8)), jnp.zeros((3, 8)))
  with pytest.raises(jaxtyping.TypeCheckError, match="block_mask"):
    losses.binary_cross_entropies(Outputs(jnp.zeros((2, 4))), np.zeros(2, int), np.ones((2, 3), bool), np.ones(3, bool))


def test_type_of_values_is_checked():
  with pytest.raises(jaxtyping.TypeCheckError, match="images"):
    normalize_images(np.zeros((1, 3, 4, 4), np.float32), np.ones((1, 3), bool))


def test_core_runs_without_jaxtyping():
  program = """
import sys
sys.modules["jaxtyping"] = None
import numpy as np
from attavvad_jax import losses, models
from attavvad_jax.features import augmentation, images
assert images.normalize_images(np.zeros((1, 3, 4, 4), np.uint8), np.ones((1, 3), bool)).shape == (1, 3, 4, 4)
"""
  subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
