import json

import pytest

from attavvad_jax.annotations import AnnotationError, read, write
from attavvad_jax.timeline import Event, Timeline

GOOD = '{"onset_s": 0, "offset_s": 1, "event": "speech"}'


def read_text(tmp_path, text, duration_s=None):
  path = tmp_path / "clip.json"
  path.write_text(text)
  return read(path, duration_s)


def test_written_file(tmp_path):
  path = tmp_path / "clip.json"
  write(Timeline([Event(0, 10 / 3, "speech", 0.5), Event(4, 5, "others")], 9), path, metadata={"model": "é", "n": [1]})
  assert json.loads(path.read_text(encoding="utf-8")) == {
    "duration_s": 9.0,
    "events": [
      {"onset_s": 0, "offset_s": 3.333333, "event": "speech", "score": 0.5},
      {"onset_s": 4, "offset_s": 5, "event": "others"},
    ],
    "model": "é",
    "n": [1],
  }


def test_one_event_is_one_line(tmp_path):
  path = tmp_path / "clip.json"
  write(Timeline([Event(0, 1, "speech"), Event(1, 2, "others")], 2), path)
  assert sum("onset_s" in line for line in path.read_text().splitlines()) == 2


def test_duration_defaults_to_that_of_the_file(tmp_path):
  assert read_text(tmp_path, f'{{"duration_s": 9.5, "events": [{GOOD}]}}').duration_s == 9.5


def test_given_duration_overrides_that_of_the_file(tmp_path):
  assert read_text(tmp_path, f'{{"duration_s": 9.5, "events": [{GOOD}]}}', 3.0).duration_s == 3.0


def test_null_score_and_duration_count_as_missing(tmp_path):
  text = '{"duration_s": null, "events": [{"onset_s": 0, "offset_s": 1, "event": "speech", "score": null}]}'
  assert read_text(tmp_path, text) == Timeline([Event(0, 1, "speech")], 1.0)


@pytest.mark.parametrize(
  ("event", "message"),
  [
    ('{"onset_s": 0, "offset_s": 1}', "event without event"),
    ('{"event": "speech"}', "event without onset_s, offset_s"),
    ('{"onset_s": "0", "offset_s": 1, "event": "speech"}', "onset_s is '0'; expected a number without quotes"),
    ('{"onset_s": true, "offset_s": 1, "event": "speech"}', "onset_s is True; expected a number"),
    ('{"onset_s": 0, "offset_s": NaN, "event": "speech"}', "onset 0.0 s, offset nan s"),
    ('{"onset_s": 1' + 400 * "0" + ', "offset_s": 1, "event": "speech"}', "onset_s has 401 digits"),
    ('{"onset_s": 0, "offset_s": 1, "event": 3}', "event is 3; expected a name in quotes"),
    ('{"onset_s": 0, "offset_s": 1, "event": "humming"}', "event is 'humming'"),
    ("[0, 1]", r"event is \[0, 1\]; expected an object"),
  ],
)
def test_bad_events_name_file_and_line(tmp_path, event, message):
  # A nested member of the same name must not shift the line numbers.
  text = f'{{"model": {{"events": [\n1,\n2]}},\n "events" : [ {GOOD},\n\n {event}\n]}}'
  with pytest.raises(AnnotationError, match=rf"clip\.json:6: {message}"):
    read_text(tmp_path, text)


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ('{"events": [\n{"onset_s": 0,', r"clip\.json:2: not JSON"),
    ('{"duration_s": 3}', "no list of events"),
    ('{"events": {}}', "no list of events"),
    ("[1]", "no list of events"),
    (f'{{"events": [{GOOD}],\n"events": []}}', "duplicate key 'events' in one object"),
    ('{"events": [],\n"duration_s": "long"}', r"clip\.json:2: duration_s is 'long'"),
    ('{"events": [], "duration_s": -1}', "duration is -1.0 s"),
    ('{"events": ' + "[" * 100_000, "not JSON that can be read"),
    ('{"events": [], "n": ' + "9" * 5000 + "}", "not JSON that can be read"),
  ],
)
def test_bad_documents_are_one_line_errors(tmp_path, text, message):
  with pytest.raises(AnnotationError, match=message) as caught:
    read_text(tmp_path, text)
  assert "\n" not in str(caught.value)


def test_metadata_without_json_representation_are_an_error(tmp_path):
  with pytest.raises(ValueError, match="metadata do not fit into JSON"):
    write(Timeline([], 1.0), tmp_path / "clip.json", metadata={"x": {1, 2}})
