"""The digest of a checkpoint's parameters depends on their values, not on the names of files."""

import shutil

import numpy as np
import orbax.checkpoint as ocp

from attavvad_jax.checkpoints import parameters_digest


def _write(folder, values):
  with ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save(folder.absolute() / "variables", {"params": values})
  return folder


def test_digest_depends_on_name_shape_type_and_values(tmp_path):
  kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
  first, again = (_write(tmp_path / name, {"kernel": kernel}) for name in ("first", "again"))
  copy = shutil.copytree(first, tmp_path / "copy")
  assert parameters_digest(first) == parameters_digest(again) == parameters_digest(copy)
  others = [{"kernel": kernel + 1}, {"bias": kernel}, {"kernel": kernel.T.copy()}, {"kernel": kernel.astype(np.int32)}]
  digests = {parameters_digest(_write(tmp_path / f"other{i}", values)) for i, values in enumerate(others)}
  assert len({*digests, parameters_digest(first)}) == 5
