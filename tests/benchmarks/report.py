"""The result of a run: figures with their bars, as a table for people and as JSON. It measures nothing."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tests.benchmarks.machine import Origin

Verdict = Literal["pass", "miss", ""]


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must not exceed, or must reach."""

    limit: float
    kind: Literal["at most", "at least"] = "at most"

    def verdict(self, value: float) -> Verdict:
        holds = value <= self.limit if self.kind == "at most" else value >= self.limit
        return "pass" if holds else "miss"

    def __str__(self) -> str:
        return f"{'≤' if self.kind == 'at most' else '≥'} {self.limit:,g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of one server, or of one section of the report."""

    server: str
    measure: str
    name: str
    value: float
    unit: str
    bar: Bar | None = None
    note: str = ""
    # Of a section that is one table with a column for each of those it compares.
    column: str = ""

    @property
    def verdict(self) -> Verdict:
        return self.bar.verdict(self.value) if self.bar else ""

    @property
    def text(self) -> str:
        """The value in three digits, or whole."""
        return f"{self.value:,.0f}" if abs(self.value) >= 100 else f"{self.value:.3g}"

    def cells(self) -> list[str]:
        return [
            self.measure,
            self.name,
            self.text,
            self.unit,
            str(self.bar or ""),
            self.verdict,
            self.note,
        ]


class Table:
    """The figures of one section as rows of text: a figure a row, or one for each thing that is compared."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        columns = list(dict.fromkeys(figure.column for figure in figures if figure.column))
        if not columns:
            self.headings = ["measure", "figure", "value", "unit", "bar", "", "how"]
            self.numeric = {2, 4}
            self.rows = [figure.cells() for figure in figures]
            return
        self.headings = ["measure", "figure", *columns, "unit", "how"]
        self.numeric = set(range(2, 2 + len(columns)))
        self.rows = []
        for measure, name in dict.fromkeys((figure.measure, figure.name) for figure in figures):
            row = [figure for figure in figures if (figure.measure, figure.name) == (measure, name)]
            texts = {figure.column: figure.text for figure in row}
            values = [texts.get(column, "–") for column in columns]
            self.rows.append([measure, name, *values, row[0].unit, row[0].note])

    def as_text(self) -> str:
        """Return it for a terminal."""
        rows = [self.headings, *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(self.headings))]
        lines = []
        for row in rows:
            cells = [
                cell.rjust(width) if column in self.numeric else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  " + "  ".join(cells).rstrip())
        return "\n".join(lines)

    def as_markdown(self) -> str:
        """Return the same as Markdown."""
        rule = ["---:" if column in self.numeric else "---" for column in range(len(self.headings))]
        return "\n".join(f"| {' | '.join(row)} |" for row in [self.headings, rule, *self.rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All figures of a run."""

    origin: Origin
    command: str
    seconds: float
    figures: Sequence[Figure]
    failures: Sequence[str] = ()

    def as_text(self) -> str:
        """Return tables for a terminal."""
        parts = ["\n".join(self._head())]
        parts += [f"{section}\n{table.as_text()}" for section, table in self._tables()]
        return "\n\n".join([*parts, self._summary()])

    def as_markdown(self) -> str:
        """Return the same as Markdown."""
        parts = ["# Benchmark results", "\n".join(f"- {line}" for line in self._head())]
        parts += [f"## {section}\n\n{table.as_markdown()}" for section, table in self._tables()]
        return "\n\n".join([*parts, self._summary()]) + "\n"

    def as_json(self) -> str:
        """Return the same as JSON, values unrounded to four digits."""
        figures = [
            {
                **asdict(figure),
                "value": float(f"{figure.value:.4g}"),
                "bar": str(figure.bar) if figure.bar else None,
                "verdict": figure.verdict or None,
            }
            for figure in self.figures
        ]
        document = {
            **asdict(self.origin),
            "command": self.command,
            "seconds": round(self.seconds),
            "failures": list(self.failures),
            "figures": figures,
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    def store(self, folder: Path) -> None:
        """Write latest.json and latest.md, over those of the run before."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath("latest.json").write_text(self.as_json())
        folder.joinpath("latest.md").write_text(self.as_markdown())

    def _head(self) -> list[str]:
        return [f"Command: {self.command} ({self.seconds:.0f} s)", *self.origin.lines()]

    def _tables(self) -> Iterable[tuple[str, Table]]:
        for section in dict.fromkeys(figure.server for figure in self.figures):
            yield section, Table([figure for figure in self.figures if figure.server == section])

    def _summary(self) -> str:
        judged = [figure for figure in self.figures if figure.bar]
        missed = [
            f"{figure.server} {figure.measure}: {figure.name}"
            for figure in judged
            if figure.verdict == "miss"
        ]
        lines = [f"{len(judged) - len(missed)} of {len(judged)} bars are met."]
        lines += [f"Missed: {name}." for name in missed]
        lines += [f"Failed: {failure}" for failure in self.failures]
        return "\n".join(lines)
