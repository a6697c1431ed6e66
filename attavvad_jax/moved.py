"""Modules under the paths that they had before version 0.2: importing one warns, and gives what is there now."""

from collections.abc import Sequence
import importlib
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
import sys
from types import ModuleType
import warnings

_PACKAGE = "attavvad_jax"
# Of old paths, the modules that hold today what was there; names are looked up in these, in order.
MOVED: dict[str, tuple[str, ...]] = {
  "cli": ("commands.main", "commands.guard"),
  "clock": ("timeline.clock",),
  "demo": ("experiments.demo",),
  "detection": ("inference",),
  "detection.choice": ("inference.choice",),
  "detection.detector": ("inference.detector",),
  "detection.export": ("export.programs",),
  "detection.incremental": ("timeline.incremental",),
  "detection.inputs": ("inference.inputs",),
  "detection.live": ("inference.live",),
  "detection.outputs": ("inference.outputs",),
  "detection.performer": ("inference.performer",),
  "detection.predict": ("predict",),
  "detection.record": ("inference.record",),
  "detection.run": ("inference.run",),
  "detection.streaming": ("inference.streaming",),
  "detection.summary": ("inference.summary",),
  "detection.to_onnx": ("export.to_onnx",),
  "events": ("timeline",),
  "media.blocks": ("recordings", "recordings.assembler", "blocks"),
  "media.camera": ("recordings.camera",),
  "media.face_model": ("faces.model_files",),
  "media.faces": ("faces", "blocks", "faces.tracks", "faces.cuts", "faces.detector"),
  "media.lips": ("faces.lips",),
  "media.names": ("filenames",),
  "media.sources": ("recordings.sources",),
  "reports.notebook": ("timeline.html",),
  "reports.palette": ("timeline.palette",),
  "reports.text": ("timeline.text",),
  "shipped": ("weights",),
}
# Names that modules of today had, or that have another name now.
MOVED_NAMES: dict[str, tuple[str, str]] = {
  "media.Block": ("blocks", "Block"),
  "media.BlockAssembler": ("recordings", "BlockAssembler"),
  "media.Crop": ("blocks", "Crop"),
  "media.FaceDetector": ("faces", "FaceDetector"),
  "media.Report": ("recordings", "Report"),
  "media.read_blocks": ("recordings", "read_blocks"),
  "media.faces.Follower": ("faces", "FaceTracker"),
}


def install() -> None:
  """Makes the old paths importable."""
  if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
    sys.meta_path.insert(0, _Finder())


def moved_name(module: str, name: str) -> object:
  """What a module of this package had under a name, with a warning; for its `__getattr__`.

  Raises:
    AttributeError: the module had nothing of that name.
  """
  path = module.removeprefix(f"{_PACKAGE}.")
  if (place := MOVED_NAMES.get(f"{path}.{name}")) is None:
    raise AttributeError(f"module {module!r} has no attribute {name!r}")
  now, new_name = place
  _warn(f"{module}.{name}", f"{_PACKAGE}.{now}.{new_name}")
  return getattr(importlib.import_module(f"{_PACKAGE}.{now}"), new_name)


class _Finder(MetaPathFinder, Loader):
  """Finds the old paths, before empty folders that they have left behind are taken for packages."""

  def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
    package, _, rest = name.partition(".")
    if package != _PACKAGE or rest not in MOVED:
      return None
    return ModuleSpec(name, self, is_package=any(other.startswith(f"{rest}.") for other in MOVED))

  def exec_module(self, module: ModuleType) -> None:
    path = module.__name__.removeprefix(f"{_PACKAGE}.")
    places = MOVED[path]
    _warn(module.__name__, " and ".join(f"{_PACKAGE}.{place}" for place in places))
    modules = [importlib.import_module(f"{_PACKAGE}.{place}") for place in places]

    def get(name: str) -> object:
      for place in modules:
        if hasattr(place, name):
          return getattr(place, name)
      return moved_name(module.__name__, name)

    module.__getattr__ = get  # type: ignore[method-assign]


def _warn(old: str, new: str) -> None:
  warnings.warn(f"{old} has moved to {new}; the old path goes with the next release", DeprecationWarning, stacklevel=3)
