"""A page of tables and figures: one self-contained HTML file, and the same tables in Markdown."""

import base64
from collections.abc import Sequence
import dataclasses

from attavvad_jax.reports.render import render


@dataclasses.dataclass(frozen=True)
class Bar:
  """A percentage with its interval, and the paper's value for comparison."""

  value: float
  low: float
  high: float
  paper: float | None = None


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of a table.

  Attributes:
    cells: texts; the first names the row.
    bar: bar drawn beside the name.
    is_marked: whether the row reports a failure, which the second and last cell describes.
  """

  cells: Sequence[str]
  bar: Bar | None = None
  is_marked: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
  """A table with a caption above it and notes below it; initially collapsed if it is a detail."""

  caption: str
  header: Sequence[str]
  rows: Sequence[Row]
  notes: Sequence[str] = ()
  is_detail: bool = False

  @property
  def has_bars(self) -> bool:
    return any(row.bar is not None for row in self.rows)

  @property
  def has_paper(self) -> bool:
    return any(row.bar is not None and row.bar.paper is not None for row in self.rows)


@dataclasses.dataclass(frozen=True)
class Figure:
  """A PNG file with its name and caption."""

  png: bytes
  name: str
  caption: str

  @property
  def data_uri(self) -> str:
    return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclasses.dataclass(frozen=True)
class Section:
  """A section of a page: title, findings in words, tables and figures."""

  title: str
  findings: Sequence[str] = ()
  tables: Sequence[Table] = ()
  figures: Sequence[Figure] = ()


@dataclasses.dataclass(frozen=True)
class Page:
  """A page: title, summary paragraphs, facts (name and value) about how it was made, and sections."""

  title: str
  summary: Sequence[str]
  facts: Sequence[tuple[str, str]]
  sections: Sequence[Section]


def to_html(page: Page) -> str:
  """Renders one HTML file with styles and figures inside, light or dark like the reader's system."""
  return render("page.html", page=page)


def to_markdown(page: Page) -> str:
  """Renders headings, findings and tables in Markdown, and figures by their names."""
  return render("page.md", page=page)
