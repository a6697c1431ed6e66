"""Exports a detector as StableHLO and ONNX programs that turn samples and pixels into probabilities without Python.

A program contains the front end, the normalization, the network and its parameters. Each written program is loaded
and compared with the network before the folder is kept. Axes: B blocks, S samples, M images, H, W height and width, E
events.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools
import importlib.util
import itertools
import json
from pathlib import Path
import shutil
import sys
from typing import Any, TextIO

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from attavvad_jax import __version__
from attavvad_jax.blocks import Block, DataSpec, HostBatch
from attavvad_jax.export.to_onnx import to_onnx
from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.files import new_folder, write_text
from attavvad_jax.inference.detector import Detector
from attavvad_jax.models import Outputs, field_names, with_fields
from attavvad_jax.predict import block_scores, predict
from attavvad_jax.recordings import read_blocks
from attavvad_jax.timeline import Clock
from attavvad_jax.timeline.viterbi import log_transitions
from attavvad_jax.versions import versions

# The packages that each format needs beside jax.
FORMATS = {"stablehlo": ("flatbuffers",), "onnx": ("onnx", "onnxruntime")}
PLATFORMS = ("cpu", "cuda", "tpu")
# The largest difference allowed between a program's probability and the network's.
TOLERANCE = 1e-4
# Programs are compared on every sixth block of a recording's first half minute, in batches of these sizes.
_NUM_BLOCKS, _EVERY = 16, 6
_BATCH_SIZES = (1, 4, _NUM_BLOCKS)
# By default, accelerators round factors to ten bits, each in its own way.
_PRECISION = "highest"
_LOADERS = Path(__file__).parent / "loaders"

Scores = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Difference:
  """The difference between a program and the network on some blocks.

  Attributes:
    program: the program's format.
    input: name of the blocks.
    batch_size: number of blocks in a batch.
    largest: largest absolute difference of each output's probabilities; NaN if one of them is NaN.
  """

  program: str
  input: str
  batch_size: int
  largest: dict[str, float]

  @property
  def holds(self) -> bool:
    """Whether no output differs by more than `TOLERANCE`."""
    return all(value <= TOLERANCE for value in self.largest.values())


def export_detector(
  checkpoint: str | Path,
  output: str | Path,
  *,
  video: str | Path | None = None,
  formats: Sequence[str] = tuple(FORMATS),
  stream: TextIO | None = None,
) -> None:
  """Writes a folder with a detector's programs, their inputs, their accuracy, and examples that run them.

  Args:
    checkpoint: a checkpoint or workdir that training wrote, or "shipped" for the weights in the package.
    output: the folder, which must be new or empty. It receives a program of each format, metadata.json, parity.json,
      blocks.py, and load_stablehlo.py and load_onnx.py, which do not need this package.
    video: a recording to compare on; None for a simulated performance.
    formats: names in `FORMATS`.
    stream: where the differences are printed; None for standard output.

  Raises:
    ValueError: an input is invalid, or a program differs from the network by more than `TOLERANCE`; nothing is written.
    ImportError: a package that a format needs is missing.
  """
  stream = stream or sys.stdout
  _check_formats(formats)
  with new_folder(output) as folder:
    detector = Detector(checkpoint)
    # Programs compute in float32, the precision of the parameters, even if the network was trained in a lower one.
    model = detector.model
    model = with_fields(model, dtype=jnp.float32) if "dtype" in field_names(model) else model
    variables, spec = detector.variables, detector.spec
    inputs = {"random": random_blocks(spec), **_recorded_blocks(spec, video)}

    program = functools.partial(scores, variables, model=model, clock=spec.clock)
    for name in formats:
      data = to_stablehlo(program, spec) if name == "stablehlo" else to_onnx(program, input_shapes(spec))
      (folder / f"program.{name}").write_bytes(data)
    network = _network(variables, model, spec.clock)
    expected = {name: network(blocks) for name, blocks in inputs.items()}
    differences = compare({name: load(folder / f"program.{name}") for name in formats}, inputs, expected)
    print("\n".join(_line(difference) for difference in differences), file=stream)
    _check_parity(differences)

    for name in formats:
      shutil.copy(_LOADERS / f"load_{name}.py", folder)
    for name in ("blocks", "events"):
      shutil.copy(_LOADERS / f"{name}.py", folder)
    metadata = _metadata(detector, model, differences[0].largest, formats)
    if "stablehlo" in formats:
      metadata["programs"]["stablehlo"]["calling_convention"] = _calling_convention(folder / "program.stablehlo")
    _write_json(folder / "metadata.json", metadata)
    _write_json(folder / "parity.json", _parity(differences, inputs, expected))
  names = sorted(path.name for path in Path(output).iterdir())
  print(f"wrote {output}: {', '.join(names)}", file=stream)


def scores(variables: Any, batch: Mapping[str, Any], *, model: nn.Module, clock: Clock) -> dict[str, jax.Array]:
  """Returns the scores of `predict` by name, without the outputs that the model lacks. Works for a symbolic B."""
  # Block by block, because log-mel chooses the size of its chunks by the number of blocks.
  inputs = jax.vmap(functools.partial(network_inputs, clock=clock))(dict(batch))
  with jax.default_matmul_precision(_PRECISION):
    outputs = model.apply(variables, *inputs, train=False)
  assert isinstance(outputs, Outputs)
  return _given(block_scores(outputs))


def input_shapes(spec: DataSpec) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns a program's inputs: waveform int16 [B,S], images uint8 [B,M,H,W], image_mask bool [B,M]; for any B >= 1."""
  from jax import export

  (blocks,) = export.symbolic_shape("blocks")
  num_images = spec.clock.num_images
  return {
    "waveform": jax.ShapeDtypeStruct((blocks, spec.clock.block_samples), jnp.int16),
    "images": jax.ShapeDtypeStruct((blocks, num_images, spec.crop.height_px, spec.crop.width_px), jnp.uint8),
    "image_mask": jax.ShapeDtypeStruct((blocks, num_images), jnp.bool_),
  }


