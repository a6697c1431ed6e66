"""The table of verbs, its parser and absl flags, and their output."""

import inspect
import os
from pathlib import Path
import shlex
import subprocess
import sys

from absl import flags
import pytest

from attavvad_jax import __version__, configs, notes
from attavvad_jax.commands import main as main_lib
from attavvad_jax.commands import parser as parser_lib
from attavvad_jax.commands.base import Option
from attavvad_jax.commands.options import COMMON, smoothing
from attavvad_jax.commands.table import COMMANDS
from attavvad_jax.timeline import Smoothing
from launch import app

ROOT = Path(__file__).parents[2]
# Packages that import slowly and that help does not need.
HEAVY = ("jax", "numpy", "cv2", "av", "absl", "ml_collections", "flax", "mediapipe", "tqdm")


def parse(*argv):
  return parser_lib.parse(parser_lib.build(COMMANDS), COMMANDS, argv)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
class TestVerb:
  def test_function_takes_the_options(self, command):
    assert list(inspect.signature(command.run).parameters) == [option.name for option in command.options]

  def test_example_parses(self, command):
    program, *argv = shlex.split(command.example)
    assert program == "attavvad"
    assert parse(*argv)[0] is command

  def test_help_shows_example_and_options(self, command, capsys):
    with pytest.raises(SystemExit) as error:
      main_lib.main([command.name, "--help"])
    assert error.value.code == 0
    shown = capsys.readouterr().out
    assert f"\n  {command.example}\n" in shown
    assert all(option.positional or option.option in shown for option in (*command.options, *COMMON))

  def test_line_parses_to_the_values_that_it_was_made_from(self, command):
    values = parse(*shlex.split(command.example)[1:])[1]
    again = parse(*shlex.split(command.line(values))[1:])[1]
    assert again == values


def test_help_and_version_need_no_heavy_import():
  program = f"""
import sys
from attavvad_jax.commands.main import main
for argv in (["--help"], ["train", "--help"], ["--version"]):
  try:
    main(argv)
  except SystemExit as end:
    assert end.code == 0
assert not {{*sys.modules}} & {{*{HEAVY!r}}}, {{*sys.modules}} & {{*{HEAVY!r}}}
"""
  result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
  assert f"\n{__version__}\n" in result.stdout
  assert all(f"\n    {name} " in result.stdout for name in COMMANDS)


def test_module_is_the_command():
  command = [sys.executable, "-m", "attavvad_jax", "--version"]
  assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == f"{__version__}\n"


