"""What the parameters of a checkpoint are known by: their values, whatever the files are called."""

import shutil

import numpy as np
import orbax.checkpoint as ocp

from attavvad_jax.checkpoints import parameters_digest


def _write(folder, values):
  with ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save(folder.absolute() / "variables", {"params": values})
  return folder


def test_parameters_are_known_by_name_shape_type_and_values(tmp_path):
  kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
  first, again = (_write(tmp_path / name, {"kernel": kernel}) for name in ("first", "again"))
  copy = shutil.copytree(first, tmp_path / "copy")
  assert parameters_digest(first) == parameters_digest(again) == parameters_digest(copy)
  others = [{"kernel": kernel + 1}, {"bias": kernel}, {"kernel": kernel.T.copy()}, {"kernel": kernel.astype(np.int32)}]
  found = {parameters_digest(_write(tmp_path / f"other{i}", values)) for i, values in enumerate(others)}
  assert len({*found, parameters_digest(first)}) == 5
