import functools
import io
import json
import shutil
import subprocess
import sys
import wave

import jax
import numpy as np
from prepared import SPEC
import pytest

from attavvad_jax.detection import export
from attavvad_jax.detection.predict import predict
from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.models import MODELS, build
from attavvad_jax.models.fusion import FUSIONS

# Runs a loader as if nothing but numpy and what it names were installed.
_ALONE = """
import runpy, sys
for name in {hidden!r}: sys.modules[name] = None
sys.argv = {arguments!r}
sys.path.insert(0, {folder!r})
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@functools.cache
def _network(name, **fields):
  """A small network with parameters and statistics that are all different."""
  model = build(name, filters=2, embedding_dim=4, **({} if name == "visual_only" else {"gru_units": 3}), **fields)
  inputs = network_inputs(export.random_blocks(SPEC), SPEC.clock)
  shapes = jax.eval_shape(functools.partial(model.init, train=False), jax.random.key(0), *inputs)
  rng = np.random.default_rng(0)
  return model, jax.tree.map(lambda leaf: np.float32(rng.uniform(0.1, 0.6, leaf.shape)), shapes)


@functools.cache
def _scores(name, **fields):
  model, variables = _network(name, **fields)
  scores = jax.jit(functools.partial(predict, model=model, clock=SPEC.clock))(variables, export.random_blocks(SPEC))
  return {key: np.asarray(value) for key, value in vars(scores).items() if value is not None}


NETWORKS = [*((name, {}) for name in MODELS), *(("att_avvad", {"fusion": fusion}) for fusion in FUSIONS)]


@pytest.mark.slow
@pytest.mark.parametrize("form", export.FORMATS)
@pytest.mark.parametrize(("name", "fields"), NETWORKS)
def test_every_network_becomes_a_program_for_any_number_of_blocks(name, fields, form, tmp_path):
  model, variables = _network(name, **fields)
  program = functools.partial(export.scores, variables, model=model, clock=SPEC.clock)
  path = tmp_path / f"program.{form}"
  if form == "onnx":
    path.write_bytes(export.to_onnx(program, export.input_shapes(SPEC)))
  else:
    path.write_bytes(export.to_stablehlo(program, SPEC))
  run, blocks, expected = export.load(path), export.random_blocks(SPEC), _scores(name, **fields)
  for size in (3, 16):
    scores = run({key: value[:size] for key, value in blocks.items()})
    assert scores.keys() == expected.keys()
    for key, score in scores.items():
      np.testing.assert_allclose(score, expected[key][:size], atol=1e-5)
