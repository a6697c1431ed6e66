"""Versions of the software, which results record."""

from collections.abc import Iterable
import importlib.metadata
import platform

from attavvad_jax import __version__


def versions(packages: Iterable[str]) -> dict[str, str]:
  """Returns the versions of this package, of Python and of the named packages, which must be installed."""
  found = {"attavvad_jax": __version__, "python": platform.python_version()}
  return found | {package: importlib.metadata.version(package) for package in packages}
