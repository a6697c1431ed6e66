import pytest

from attavvad_jax.evaluation.conditions import group_recordings, independent_units


def test_strings_and_truth_values_each_form_a_group():
  described = {"a": {"codec": "opus"}, "b": {"codec": "none"}, "c": {"codec": "opus"}}
  assert group_recordings(described, "codec") == {"none": ["b"], "opus": ["a", "c"]}
  described = {"a": {"crowd": True}, "b": {"crowd": False}}
  assert group_recordings(described, "crowd") == {"False": ["b"], "True": ["a"]}


def test_many_numbers_are_split_into_three_groups():
  described = {f"r{i}": {"snr_db": float(value)} for i, value in enumerate([5, -3, 12, 0, 20, 7])}
  groups = group_recordings(described, "snr_db")
  assert groups == {"-3 to 0": ["r1", "r3"], "5 to 7": ["r0", "r5"], "12 to 20": ["r2", "r4"]}


def test_few_numbers_each_form_a_group():
  described = {"a": {"faces": 2}, "b": {"faces": 1}, "c": {"faces": 2}}
  assert group_recordings(described, "faces") == {"1": ["b"], "2": ["a", "c"]}


def test_mostly_equal_numbers_leave_no_empty_group():
  described = {f"r{i}": {"share": value} for i, value in enumerate([0, 0, 0, 0, 0.1, 0.2, 0.3])}
  groups = group_recordings(described, "share")
  assert sum(map(len, groups.values())) == 7
  assert all(groups.values())


def test_an_unknown_condition_is_an_error_that_lists_the_known_ones():
  with pytest.raises(ValueError, match=r"'snr'.*1 of 1 recordings.*codec, snr_db"):
    group_recordings({"a": {"snr_db": 3.0, "codec": "none"}}, "snr")
  with pytest.raises(ValueError, match=r"snr_db.*describes none"):
    group_recordings({"a": {}}, "snr_db")


def test_independent_units_are_performers_if_known_else_source_recordings():
  names = ["a_1", "a_2", "b_1"]
  clips = {name: {"recording": name[0]} for name in names}
  sung = {name: {**clips[name], "performer": "p"} for name in names}
  assert independent_units(clips, names) == ("source recordings", ["a", "a", "b"])
  assert independent_units(sung, names) == ("performers", ["p", "p", "p"])
  # Each recording is its own unit if the units are not known for all, or all differ.
  assert independent_units({**clips, "b_1": {}}, names) == ("recordings", names)
  assert independent_units({name: {"performer": name} for name in names}, names) == ("recordings", names)
