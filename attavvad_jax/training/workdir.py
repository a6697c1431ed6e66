"""Checks that a resumed run matches its workdir: the same configuration, data and source of its parameters."""

import json
from pathlib import Path
from typing import Any

from attavvad_jax import config as config_lib
from attavvad_jax.files import write_text
from attavvad_jax.loss_weights.names import current_name
from attavvad_jax.training.checkpoints import clear_leftovers
from attavvad_jax.training.setup import Setup
from attavvad_jax.versions import versions

# The packages whose versions a run and its checkpoints record.
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
# Keys of the config that may change when a run resumes.
_MAY_CHANGE = ("num_epochs", "checkpoint_every_epochs", "checkpoint_every_steps", "log_every_steps", "remat")


def check_workdir(workdir: Path, setup: Setup) -> None:
  """Checks that a workdir is free or holds a run of the same configuration, data and source.

  Data and source are compared by their digests, so they may have moved. Runs of versions that recorded no digests are
  compared by paths.

  Raises:
    ValueError: the workdir holds a run of another configuration, on other data, or from another source.
  """
  claim = _read_claim(workdir)
  if not claim:
    return
  config, data, source = setup.config, claim.get("data", {}), claim.get("source")
  # Keys that were added after the run began have their defaults.
  before = config_lib.fill(claim["config"])
  if data:
    before["data"] = config["data"]
  if source and config["transfer"]["checkpoint"]:
    before["transfer"]["checkpoint"] = config["transfer"]["checkpoint"]
  before["loss_weights"] = current_name(before["loss_weights"])
  config = {**config, "loss_weights": current_name(config["loss_weights"])}
  different = [key for key in config_lib.KEYS if key not in _MAY_CHANGE and before.get(key) != config[key]]
  if different:
    raise ValueError(
      f"{workdir}: holds a run with other values of {', '.join(different)}; use another --workdir or remove it"
    )
  digests = setup.data_digests
  for split in {**data, **digests} if data else ():
    then, now = data.get(split), digests.get(split)
    if then != now:
      raise ValueError(
        f"{workdir}: holds a run on other data than {setup.data.path} has now: split {split} is {_short(now)}, "
        f"expected {_short(then)}; restore those data, use another --workdir or remove this one"
      )
  if source and setup.source_digest not in (None, source):
    raise ValueError(
      f"{workdir}: holds a run that started from other parameters than {config['transfer']['checkpoint']} has now: "
      f"{_short(setup.source_digest)}, expected {_short(source)}; restore those parameters, use another --workdir "
      "or remove this one"
    )


def claim_workdir(workdir: Path, setup: Setup) -> None:
  """Writes config.json and removes the leftovers of a killed run.

  Raises:
    ValueError: as `check_workdir`.
  """
  check_workdir(workdir, setup)
  source = _read_claim(workdir).get("source") or setup.source_digest
  workdir.mkdir(parents=True, exist_ok=True)
  claim = {"config": setup.config, "data": setup.data_digests, "source": source, "versions": versions(PACKAGES)}
  write_text(workdir / "config.json", json.dumps(claim, indent=2) + "\n")
  clear_leftovers(workdir)


def _read_claim(workdir: Path) -> dict[str, Any]:
  """Returns the content of a workdir's config.json; empty if there is none."""
  path = workdir / "config.json"
  return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _short(digest: str | None) -> str:
  """Returns a digest shortened for messages."""
  return digest[:12] if digest else "missing"
