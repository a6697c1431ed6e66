from html.parser import HTMLParser
import re

import pytest

from attavvad_jax.reports import page

PNG = b"\x89PNG\r\n\x1a\nnot a real one"
TABLE = page.Table(
  "All events",
  ["", "runs", "F %"],
  [
    page.Row(["Base-A | old", "3 of 3", "40.9"], page.Bar(40.9, 35.0, 46.0, 40.93)),
    page.Row(["Base-AV", "failed; loss < 0 & so on"], is_marked=True),
  ],
  ["Protocol: <any>"],
)
PAGE = page.Page(
  "A page",
  ["First.", "Second."],
  [("Command", "python -m launch.reproduce --output='a b'")],
  [
    page.Section("Table 2", ["A is ahead of B."], [TABLE, page.Table("Details", ["", "x"], [], is_detail=True)]),
    page.Section("Figure 3", figures=[page.Figure(PNG, "figure_3.png", "Points.")]),
  ],
)


class Reader(HTMLParser):
  """Checks that tags close in order; keeps attributes that fetch, and text."""

  VOID = ("meta", "img", "line", "rect")

  def __init__(self):
    super().__init__()
    self.open, self.fetched, self.text = [], [], []

  def handle_startendtag(self, tag, attrs):
    self.handle_starttag(tag, attrs)
    if tag not in self.VOID:
      self.handle_endtag(tag)

  def handle_starttag(self, tag, attrs):
    self.fetched += [value for name, value in attrs if name in ("src", "href", "srcset")]
    if tag not in self.VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    self.text.append(data)


@pytest.fixture(scope="module")
def html():
  return page.to_html(PAGE)


def test_html_is_well_formed_and_self_contained(html):
  reader = Reader()
  reader.feed(html)
  assert reader.open == []
  assert [value.partition(",")[0] for value in reader.fetched] == ["data:image/png;base64"]
  assert not re.search(r"https?:|url\(|@import|<script|<link", html)
  text = "".join(reader.text)
  for expected in ("A page", "Second.", "A is ahead of B.", "failed; loss < 0 & so on", "Protocol: <any>", "40.9"):
    assert expected in text


def test_html_has_a_dark_style_and_fits_small_screens(html):
  assert "prefers-color-scheme: dark" in html
  assert 'name="viewport" content="width=device-width' in html
  assert "overflow-x: auto" in html


def test_a_marked_row_spans_the_table(html):
  assert '<tr class="wrong"><td>Base-AV</td><td colspan="3">' in html  # two columns and the bar


def test_details_are_collapsed(html):
  assert html.count("<details>") == 1
  assert "<details><summary>Details</summary>" in html


def test_markdown_is_complete_and_its_rows_have_the_columns_of_the_header():
  lines = page.to_markdown(PAGE).splitlines()
  assert lines[0] == "# A page"
  assert "## Table 2" in lines
  assert "A is ahead of B." in lines
  assert "Protocol: <any>" in lines
  assert "figure_3.png: Points." in lines
  start = next(i for i, line in enumerate(lines) if "F %" in line)
  table = lines[start : start + 4]
  assert table[1] == "| --- | ---: | ---: |"
  assert table[2] == "| Base-A \\| old | 3 of 3 | 40.9 |"
  assert table[3] == "| Base-AV | failed; loss < 0 & so on |  |"
  assert lines[start - 1] == lines[start + 4] == ""
