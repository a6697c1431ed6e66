"""Tools have a `Command`, like the verbs of `attavvad`."""

import inspect
import shlex

import pytest

from attavvad_jax.commands.parser import Parser, add_options
from tools import benchmark, compare_smoothing, crash_test, data_card, get_sounds, pack, reliability
from tools.benchmarks.suites import SUITES


@pytest.mark.parametrize(
  "tool",
  [benchmark, compare_smoothing, crash_test, data_card, get_sounds, pack, reliability],
  ids=lambda tool: tool.__name__,
)
def test_function_takes_the_options_and_the_example_parses(tool):
  command = tool.COMMAND
  assert list(inspect.signature(command.run).parameters) == [option.name for option in command.options]
  python, _, module, *argv = shlex.split(command.example)
  assert (python, module) == ("python", tool.__name__)
  parser = Parser()
  add_options(parser, command)
  assert set(vars(parser.parse_args(argv))) == {*(option.name for option in command.options), "quiet", "verbose"}


def test_option_lists_all_suites():
  (suite,) = (option for option in benchmark.COMMAND.options if option.name == "suite")
  assert suite.choices == tuple(SUITES)