def test_closed_output_pipe_is_no_error_message():
  reader, writer = os.pipe()
  os.close(reader)
  with open(writer, "wb") as closed:
    command = [sys.executable, "-m", "attavvad_jax", "configs"]
    done = subprocess.run(command, cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
  assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("option", ["--audio-track", "--audio_track"])
@pytest.mark.parametrize("joined", [True, False])
def test_dash_and_underscore_are_the_same(option, joined):
  argv = [f"{option}=a_b"] if joined else [option, "a_b"]
  assert parse("detect", "clip.mp4", *argv)[1]["audio_track"] == "a_b"


def test_values_are_parsed_by_their_kind():
  _, values, overrides = parse(
    *("prepare", "--output=x", "--map=a=speech, b=none", "--seed=3", "--label-rate-hz=0.5", "--estimates"),
    *("--config.batch_size=3", "--config.crop.part", "lips", "--noconfig.remat", "--config.remat", "--name=n"),
  )
  assert values["map"] == ("a=speech", "b=none")
  assert (values["seed"], values["label_rate_hz"], values["estimates"], values["name"]) == (3, 0.5, True, "n")
  assert overrides == [*("--config.batch_size=3", "--config.crop.part", "lips", "--noconfig.remat", "--config.remat")]


@pytest.mark.parametrize(
  ("argv", "messages"),
  [
    (["trian"], ["'trian'", "train"]),
    (["train", "--workdir=x"], ["--config"]),
    (["train", "--config=demo", "--workdir=x", "--placment=mesh"], ["--placment", "--placement"]),
    (["train", "--config=demo", "--workdir=x", "y"], ["'y'"]),
    (["train", "--config=demo", "--workdir=x", "--num_processes=two"], ["--num-processes", "'two'"]),
    (["detect", "a.mp4", "--faces=some"], ["--faces", "performer"]),
    (["demo", "--quiet", "--verbose"], ["--quiet", "--verbose"]),
    (["export", "--output=x", "--config.seed=1"], ["export", "--config.seed=1"]),
  ],
)
def test_unusable_command_line_gives_one_line(capsys, argv, messages):
  try:
    code = main_lib.main(argv)
  except SystemExit as end:
    code = end.code
  assert code == 2
  captured = capsys.readouterr()
  assert captured.err.startswith("attavvad: ")
  assert captured.err.count("\n") == 1
  assert all(message in captured.err for message in messages)


def test_defaults_and_choices_equal_those_of_the_called_functions():
  """Options repeat them, since the help of a verb does not import the functions."""
  from attavvad_jax.evaluation.protocols import PROTOCOLS
  from attavvad_jax.experiments.plan import BUDGETS, FIGURES, TABLES
  from attavvad_jax.export import programs as export
  from attavvad_jax.inference import outputs, run
  from attavvad_jax.media.tracks import CHANNELS
  from attavvad_jax.simulation import PRESETS
  from attavvad_jax.training.placement import PLACEMENTS

  options = {(name, option.name): option for name, command in COMMANDS.items() for option in command.options}
  assert options["detect", "to"].default == outputs.DEFAULT
  assert options["detect", "faces"].choices == run.FACES
  assert options["detect", "audio_channels"].choices == CHANNELS
  assert options["train", "placement"].choices == tuple(PLACEMENTS)
  assert options["export", "formats"].default == tuple(export.FORMATS)
  assert options["reproduce", "tables"].default == tuple(TABLES)
  assert options["reproduce", "figures"].default == tuple(FIGURES)
  for option, names in (
    (options["detect", "to"], outputs.SUFFIXES),
    (options["simulate", "preset"], PRESETS),
    (options["evaluate", "protocol"], PROTOCOLS),
    (options["reproduce", "budget"], BUDGETS),
  ):
    assert all(name in option.help for name in names), option


@pytest.mark.parametrize("shell", parser_lib.SHELLS)
def test_completion_is_printed(capsys, shell):
  with pytest.raises(SystemExit) as error:
    main_lib.main([f"--completion={shell}"])
  assert error.value.code == 0
  script = capsys.readouterr().out
  assert "audio-track" in script
  assert "reproduce" in script


def test_completion_completes_verbs_options_and_choices(capsys):
  with pytest.raises(SystemExit):
    main_lib.main(["--completion=bash"])
  script = capsys.readouterr().out

  def complete(*words):
    program = f"{script}\nCOMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _shtab_attavvad"
    program += '; echo "${COMPREPLY[@]}"'
    result = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    return result.stdout.split()

  assert complete("attavvad", "pre") == ["prepare"]
  assert complete("attavvad", "train", "--place") == ["--placement"]
  assert complete("attavvad", "train", "--placement", "p") == ["pmap"]
  assert complete("attavvad", "train", "--config", "base_a") == [n for n in configs.names() if n.startswith("base_a")]
  assert complete("attavvad", "train", "--config", "setup.") == ["setup.py"]


def test_configs_are_listed_with_summaries(capsys):
  assert main_lib.main(["configs"]) == 0
  lines = capsys.readouterr().out.splitlines()
  assert [line.split()[0] for line in lines] == configs.names()
  assert "att_avvad_small" in configs.names()
  assert all(len(line.split()) > 3 for line in lines)


def test_config_is_printed_as_overridable_values_and_as_source(capsys):
  assert main_lib.main(["config", "att_avvad_small"]) == 0
  lines = capsys.readouterr().out.splitlines()
  assert "config.crop.height_px = 112" in lines
  assert "config.loss_weights = '1/1/1'" in lines
  assert main_lib.main(["config", "att_avvad", "--source"]) == 0
  assert capsys.readouterr().out == (ROOT / "attavvad_jax/configs/att_avvad.py").read_text()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_absl_flags_give_the_same_values(command):
  _, values, _ = parse(*shlex.split(command.example)[1:])
  flag_values, argv = flags.FlagValues(), ["launch"]
  app.define(command, flag_values)
  names = {option.option: option.flag or option.name for option in command.options}
  (positional,) = [option.flag or option.name for option in command.options if option.positional] or [None]
  for word in shlex.split(command.line(values))[2:]:
    name = word.partition("=")[0]
    argv.append(word.replace(name, f"--{names[name]}", 1) if name in names else f"--{positional}={word}")
  flag_values(argv)
  assert app.values_of(command, flag_values) == values


def test_quiet_silences_notes_and_progress_and_verbose_shows_tracebacks(capsys, monkeypatch):
  seen = []

  def run(source):
    notes.note("a note")
    seen.append(notes.progress_bar([]).disable)
    print("a result")
    raise ValueError("an error")

  command = COMMANDS["configs"]
  object_ = type(command)("try", "", "", "attavvad try", (Option("source", ""),), run)
  for options, num_notes, tracebacks in (((), 1, 0), (("quiet",), 0, 0), (("verbose",), 1, 1)):
    values = {"source": None, "quiet": "quiet" in options, "verbose": "verbose" in options}
    assert main_lib.run(object_, values) == 2
    captured = capsys.readouterr()
    assert captured.out == "a result\n"
    assert captured.err.count("a note\n") == num_notes
    assert captured.err.count("Traceback") == tracebacks
    assert captured.err.endswith("attavvad: an error\n")
    assert notes.QUIET not in os.environ
  assert seen == [False, True, False]


class TestSmoothingOptions:
  @pytest.mark.parametrize(
    ("argv", "fields"),
    [
      ([], {}),
      (["--threshold=0.7"], {"speech_threshold": 0.7, "singing_threshold": 0.7}),
      (["--threshold=speech=0.6, singing=0"], {"speech_threshold": 0.6, "singing_threshold": 0.0}),
      (["--threshold=singing=1", "--min-duration-s=2"], {"min_duration_s": 2.0, "singing_threshold": 1.0}),
    ],
  )
  def test_become_fields_of_smoothing(self, argv, fields):
    values = parse("detect", "a.mp4", *argv)[1]
    assert smoothing(values["threshold"], values["min_duration_s"]) == fields
    Smoothing(**fields)

  @pytest.mark.parametrize(
    "text",
    ["1.5", "nan", "-0.1", "often", "others=0.5", "speech=", "0.5,0.6", "0.5,speech=0.6", "", "speech=0.2,speech=0.9"],
  )
  def test_error_shows_the_bad_part_and_what_is_expected(self, text):
    with pytest.raises(ValueError, match=r"--threshold: got '.*'; expected .*speech=0\.6"):
      smoothing(parse("detect", "a.mp4", f"--threshold={text}")[1]["threshold"], None)
