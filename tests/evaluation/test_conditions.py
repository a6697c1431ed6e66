import pytest

from attavvad_jax.evaluation.conditions import group_recordings, independent_units


def test_words_and_truth_values_are_groups_of_their_own():
  described = {"a": {"codec": "opus"}, "b": {"codec": "none"}, "c": {"codec": "opus"}}
  assert group_recordings(described, "codec") == {"none": ["b"], "opus": ["a", "c"]}
  described = {"a": {"crowd": True}, "b": {"crowd": False}}
  assert group_recordings(described, "crowd") == {"False": ["b"], "True": ["a"]}


def test_many_numbers_are_cut_into_three_parts():
  described = {f"r{i}": {"snr_db": float(value)} for i, value in enumerate([5, -3, 12, 0, 20, 7])}
  groups = group_recordings(described, "snr_db")
  assert groups == {"-3 to 0": ["r1", "r3"], "5 to 7": ["r0", "r5"], "12 to 20": ["r2", "r4"]}


def test_few_numbers_are_not_cut():
  described = {"a": {"faces": 2}, "b": {"faces": 1}, "c": {"faces": 2}}
  assert group_recordings(described, "faces") == {"1": ["b"], "2": ["a", "c"]}


def test_numbers_that_are_nearly_all_the_same_leave_no_empty_part():
  described = {f"r{i}": {"share": value} for i, value in enumerate([0, 0, 0, 0, 0.1, 0.2, 0.3])}
  groups = group_recordings(described, "share")
  assert sum(map(len, groups.values())) == 7
  assert all(groups.values())


def test_an_unknown_condition_lists_those_that_there_are():
  with pytest.raises(ValueError, match=r"'snr' is not described for 1 of 1 recordings; there are codec, snr_db"):
    group_recordings({"a": {"snr_db": 3.0, "codec": "none"}}, "snr")
  with pytest.raises(ValueError, match="the data set describes none"):
    group_recordings({"a": {}}, "snr_db")


def test_recordings_of_one_performer_belong_together_and_else_clips_of_one_recording():
  names = ["a_1", "a_2", "b_1"]
  clips = {name: {"recording": name[0]} for name in names}
  sung = {name: {**clips[name], "performer": "p"} for name in names}
  assert independent_units(clips, names) == ("recordings that clips were cut from", ["a", "a", "b"])
  assert independent_units(sung, names) == ("performers", ["p", "p", "p"])
  # Not known of all, or of each another: each one by itself.
  assert independent_units({**clips, "b_1": {}}, names) == ("recordings", names)
  assert independent_units({name: {"performer": name} for name in names}, names) == ("recordings", names)
