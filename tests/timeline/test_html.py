from xml.etree import ElementTree

import pytest

from attavvad_jax.timeline import Event, Timeline
from attavvad_jax.timeline.palette import hex_color

TIMELINE = Timeline([Event(0, 2, "speech", 0.91), Event(2, 3, "singing"), Event(3, 4, "speech", 0.5)], 4)


def parsed(timeline):
  return ElementTree.fromstring(f"<div>{timeline._repr_html_()}</div>")


def test_each_event_is_a_bar_to_scale_in_the_lane_of_its_color():
  lanes = {svg.get("fill"): svg for svg in parsed(TIMELINE).iter("svg")}
  bars = [(float(bar.get("x")), float(bar.get("width"))) for bar in lanes[hex_color("speech")].iter("rect")]
  assert bars == [(0.0, 0.5), (0.75, 0.25)]
  assert len(list(lanes[hex_color("singing")].iter("rect"))) == 1
  assert not list(lanes[hex_color("silence")].iter("rect"))


def test_the_table_has_times_events_and_scores():
  *_, table = parsed(TIMELINE).iter("tbody")
  rows = [["".join(cell.itertext()) for cell in row] for row in table]
  assert rows == [
    ["0:00.0", "0:02.0", "speech", "0.91"],
    ["0:02.0", "0:03.0", "singing", ""],
    ["0:03.0", "0:04.0", "speech", "0.50"],
  ]


@pytest.mark.parametrize("duration_s", [0.0, 5.0])
def test_a_timeline_without_events_is_empty(duration_s):
  assert not list(parsed(Timeline([], duration_s)).iter("rect"))