def to_stablehlo(program: Callable[[dict[str, jax.Array]], dict[str, jax.Array]], spec: DataSpec) -> bytes:
  """Returns the program as `jax.export` serializes it, for all `PLATFORMS`."""
  from jax import export

  return bytes(export.export(jax.jit(program), platforms=PLATFORMS)(input_shapes(spec)).serialize())


def _calling_convention(path: Path) -> int:
  """Returns the number by which jax decides whether it can run a program that another version wrote."""
  from jax import export

  return export.deserialize(bytearray(path.read_bytes())).calling_convention_version


def load(path: Path) -> Callable[[HostBatch], Scores]:
  """Returns the program in a file as a function of a batch of 1 block or more. The file's suffix is its format.

  The function raises a ValueError for a batch of 0 blocks. Both it and `load` raise a ValueError if the installed jax
  cannot run the program and the metadata beside it name another version.
  """
  if path.suffix == ".stablehlo":
    from jax import export

    with _versions_named(path):
      exported = jax.jit(export.deserialize(bytearray(path.read_bytes())).call)

    def run(batch: dict[str, np.ndarray]) -> Scores:
      with _versions_named(path):
        return jax.tree.map(np.asarray, exported(batch))

  else:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(batch: dict[str, np.ndarray]) -> Scores:
      return dict(zip(names, session.run(names, batch), strict=True))

  def run_blocks(batch: HostBatch) -> Scores:
    if not len(batch["waveform"]):
      raise ValueError(f"{path}: got 0 blocks; expected 1 or more")
    return run(dict(batch))

  return run_blocks


@contextlib.contextmanager
def _versions_named(path: Path) -> Iterator[None]:
  """Names both versions of jax in an error if a program was written by another version."""
  try:
    yield
  except Exception as error:
    metadata = path.with_name("metadata.json")
    written_by = json.loads(metadata.read_text(encoding="utf-8"))["versions"]["jax"] if metadata.exists() else None
    if written_by in (None, jax.__version__):
      raise
    raise ValueError(
      f"{path} was written by jax {written_by}, and jax {jax.__version__} cannot run it "
      f"({str(error).splitlines()[0]}); install jax=={written_by}, or export it with the installed jax"
    ) from error


