import cv2
import pytest

from attavvad_jax.simulation import PRESETS, draw_scene
from attavvad_jax.timeline import EVENTS
from tools.data_card import BEGIN, END, write_card


@pytest.mark.slow
def test_card_keeps_the_prose_and_renews_the_tables(tmp_path):
  readme = tmp_path / "README.md"
  readme.write_text(f"# Card\n\n{BEGIN}\nold tables\n{END}\n\nLicense.\n", encoding="utf-8")
  assert write_card(tmp_path, num_scenes=12) == readme
  text = readme.read_text(encoding="utf-8")
  assert text.startswith("# Card\n")
  assert text.endswith("\n\nLicense.\n")
  assert "old tables" not in text
  rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
  assert ["condition of a clip", *(name for name in PRESETS if name != "recorded")] in rows

  # The fractions of one preset, counted here; the timelines cover the scenes completely.
  timelines = [draw_scene(0, i, "train", preset="hard").timeline for i in range(12)]
  fractions = [sum(t.total_s(label) for t in timelines) / sum(t.duration_s for t in timelines) for label in EVENTS]
  row = next(row for row in rows if row[:2] == ["hard", "performer's voice"])
  assert [cell.split(",")[0] for cell in row[2:]] == [f"{fraction:.0%}" for fraction in fractions]
  assert [cv2.imread(str(p)) is not None for p in sorted((tmp_path / "card").iterdir())] == [True] * 3


def test_readme_without_the_marks_is_not_changed(tmp_path):
  (tmp_path / "README.md").write_text("# Mine\n")
  with pytest.raises(ValueError, match="lacks the lines"):
    write_card(tmp_path)
  assert [p.name for p in tmp_path.iterdir()] == ["README.md"]
