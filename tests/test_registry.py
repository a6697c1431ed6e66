"""Names in configs and options that stand for objects."""

import sys
import types

import pytest

from attavvad_jax.registry import call, resolve

TABLE = {"one": lambda: 1, "two": lambda: 2}


@pytest.fixture(autouse=True)
def module(monkeypatch):
  module = types.ModuleType("own_things")
  module.three = lambda: 3
  module.double = lambda value: 2 * value
  monkeypatch.setitem(sys.modules, "own_things", module)


def test_name_is_in_the_table_or_in_a_module():
  assert call("two", TABLE, "number", int) == 2
  assert call("own_things:three", TABLE, "number", int) == 3
  assert call("own_things:double", {}, "number", int, 4) == 8


@pytest.mark.parametrize(
  ("reference", "parts"),
  [
    ("four", ["unknown number 'four'", "one, two", "package.module:Name"]),
    (4, ["unknown number 4", "one, two"]),
    ("nowhere_at_all:four", ["number is 'nowhere_at_all:four'", "No module named", "python -m"]),
    ("own_things:four", ["no attribute 'four'", "package.module:Name"]),
    (":four", ["number is ':four'", "package.module:Name"]),
  ],
)
def test_unresolved_name_is_an_error_of_one_line(reference, parts):
  with pytest.raises(ValueError, match="expected") as error:
    resolve(reference, TABLE, "number")
  assert all(part in str(error.value) for part in parts)
  assert "\n" not in str(error.value)


def test_wrong_arguments_and_results_of_another_type_are_errors():
  with pytest.raises(ValueError, match=r"missing a required argument: 'value'\); expected a function without arg"):
    call("own_things:double", {}, "number", int)
  with pytest.raises(ValueError, match="gives a int; expected a str"):
    call("own_things:three", {}, "number", str)


def test_error_gives_the_reason_why_an_import_fails(tmp_path, monkeypatch):
  (tmp_path / "broken_things.py").write_text("1 / 0")
  monkeypatch.syspath_prepend(tmp_path)
  with pytest.raises(ValueError, match=r"cannot be loaded \(division by zero\)"):
    resolve("broken_things:three", {}, "number")
