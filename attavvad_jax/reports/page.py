"""A page of tables and pictures: one HTML file that needs nothing else, and the same tables in Markdown."""

import base64
from collections.abc import Sequence
import dataclasses

from attavvad_jax.reports.render import render


@dataclasses.dataclass(frozen=True)
class Bar:
  """A percentage with its interval, and the paper's to compare it with."""

  value: float
  low: float
  high: float
  paper: float | None = None


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of a table.

  Attributes:
    cells: as text, the first names the row.
    bar: drawn beside the name.
    is_marked: whether something is wrong with it: a second cell says what, and there are no more.
  """

  cells: Sequence[str]
  bar: Bar | None = None
  is_marked: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
  """A table with a line above it and lines below it; folded up at first where it is a detail."""

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
  """A PNG file, its name, and what it shows in words."""

  png: bytes
  name: str
  caption: str

  @property
  def data_uri(self) -> str:
    return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclasses.dataclass(frozen=True)
class Section:
  """A heading and what is below it: what is found in words, tables, pictures."""

  title: str
  findings: Sequence[str] = ()
  tables: Sequence[Table] = ()
  pictures: Sequence[Figure] = ()


@dataclasses.dataclass(frozen=True)
class Page:
  """All of it: paragraphs below the title, names and values of how it was made, and sections."""

  title: str
  summary: Sequence[str]
  facts: Sequence[tuple[str, str]]
  sections: Sequence[Section]


def to_html(page: Page) -> str:
  """One file: styles and pictures are inside, light or dark as the reader's system is."""
  return render("page.html", page=page)


def to_markdown(page: Page) -> str:
  """Headings, findings and tables; pictures by their names."""
  return render("page.md", page=page)
