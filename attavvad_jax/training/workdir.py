"""Whose run a workdir holds: its configuration, data and source, by which a run that goes on is known."""

import json
from pathlib import Path
from typing import Any

from attavvad_jax import config as config_lib
from attavvad_jax.files import write_text
from attavvad_jax.loss_weights.names import current_name
from attavvad_jax.training.checkpoints import clear_leftovers
from attavvad_jax.training.setup import Setup
from attavvad_jax.versions import versions

# Whose versions a run and its checkpoints name.
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
# Keys of the config that may differ when a run goes on.
_MAY_CHANGE = ("num_epochs", "checkpoint_every_epochs", "checkpoint_every_steps", "log_every_steps", "remat")


def check_workdir(workdir: Path, setup: Setup) -> None:
  """Refuses a workdir that holds a run of another configuration, on other data, or from another source.

  Data and source are told by their digests, and may lie elsewhere than they did. A run of before digests were noted is
  told by their paths.
  """
  found = _read_claim(workdir)
  if not found:
    return
  config, data, source = setup.config, found.get("data", {}), found.get("source")
  # A key that came after the run began has its default.
  before = config_lib.fill(found["config"])
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
        f"expected {_short(then)}; bring those back, or use another --workdir or remove it"
      )
  if source and setup.source_digest not in (None, source):
    raise ValueError(
      f"{workdir}: holds a run that started from other parameters than {config['transfer']['checkpoint']} has now: "
      f"{_short(setup.source_digest)}, expected {_short(source)}; bring those back, or use another --workdir or remove "
      "it"
    )


def claim_workdir(workdir: Path, setup: Setup) -> None:
  """Writes config.json and clears what a run that was killed has left, or refuses as `check_workdir`."""
  check_workdir(workdir, setup)
  source = _read_claim(workdir).get("source") or setup.source_digest
  workdir.mkdir(parents=True, exist_ok=True)
  claim = {"config": setup.config, "data": setup.data_digests, "source": source, "versions": versions(PACKAGES)}
  write_text(workdir / "config.json", json.dumps(claim, indent=2) + "\n")
  clear_leftovers(workdir)


def _read_claim(workdir: Path) -> dict[str, Any]:
  """The config.json of a workdir; empty where there is none."""
  path = workdir / "config.json"
  return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _short(digest: str | None) -> str:
  """Of a digest as much as people compare."""
  return digest[:12] if digest else "not there"