def compare(
  programs: Mapping[str, Callable[[HostBatch], Scores]], inputs: Mapping[str, HostBatch], expected: Mapping[str, Scores]
) -> list[Difference]:
  """Returns the differences between programs and the network's scores on each input, at several batch sizes."""
  differences = []
  for input_name, blocks in inputs.items():
    num_blocks = len(blocks["waveform"])
    for program_name, program in programs.items():
      for size in sorted({min(size, num_blocks) for size in _BATCH_SIZES}):
        parts = [
          program({name: array[start : start + size] for name, array in blocks.items()})
          for start in range(0, num_blocks, size)
        ]
        largest = {
          name: float(np.abs(np.concatenate([part[name] for part in parts]) - score).max())
          for name, score in expected[input_name].items()
        }
        differences.append(Difference(program_name, input_name, size, largest))
  return differences


def random_blocks(spec: DataSpec, seed: int = 0) -> dict[str, np.ndarray]:
  """Returns blocks of noise at many levels with images of noise, some missing; the first is all zeros, no images."""
  rng = np.random.default_rng(seed)
  shapes = {name: (_NUM_BLOCKS, *value.shape[1:]) for name, value in input_shapes(spec).items()}
  levels = np.geomspace(1, 20_000, _NUM_BLOCKS)[:, None]
  waveform = np.clip(rng.normal(0, levels, shapes["waveform"]), -32768, 32767).astype(np.int16)
  images = rng.integers(0, 256, shapes["images"], dtype=np.uint8)
  image_mask = rng.random(shapes["image_mask"]) < 0.7
  waveform[0], images[0], image_mask[0] = 0, 0, False
  return {"waveform": waveform, "images": images, "image_mask": image_mask}


def _recorded_blocks(spec: DataSpec, video: str | Path | None) -> dict[str, dict[str, np.ndarray]]:
  """Returns some blocks of the video or, without one, of a simulated performance, by the name of their source."""
  if video is not None:
    with contextlib.closing(read_blocks(video, spec.clock, spec.crop)) as blocks:  # type: ignore[type-var]
      return {Path(video).name: _stack(blocks)}

  try:
    from attavvad_jax.simulation.blocks import render_blocks
    from attavvad_jax.simulation.scenes import draw_scene

    scene = draw_scene(seed=0, index=0, split="test", duration_s=_NUM_BLOCKS * _EVERY * spec.clock.block_s)
    return {"simulated performance": _stack(render_blocks(scene, spec.clock, spec.crop))}
  except (ValueError, ImportError) as error:
    raise ValueError(
      f"no performance could be simulated to compare on: {error}; or give a recording with --video"
    ) from error


def _stack(blocks: Iterable[Block]) -> dict[str, np.ndarray]:
  chosen = list(itertools.islice(blocks, 0, _NUM_BLOCKS * _EVERY, _EVERY))
  return {key: np.stack([getattr(block, key) for block in chosen]) for key in ("waveform", "images", "image_mask")}


def _network(variables: Any, model: nn.Module, clock: Clock) -> Callable[[HostBatch], Scores]:
  """Returns the reference for the programs: `predict` on the detector's own variables."""
  compiled = jax.jit(functools.partial(predict, model=model, clock=clock))

  def network(batch: HostBatch) -> Scores:
    with jax.default_matmul_precision(_PRECISION):
      return jax.tree.map(np.asarray, _given(compiled(variables, batch)))

  return network


def _given(block_scores: Any) -> dict[str, Any]:
  values = {field.name: getattr(block_scores, field.name) for field in dataclasses.fields(block_scores)}
  return {name: value for name, value in values.items() if value is not None}


def _check_formats(formats: Sequence[str]) -> None:
  if not formats or len(set(formats)) < len(formats) or not set(formats) <= set(FORMATS):
    raise ValueError(f"formats: {','.join(formats)!r}; expected some of {', '.join(FORMATS)}, each once")
  for name in formats:
    if missing := [package for package in FORMATS[name] if importlib.util.find_spec(package) is None]:
      raise ImportError(
        f"the format {name} needs {' and '.join(missing)}: pip install 'attavvad_jax[export]', or choose other formats "
        "with --formats"
      )


def _check_parity(differences: Sequence[Difference]) -> None:
  if failed := [difference for difference in differences if not difference.holds]:
    raise ValueError(
      f"{_line(failed[0])}: more than {TOLERANCE:g} in {len(failed)} of {len(differences)} comparisons, so nothing was "
      "written; please report this with the versions of jax and onnxruntime"
    )


