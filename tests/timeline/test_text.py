import pytest

from attavvad_jax.timeline import Event, Timeline
from attavvad_jax.timeline.text import event_lines, format_time, timeline_text

# Lanes of 20 columns over 10 s have half a second per column.
WIDTH = 29


@pytest.mark.parametrize(
  ("seconds", "text"),
  [
    (0, "0:00.0"),
    (3.34, "0:03.3"),
    (59.97, "1:00.0"),
    (754.5, "12:34.5"),
    (3723.4, "1:02:03.4"),
    (3599.96, "1:00:00.0"),
  ],
)
def test_times_by_hand(seconds, text):
  assert format_time(seconds) == text


def test_lanes_of_a_hand_worked_timeline():
  timeline = Timeline([Event(0, 2, "others"), Event(2, 6.5, "singing"), Event(8.1, 8.2, "silence")], 10)
  assert timeline_text(timeline, WIDTH).splitlines() == [
    "silence                  ░",
    "speech",
    "singing      █████████",
    "others   ████",
    "         0:00      0:05",
    "",
    "0:00.0–0:02.0  others",
    "0:02.0–0:06.5  singing",
    "0:08.1–0:08.2  silence",
  ]


def test_scores_have_their_own_column():
  timeline = Timeline([Event(3.3, 7, "singing", 0.934), Event(7, 3601, "others", 0.5)], 3601)
  assert event_lines(timeline) == [
    "   0:03.3–0:07.0  singing  0.93",
    "0:07.0–1:00:01.0  others   0.50",
  ]


@pytest.mark.parametrize("duration_s", [0.1, 0.9, 7.3, 59.0, 1234.5, 86_400.0, 1e6])
@pytest.mark.parametrize("width", [20, 80, 200])
def test_no_lane_is_wider_than_asked(duration_s, width):
  timeline = Timeline([Event(0, duration_s, "speech")], duration_s)
  lanes = timeline_text(timeline, width).split("\n\n")[0].splitlines()
  assert max(len(line) for line in lanes) == width
  assert lanes[1].count("█") == width - 9


def test_a_timeline_of_duration_0():
  assert timeline_text(Timeline([], 0.0)).splitlines()[-1].strip() == "0:00"


def test_a_width_that_is_too_small_is_refused():
  with pytest.raises(ValueError, match="width is 12"):
    timeline_text(Timeline([], 1.0), 12)
