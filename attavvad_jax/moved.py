"""Keeps modules and names importable under their paths before version 0.2, with a `DeprecationWarning`."""

from collections.abc import Sequence
import importlib
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
import sys
from types import ModuleType
import warnings

_PACKAGE = "attavvad_jax"
# Old module paths, and the modules that hold their contents today; names are looked up in these, in order.
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
  "evaluation.dubbing": ("evaluation.audio_swap",),
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
  "reports.picture": ("reports.figure",),
  "reports.text": ("timeline.text",),
  "shipped": ("weights",),
  "simulation.synthesiser": ("simulation.synthesizer",),
}
# Old names in existing packages and under old paths, and the module and name that hold each today.
MOVED_NAMES: dict[str, tuple[str, str]] = {
  "detection.predict.Predict": ("predict", "PredictBatch"),
  "detection.record.Found": ("inference.record", "FaceResult"),
  "detection.streaming.Run": ("inference.streaming", "LabelRun"),
  "evaluation.dubbing.Dub": ("evaluation.audio_swap", "AudioSwap"),
  "evaluation.dubbing.dub": ("evaluation.audio_swap", "swap_audio"),
  "evaluation.dubbing.dub_table": ("evaluation.audio_swap", "swap_table"),
  "evaluation.dubbing.lay_under": ("evaluation.audio_swap", "replace_audio"),
  "loss_weights.normalise": ("loss_weights", "normalize"),
  "media.Block": ("blocks", "Block"),
  "media.BlockAssembler": ("recordings", "BlockAssembler"),
  "media.Crop": ("blocks", "Crop"),
  "media.FaceDetector": ("faces", "FaceDetector"),
  "media.Picture": ("media", "Frame"),
  "media.Report": ("recordings", "Report"),
  "media.TimedPicture": ("media", "TimedFrame"),
  "media.blocks.MIN_PICTURES_PER_SECOND": ("recordings.assembler", "MIN_FRAMES_PER_SECOND"),
  "media.faces.Follower": ("faces", "FaceTracker"),
  "media.names.SOUND_SUFFIXES": ("filenames", "AUDIO_SUFFIXES"),
  "media.read_blocks": ("recordings", "read_blocks"),
  "media.read_pictures": ("media", "read_frames"),
  "media.read_sound": ("media", "read_audio"),
  "media.read_timed_pictures": ("media", "read_timed_frames"),
  "reports.palette.Colour": ("timeline.palette", "Color"),
  "reports.palette.EVENT_COLOURS": ("timeline.palette", "EVENT_COLORS"),
  "reports.palette.hex_colour": ("timeline.palette", "hex_color"),
  "reports.picture.write_picture": ("reports.figure", "write_figure"),
  "simulation.synthesiser.synthesise": ("simulation.synthesizer", "synthesize"),
}


def install() -> None:
  """Makes the old paths importable."""
  if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
    sys.meta_path.insert(0, _Finder())


def moved_name(module: str, name: str) -> object:
  """Returns what a module of this package held under an old name, and warns; for the module's `__getattr__`.

  Raises:
    AttributeError: the module never had that name.
  """
  path = module.removeprefix(f"{_PACKAGE}.")
  if (place := MOVED_NAMES.get(f"{path}.{name}")) is None:
    raise AttributeError(f"module {module!r} has no attribute {name!r}")
  now, new_name = place
  _warn(f"{module}.{name}", f"{_PACKAGE}.{now}.{new_name}")
  return getattr(importlib.import_module(f"{_PACKAGE}.{now}"), new_name)


class _Finder(MetaPathFinder, Loader):
  """Finds the old paths first, since an empty folder left at one would pass for a namespace package."""

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
  warnings.warn(f"{old} has moved to {new}; the next release removes the old path", DeprecationWarning, stacklevel=3)
