"""Where and when results were made, for anyone who wants to reproduce them."""

import datetime
import os
from pathlib import Path
import platform
import subprocess

from attavvad_jax.versions import versions

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def facts() -> list[tuple[str, str]]:
  """Returns the date, the class of the machine, versions, and the commit if the package lies in a checkout."""
  found = [
    ("Date", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")),
    ("Machine", machine()),
    (
      "Versions",
      ", ".join(f"{name} {version}" for name, version in versions(_PACKAGES).items()),
    ),
  ]
  if (at := commit()) is not None:
    found.append(("Commit", at))
  return found


def machine() -> str:
  """Returns the machine's class, such as "2-core x86_64 CPU" or "2 x NVIDIA H100 80GB HBM3", and no host name."""
  import jax

  devices = jax.devices()
  if devices[0].platform == "cpu":
    return f"{os.cpu_count()}-core {platform.machine()} CPU"
  return f"{len(devices)} x {devices[0].device_kind}"


def commit() -> str | None:
  """Returns the commit of the package's checkout, and whether files differ from it; None outside a checkout."""
  root = Path(__file__).parents[2]
  if not (root / ".git").exists():
    return None
  try:
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain")
  except (OSError, subprocess.CalledProcessError):
    return None  # git is not installed, or another user owns the checkout
  return head + (" with uncommitted changes" if changed else "")


def _git(root: Path, *arguments: str) -> str:
  command = ["git", "-C", str(root), *arguments]
  return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
