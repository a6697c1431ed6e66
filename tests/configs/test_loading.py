"""Experiments by name, by file and by module; overrides; and what is said of those that cannot be."""

from pathlib import Path
import shlex

import pytest

from attavvad_jax import configs
from attavvad_jax.commands import parser
from attavvad_jax.commands.table import COMMANDS

ROOT = Path(__file__).parents[2]
MINE = '''"""Mine."""

import dataclasses

from attavvad_jax.configs import att_avvad_small


@dataclasses.dataclass
class Sizes:
  side_px: "int" = 48


def get_config(side_px=None):
  config = att_avvad_small.get_config()
  config.crop.height_px = int(side_px or Sizes().side_px)
  return config
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
  """The path of an experiment of one's own, which is also a module."""
  (tmp_path / "my_experiments").mkdir()
  path = tmp_path / "my_experiments" / "mine.py"
  path.write_text(MINE)
  monkeypatch.syspath_prepend(tmp_path)
  return path


@pytest.mark.parametrize("name", configs.names())
def test_checkout_passes_shipped_experiments_on(name):
  path = ROOT / "configs" / f"{name}.py"
  assert configs.load(str(path)).to_dict() == configs.load(name).to_dict()
  assert configs.find(str(path)).__doc__.splitlines()[0] == configs.summary(name)
  assert "config." not in path.read_text().split('"""')[2].replace("attavvad_jax.configs.", "")


@pytest.mark.parametrize("name", configs.names())
def test_commands_that_an_experiment_names_parse(name):
  text = configs.find(name).__doc__.replace("\\\n", " ")
  lines = [line.strip() for line in text.splitlines() if line.strip().startswith("attavvad ")]
  assert lines
  for line in lines:
    parser.parse(parser.build(COMMANDS), COMMANDS, shlex.split(line)[1:])


def test_a_users_experiment_is_loaded_by_file_and_by_module(mine):
  for reference in (str(mine), "my_experiments.mine"):
    assert configs.load(reference).crop.height_px == 48
    assert configs.load(f"{reference}:96").crop.height_px == 96
    assert configs.source(reference) == MINE


def test_overrides_have_the_type_of_the_replaced_value():
  overrides = ["--config.batch_size=7", "--config.crop.part", "lips", "--config.remat", "--config.data=x"]
  config = configs.load("att_avvad", [*overrides, "--config.transfer.freeze=('audio',)"])
  assert (config.batch_size, config.crop.part, config.remat, config.data) == (7, "lips", True, "x")
  assert config.transfer.freeze == ("audio",)


@pytest.mark.parametrize(
  ("override", "messages"),
  [
    ("--config.batchsize=3", ["'batchsize'", "batch_size"]),
    ("--config.crop.height=3", ["'height'", "height_px"]),
    ("--config.batch_size=many", ["config.batch_size", "many"]),
    ("--config.batch_size=2.5", ["config.batch_size", "2.5"]),
    ("--config.remat=perhaps", ["config.remat", "perhaps"]),
    ("--config.model=att_avvad", ["config.model", "att_avvad"]),
  ],
)
def test_invalid_overrides_are_explained(override, messages):
  with pytest.raises(ValueError) as error:  # noqa: PT011
    configs.load("att_avvad", [override])
  assert all(message in str(error.value) for message in messages)


@pytest.mark.parametrize(
  ("reference", "messages"),
  [
    ("att_avvd", ["'att_avvd'", "att_avvad_small", "package.module"]),
    ("none.py", ["none.py", "no such file"]),
    ("my_experiments.none", ["my_experiments.none", "package.module"]),
    ("json", ["json", "get_config"]),
    ("my_experiments.mine:wide", ["my_experiments.mine", "ValueError", "wide"]),
  ],
)
@pytest.mark.usefixtures("mine")
def test_unknown_experiments_are_explained(reference, messages):
  with pytest.raises(ValueError) as error:  # noqa: PT011
    configs.load(reference)
  assert all(message in str(error.value) for message in messages)


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("import no_such_module", "no_such_module"),
    ("x = (", "SyntaxError"),
    ("def get_config(): return {}", "dict; expected a ConfigDict"),
    ("def get_config(): return 1 / 0", "ZeroDivisionError"),
  ],
)
def test_errors_in_a_users_experiment_name_it(tmp_path, text, message):
  (tmp_path / "bad.py").write_text(text)
  with pytest.raises(ValueError, match=rf"config \S*bad\.py: .*{message}"):
    configs.load(str(tmp_path / "bad.py"))
