import dataclasses
import functools
import importlib.util
import io
import itertools
import json
import math
import shutil
import subprocess
import sys
import wave

from hypothesis import given
from hypothesis import strategies as st
import jax
from jax import export as jax_export
import numpy as np
from prepared import SPEC
import pytest

from attavvad_jax.blocks import Crop
from attavvad_jax.export import programs as export
from attavvad_jax.export.to_onnx import to_onnx
from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.inference.detector import Detector
from attavvad_jax.models import MODELS, Ensemble, build
from attavvad_jax.models.fusion import FUSIONS
from attavvad_jax.predict import predict
from attavvad_jax.recordings import read_blocks
from attavvad_jax.timeline import EVENTS, Clock, Smoothing, scores_to_timeline
from attavvad_jax.timeline.viterbi import log_transitions

# Runs a loader without the hidden packages.
_ALONE = """
import runpy, sys
for name in {hidden!r}: sys.modules[name] = None
sys.argv = {arguments!r}
sys.path.insert(0, {folder!r})
runpy.run_path(sys.argv[0], run_name="__main__")
"""


FUSED = [("att_avvad", {"fusion": fusion}) for fusion in FUSIONS]
NETWORKS = [
  *FUSED,
  ("att_avvad", {"motion": True}),
  *((name, {}) for name in MODELS if name != "att_avvad"),
  ("ensemble", {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fields"), NETWORKS)
def test_every_network_is_exported_for_any_number_of_blocks(name, fields, tmp_path):
  if name == "ensemble":
    model = Ensemble(build("att_avvad", filters=2, embedding_dim=4, gru_units=3), 2)
  else:
    model = build(name, filters=2, embedding_dim=4, **({} if name == "visual_only" else {"gru_units": 3}), **fields)
  blocks = export.random_blocks(SPEC)
  shapes = jax.eval_shape(
    functools.partial(model.init, train=False), jax.random.key(0), *network_inputs(blocks, SPEC.clock)
  )
  variables = jax.tree_util.tree_map_with_path(functools.partial(_draw, np.random.default_rng(0)), shapes)
  program = functools.partial(export.scores, variables, model=model, clock=SPEC.clock)
  # Lowering is enough here: another test runs the StableHLO program of one network.
  assert export.to_stablehlo(program, SPEC)

  path = tmp_path / "program.onnx"
  path.write_bytes(export.to_onnx(program, export.input_shapes(SPEC)))
  run = export.load(path)
  scores = jax.jit(functools.partial(predict, model=model, clock=SPEC.clock))(variables, blocks)
  expected = {key: value for key, value in vars(scores).items() if value is not None}
  # Scores that do not vary would match any program.
  assert all(np.ptp(score, axis=0).max() > 1e-2 for score in expected.values())
  for size in (3, 16):
    given = run({key: value[:size] for key, value in blocks.items()})
    assert given.keys() == expected.keys()
    for key, score in given.items():
      np.testing.assert_allclose(score, expected[key][:size], rtol=0, atol=export.TOLERANCE)


def _draw(rng, path, leaf):
  """Draws parameters and statistics that all differ and keep activations from vanishing."""
  if path[-1].key in ("var", "scale"):
    return np.float32(rng.uniform(*{"var": (0.02, 0.1), "scale": (1, 2)}[path[-1].key], leaf.shape))
  spread = 1.5 / math.sqrt(math.prod(leaf.shape[:-1])) if leaf.ndim > 1 else 0.2
  return np.float32(rng.normal(0, spread, leaf.shape))


@pytest.fixture(scope="module")
def exported(workdir, tmp_path_factory):
  """Returns the exported folder and the printed text."""
  folder, stream = tmp_path_factory.mktemp("exported") / "programs", io.StringIO()
  export.export_detector(workdir, folder, stream=stream)
  return folder, stream.getvalue()


@pytest.mark.slow
def test_folder_describes_the_programs_inputs_and_accuracy(exported, workdir):
  folder, printed = exported
  loaders = ["blocks.py", "events.py", "load_onnx.py", "load_stablehlo.py"]
  records = ["metadata.json", "parity.json"]
  assert sorted(path.name for path in folder.iterdir()) == [*loaders, *records, "program.onnx", "program.stablehlo"]
  metadata, parity = (json.loads((folder / name).read_text()) for name in records)
  detector = Detector(workdir)
  assert metadata["checkpoint_sha256"] == detector.digest
  assert metadata["labels"] == list(EVENTS)
  assert Clock(**{key: metadata["clock"][key] for key in detector.spec.clock.to_dict()}) == detector.spec.clock
  assert Crop(**metadata["crop"]) == detector.spec.crop
  assert Smoothing(**metadata["smoothing"]) == detector.smoothing
  assert metadata["inputs"]["images"]["shape"] == ["blocks", 3, 32, 32]
  assert metadata["programs"]["stablehlo"]["platforms"] == ["cpu", "cuda", "tpu"]
  assert metadata["programs"]["stablehlo"]["calling_convention"] >= 9
  assert metadata["versions"]["jax"] == jax.__version__
  assert metadata["blocks"] == "1 or more at once"

  compared = {(one["program"], one["input"], one["batch_size"]): one["largest"] for one in parity["differences"]}
  inputs, sizes = ("random", "simulated performance"), (1, 4, 16)
  assert set(compared) == set(itertools.product(("stablehlo", "onnx"), inputs, sizes))
  assert all(set(largest) == set(metadata["outputs"]) for largest in compared.values())
  assert max(value for largest in compared.values() for value in largest.values()) <= parity["tolerance"] == 1e-4
  assert parity["inputs"]["simulated performance"]["images"] > 0
  assert len(printed.splitlines()) == len(compared) + 1


@pytest.mark.slow
@pytest.mark.parametrize(("form", "hidden"), [("onnx", ("jax", "attavvad_jax")), ("stablehlo", ("attavvad_jax",))])
def test_examples_print_the_detectors_scores_without_this_package(exported, workdir, tmp_path, form, hidden):
  """The recording has slightly more than 12 blocks, all but one with faces."""
  detector, folder = Detector(workdir), exported[0]
  clock, rng = detector.spec.clock, np.random.default_rng(0)
  samples = rng.normal(0, 3000, clock.start_sample(12) + 100).astype("<i2")
  images = rng.integers(0, 256, (13, 3, 32, 32), dtype=np.uint8)
  images[5] = 0
  np.save(tmp_path / "faces.npy", images)
  with wave.open(str(tmp_path / "audio.wav"), "wb") as file:
    file.setparams((1, 2, clock.sample_rate_hz, 0, "NONE", ""))
    file.writeframes(samples.tobytes())

  arguments = [str(folder / f"load_{form}.py"), str(tmp_path / "audio.wav"), str(tmp_path / "faces.npy")]
  program = _ALONE.format(hidden=hidden, arguments=arguments, folder=str(folder))
  printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
  padded = np.pad(samples, (0, clock.block_samples))
  waveform = np.stack([padded[clock.start_sample(i) :][: clock.block_samples] for i in range(13)])
  mask = np.ones((13, 3), bool)
  mask[5] = False
  expected = np.asarray(detector.predict({"waveform": waveform, "images": images, "image_mask": mask}).audio_visual)
  lines = [line.split() for line in printed.splitlines()]
  rows = [line for line in lines if line[2] in EVENTS]
  assert [row[2] for row in rows] == [EVENTS[best] for best in expected.argmax(axis=1)]
  np.testing.assert_allclose([float(row[0]) for row in rows], [clock.start_s(i) for i in range(13)], atol=1e-3)
  np.testing.assert_allclose([float(row[3]) for row in rows], expected.max(axis=1), atol=2e-4)
  timeline = scores_to_timeline(expected, clock, clock.start_s(13), detector.smoothing)
  events = [(float(line[0]), float(line[2]), line[4]) for line in lines if line[2] not in EVENTS]
  assert events == [(round(e.onset_s, 3), round(e.offset_s, 3), e.label) for e in timeline]


@given(
  st.lists(st.tuples(*[st.integers(0, 64).map(lambda n: n / 64)] * 4), min_size=1, max_size=40),
  st.sampled_from(
    [
      Smoothing(),
      Smoothing(1, 1.6, speech_threshold=0.5),
      Smoothing(1, 0.0, "hmm", 0.7),
      Smoothing(3, 1.0, "hmm", 0.3, 1),
    ]
  ),
)
def test_events_of_the_example_equal_those_of_the_package(rows, smoothing):
  metadata = {
    "labels": EVENTS,
    "decision": "audio_visual",
    "clock": {"block_rate_hz": 3.0},
    "smoothing": smoothing.to_dict(),
    "transitions": np.exp(log_transitions(3.0)).tolist(),
  }
  found = _module(export._LOADERS, "events").to_events(metadata, rows)
  timeline = scores_to_timeline(np.array(rows), Clock(), len(rows) / 3, smoothing)
  assert found == [(pytest.approx(e.onset_s), pytest.approx(e.offset_s), e.label) for e in timeline]


def test_events_of_a_users_smoothing_are_an_error():
  metadata = {"labels": EVENTS, "clock": {"block_rate_hz": 3.0}, "smoothing": {"function": "my:smoothing"}}
  with pytest.raises(ValueError, match="the smoothing is my:smoothing"):
    _module(export._LOADERS, "events").to_events(metadata, [[0, 1, 0, 0]])


def _loaders(folder, metadata):
  """Returns `blocks` and `load_stablehlo` as modules in a folder with these metadata."""
  for name in ("blocks", "events", "load_stablehlo"):
    shutil.copy(export._LOADERS / f"{name}.py", folder)
  (folder / "metadata.json").write_text(json.dumps(metadata))
  _module(folder, "events")
  return _module(folder, "blocks"), _module(folder, "load_stablehlo")


def _module(folder, name):
  spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
  sys.modules[name] = module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


@pytest.fixture
def written_program(tmp_path, monkeypatch):
  """Returns a function that writes a program; with 0 devices, the installed jax cannot run it."""
  monkeypatch.setitem(sys.modules, "blocks", None)
  monkeypatch.setitem(sys.modules, "events", None)
  monkeypatch.setitem(sys.modules, "load_stablehlo", None)

  def write(num_devices):
    (blocks,) = jax_export.symbolic_shape("blocks")
    shapes = {"waveform": jax.ShapeDtypeStruct((blocks, 3), np.float32)}
    exported = jax_export.export(jax.jit(lambda batch: {"audio": 2 * batch["waveform"]}))(shapes)
    exported = dataclasses.replace(exported, nr_devices=num_devices)
    (tmp_path / "program.stablehlo").write_bytes(bytes(exported.serialize()))
    return tmp_path, exported.calling_convention_version

  return write


def test_error_names_the_jax_that_wrote_a_program_that_cannot_run(written_program):
  """Versions of jax before 0.8 read the number of devices in a program of a later version as 0."""
  folder, convention = written_program(num_devices=0)
  programs = {"stablehlo": {"calling_convention": convention}}
  _, loader = _loaders(folder, {"versions": {"jax": "99.1"}, "programs": programs})
  batch = {"waveform": np.ones((2, 3), np.float32)}
  message = rf"written by jax 99.1.*, and jax {jax.__version__} cannot run it \(.*exported for 0 devices.*jax==99.1"
  _, run = loader.load()
  with pytest.raises(ValueError, match=rf"{message}") as caught:
    run(batch)
  assert f"(calling convention {convention})" in str(caught.value)
  assert "\n" not in str(caught.value)
  with pytest.raises(ValueError, match=message):
    export.load(folder / "program.stablehlo")(batch)


def test_program_of_the_same_jax_keeps_its_own_errors(written_program):
  folder, convention = written_program(num_devices=0)
  programs = {"stablehlo": {"calling_convention": convention}}
  _, loader = _loaders(folder, {"versions": {"jax": jax.__version__}, "programs": programs})
  for run in (loader.load()[1], export.load(folder / "program.stablehlo")):
    with pytest.raises(ValueError, match=r"^Function .* was exported for 0 devices"):
      run({"waveform": np.ones((2, 3), np.float32)})


def test_programs_take_one_block_or_more(written_program):
  folder, convention = written_program(num_devices=1)
  programs = {"stablehlo": {"calling_convention": convention}}
  blocks, loader = _loaders(folder, {"versions": {"jax": "99.1"}, "programs": programs})
  none, two = ({"waveform": np.ones((count, 3), np.float32)} for count in (0, 2))
  for run in (loader.load()[1], export.load(folder / "program.stablehlo")):
    np.testing.assert_array_equal(run(two)["audio"], np.full((2, 3), 2))
    with pytest.raises(ValueError, match="got 0 blocks"):
      run(none)
    with pytest.raises(ValueError, match="got 0 blocks"):
      blocks.run_in_batches(run, none)


def test_onnx_takes_one_block_or_more(tmp_path):
  (blocks,) = jax_export.symbolic_shape("blocks")
  program = export.to_onnx(
    lambda batch: {"audio": 2 * batch["waveform"]}, {"waveform": jax.ShapeDtypeStruct((blocks, 3), np.float32)}
  )
  (tmp_path / "program.onnx").write_bytes(program)
  run = export.load(tmp_path / "program.onnx")
  assert run({"waveform": np.ones((2, 3), np.float32)})["audio"].shape == (2, 3)
  with pytest.raises(ValueError, match=r"program\.onnx: got 0 blocks"):
    run({"waveform": np.ones((0, 3), np.float32)})


@pytest.fixture
def box_is_known(monkeypatch):
  """Replaces face detection by a known box."""
  monkeypatch.setattr(export, "read_blocks", functools.partial(read_blocks, box=(0.25, 0.25, 0.5, 0.5)))


@pytest.mark.slow
@pytest.mark.usefixtures("box_is_known")
def test_network_trained_in_bfloat16_is_exported_in_float32(workdir, video, tmp_path):
  checkpoint = tmp_path / "checkpoint"
  shutil.copytree(Detector(workdir).path, checkpoint)
  meta = json.loads((checkpoint / "meta" / "metadata").read_text())
  meta["config"]["model"]["dtype"] = "bfloat16"
  (checkpoint / "meta" / "metadata").write_text(json.dumps(meta))
  export.export_detector(checkpoint, tmp_path / "programs", video=video, formats=["onnx"], stream=io.StringIO())
  parity = json.loads((tmp_path / "programs" / "parity.json").read_text())
  # 37 blocks, every sixth of which is compared.
  assert parity["inputs"][video.name]["blocks"] == 7
  assert {one["batch_size"] for one in parity["differences"] if one["input"] == video.name} == {1, 4, 7}


@pytest.mark.parametrize("error", [2e-4, np.nan])
def test_difference_in_a_single_output_and_block_is_found(error):
  blocks = export.random_blocks(SPEC)

  def network(batch):
    level = np.abs(batch["waveform"].astype(np.float32)).mean(axis=1) / 32768
    return {"audio": np.stack([level, 1 - level], axis=1), "visual": level}

  def program(batch):
    scores = network(batch)
    loudest = scores["visual"] > 0.4
    return {**scores, "visual": scores["visual"] + np.where(loudest, error, 0)}

  inputs, expected = {"random": blocks}, {"random": network(blocks)}
  exact, wrong = (export.compare({"onnx": one}, inputs, expected) for one in (network, program))
  assert [difference.batch_size for difference in exact] == [1, 4, 16]
  assert all(difference.holds for difference in exact)
  assert not any(difference.holds for difference in wrong)
  assert all(difference.largest["audio"] == 0 for difference in wrong)


@pytest.mark.slow
@pytest.mark.usefixtures("box_is_known")
def test_program_that_differs_is_not_written(workdir, video, tmp_path, monkeypatch):
  monkeypatch.setattr(export, "to_onnx", lambda program, inputs: to_onnx(_wrong(program), inputs))
  with pytest.raises(ValueError, match=r"program\.onnx on random, batch size 1: .* nothing was written"):
    export.export_detector(workdir, tmp_path / "programs", video=video, formats=["onnx"], stream=io.StringIO())
  assert not list(tmp_path.iterdir())


def _wrong(program):
  return lambda batch: {name: score + 2e-4 for name, score in program(batch).items()}


@pytest.mark.parametrize("formats", [[], ["tflite"], ["onnx", "onnx"]])
def test_invalid_formats_raise(formats, tmp_path):
  with pytest.raises(ValueError, match="expected some of stablehlo, onnx"):
    export.export_detector("none", tmp_path / "programs", formats=formats)


def test_missing_package_is_named(tmp_path, monkeypatch):
  monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxruntime" else name)
  with pytest.raises(ImportError, match=r"onnx needs onnxruntime: pip install 'attavvad_jax\[export\]'"):
    export.export_detector("none", tmp_path / "programs")
