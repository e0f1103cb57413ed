"""The papers' result tables, row by row, with what is known to be wrong in them.

Sun et al. 2017, Ke et al. 2018, Toshev & Szegedy 2014 (DeepPose) and Bulat & Tzimiropoulos 2016, with the
competitors they quote. Wang & Hao print no result table: their one figure, 73.7 AP on COCO test-dev, is
that of Simple Baselines.

Values are what a paper prints; `Row.note`, `Row.owner`, `Row.elsewhere` and `Table.meant` say what is off.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import yaml

from vitruvian.types import UserError

Values = Mapping[str, float | None]  # column -> percent; None: the cell is empty

_TO_PERCENT = {"percent": 1, "share": 100}


@dataclass(frozen=True)
class Paper:
    """Where tables were printed."""

    key: str  # "sun2017"
    cite: str  # "Sun et al."
    authors: tuple[str, ...]
    title: str
    venue: str
    year: int


@dataclass(frozen=True)
class Quote:
    """The same system's figures in another place."""

    source: str  # the paper's key and the table's id: "bulat2016 T7"
    method: str  # the row there
    values: Values  # under the columns of the row that holds this quote


@dataclass(frozen=True)
class Row:
    """One system's figures."""

    method: str  # as the row is labelled, without reference marks
    cited: str  # the work the row quotes, "Wei et al., CVPR 2016"; "" for the paper's own
    own: bool
    values: Values
    citation: str  # one line that says whose figures these are and where they were printed
    protocol: str  # the table's, unless the paper says that this row was scored otherwise
    parameters: str = ""  # as printed, "(134+11)M"
    note: str = ""  # what is off
    owner: Quote | None = None  # the quoted paper's own figures, where they differ
    elsewhere: Quote | None = None  # another table's figures for the system, where they differ


@dataclass(frozen=True)
class Table:
    """One printed table."""

    paper: Paper
    id: str  # "T4"
    title: str  # the caption
    key: str  # the published set: benchmark and label convention, "lsp-pc"
    ablation: bool  # variants of one system, beside each other
    protocol: str  # name of the protocol that scores so
    train: str  # what the paper's own systems learned from
    columns: tuple[str, ...]  # as printed
    meant: tuple[str, ...]  # what these columns hold; differs where the header is misprinted
    note: str  # what the paper leaves open, and what is off
    rows: tuple[Row, ...]

    @property
    def citation(self) -> str:
        """One line, "Sun et al., ICCV 2017, Table 4"."""
        paper = self.paper
        return f"{paper.cite}, {paper.venue} {paper.year}, Table {self.id.removeprefix('T')}"


@cache
def published() -> tuple[Table, ...]:
    """All tables, paper by paper in the order of their keys."""
    folder = resources.files("vitruvian.measure") / "published_tables"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    loaded = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    return tuple(_table(_paper(one["paper"]), table) for one in loaded for table in one["tables"])


def rows_for(key: str) -> tuple[tuple[Table, Row], ...]:
    """All rows of a published set, such as `lsp-pc`, each with the table it stands in.

    Rows of one set differ in what the systems were trained on: `Table.train`. Rows that were scored
    otherwise than their table are also a set of their own, which is called as their protocol is and whose
    tables have that protocol: `lsp-pcp-loose`, the loose rows of `lsp-pcp`.

    Raises:
        UserError: there is no such set; the message names the nearest.
    """
    sets = row_sets()
    if key not in sets:
        keys = sorted(sets)
        near = difflib.get_close_matches(key.lower(), keys, 1, 0)[0]
        raise UserError(f"no published rows {key!r}; nearest: {near!r} of {', '.join(keys)}")
    return tuple(sets[key])


def row_sets() -> dict[str, list[tuple[Table, Row]]]:
    """All sets by what they are called, as `rows_for` gives them."""
    sets: dict[str, list[tuple[Table, Row]]] = {}
    for table in published():
        for row in table.rows:
            sets.setdefault(table.key, []).append((table, row))
            if row.protocol != table.protocol:
                apart = replace(table, key=row.protocol, protocol=row.protocol)
                sets.setdefault(row.protocol, []).append((apart, row))
    return sets


def _paper(raw: dict[str, Any]) -> Paper:
    return Paper(**raw | {"authors": tuple(raw["authors"])})


def _table(paper: Paper, raw: dict[str, Any]) -> Table:
    plain: dict[str, Any] = {"ablation": False, "meant": raw["columns"], "note": ""} | raw
    factor = _TO_PERCENT[plain.pop("units")]
    plain |= {"columns": tuple(raw["columns"]), "meant": tuple(plain["meant"]), "rows": ()}
    table = Table(paper=paper, **plain)
    return replace(table, rows=tuple(_row(table, row, factor) for row in raw["rows"]))


def _row(table: Table, raw: dict[str, Any], factor: int) -> Row:
    plain: dict[str, Any] = {"own": False, "cited": "", "protocol": table.protocol} | raw
    plain["values"] = _values(table.columns, raw["values"], factor)
    for name in {"owner", "elsewhere"} & raw.keys():
        values = _values(table.columns, raw[name]["values"], factor)
        plain[name] = Quote(**raw[name] | {"values": values})
    whose = f"{plain['cited']}, as printed in " if plain["cited"] else ""
    return Row(citation=whose + table.citation, **plain)


def _values(columns: tuple[str, ...], printed: list[float | None], factor: int) -> Values:
    # Rounding takes off what the factor adds: 0.565 * 100 is 56.49999999999999.
    percent = [None if value is None else round(float(value) * factor, 6) for value in printed]
    return MappingProxyType(dict(zip(columns, percent, strict=True)))