def _line(difference: Difference) -> str:
  name, value = max(difference.largest.items(), key=lambda item: (np.isnan(item[1]), item[1]))
  return (
    f"program.{difference.program} on {difference.input}, batch size {difference.batch_size}: differs from the network "
    f"by up to {value:.1e} ({name})"
  )


_BOX = (
  "extended by crop.margin of its width and height on each side and widened to the image's aspect ratio, in luma; "
  "brightness and contrast do not matter"
)
# The content of the images, by `Crop.part`.
_SHOWN = {
  "face": f"the performer's face: its box {_BOX}",
  "mouth": f"the performer's mouth: the lower half of the face's box {_BOX}",
  "lips": "the performer's lips, as attavvad_jax.faces.lips draws them from the landmarks of mediapipe's face mesh",
  "lip_shape": "measures of the performer's lips, as attavvad_jax.faces.lips takes them from the landmarks of "
  "mediapipe's face mesh",
}


def _metadata(detector: Detector, model: nn.Module, outputs: Iterable[str], formats: Sequence[str]) -> dict[str, Any]:
  """Returns the description of the programs for a user who has only the folder."""
  clock, crop, events = detector.spec.clock, detector.spec.crop, list(detector.spec.events)
  outputs = sorted(outputs)
  transitions = np.exp(log_transitions(clock.block_rate_hz))
  per_event = {name: ["blocks", len(events)] for name in ("audio", "audio_visual", "attention")}
  about = {
    "waveform": "mono samples: clock.samples_before of them before the block, then the block's own; block i starts at "
    "sample round(i * sample_rate_hz / block_rate_hz); zeros before the start and after the end of the audio",
    "images": f"{_SHOWN[crop.part]}; first the last clock.images_before images before the block, then those at the "
    "centers of equal parts of it",
    "image_mask": "false where there is no image; the pixels in its place do not matter",
  }
  return {
    "attavvad_jax": __version__,
    "checkpoint_sha256": detector.digest,
    "model": detector.meta["config"]["model"]["name"],
    "step": detector.meta["step"],
    "labels": events,
    "blocks": "1 or more at once",
    "decision": "audio_visual" if "audio_visual" in outputs else "audio",
    "inputs": {
      name: {"dtype": np.dtype(value.dtype).name, "shape": ["blocks", *value.shape[1:]], "what": about[name]}
      for name, value in input_shapes(detector.spec).items()
    },
    "outputs": {name: {"dtype": "float32", "shape": per_event.get(name, ["blocks"])} for name in outputs},
    "clock": {**clock.to_dict(), "samples_before": clock.samples_before, "block_samples": clock.block_samples},
    "crop": dataclasses.asdict(crop),
    "smoothing": detector.smoothing.to_dict(),
    # Of an HMM: the probability of each label (columns) one block after each label (rows).
    **({"transitions": transitions.tolist()} if detector.smoothing.decoder == "hmm" else {}),
    "programs": {
      name: {"file": f"program.{name}", **({"platforms": PLATFORMS} if name == "stablehlo" else {})} for name in formats
    },
    "versions": versions(_packages(formats)),
  }


def _packages(formats: Iterable[str]) -> list[str]:
  return ["jax", "jaxlib", "numpy", *(package for name in formats for package in FORMATS[name])]


def _parity(
  differences: Sequence[Difference], inputs: Mapping[str, HostBatch], expected: Mapping[str, Scores]
) -> dict[str, Any]:
  """Returns the record of the comparison, with the range of the network's probabilities as a scale."""
  device = jax.devices()[0]
  return {
    "tolerance": TOLERANCE,
    "reference": f"model.apply in float32, sigmoid; on {device.platform}",
    "inputs": {
      name: {
        "blocks": len(blocks["image_mask"]),
        "images": int(blocks["image_mask"].sum()),
        "ranges": {output: float(np.ptp(score, axis=0).max()) for output, score in expected[name].items()},
      }
      for name, blocks in inputs.items()
    },
    "differences": [dataclasses.asdict(difference) for difference in differences],
  }


def _write_json(path: Path, value: Any) -> None:
  write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
