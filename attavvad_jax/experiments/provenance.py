"""Where and when figures were made: what somebody needs who wants to make them again."""

import datetime
import os
from pathlib import Path
import platform
import subprocess

from attavvad_jax.versions import versions

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def facts() -> list[tuple[str, str]]:
  """Date, class of the machine, versions, and the commit where the package lies in a checkout."""
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
  """Its class, such as "2-core x86_64 CPU" or "2 x NVIDIA H100 80GB HBM3"; no name of its own."""
  import jax

  devices = jax.devices()
  if devices[0].platform == "cpu":
    return f"{os.cpu_count()}-core {platform.machine()} CPU"
  return f"{len(devices)} x {devices[0].device_kind}"


def commit() -> str | None:
  """That of the checkout that the package lies in, and whether files differ from it; None outside of one."""
  root = Path(__file__).parents[2]
  if not (root / ".git").exists():
    return None
  try:
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain")
  except (OSError, subprocess.CalledProcessError):
    return None  # no git here, or the checkout is somebody else's
  return head + (" with changes that are not in it" if changed else "")


def _git(root: Path, *arguments: str) -> str:
  command = ["git", "-C", str(root), *arguments]
  return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
