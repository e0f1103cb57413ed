"""The papers' tables: complete, equal to the papers' text, and every misprint known."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from vitruvian.measure.published import Row, Table, Values, published, rows_for
from vitruvian.types import UserError

COUNTS = {
    "bulat2016": {"T5": 6, "T6": 12, "T7": 11},
    "ke2018": {"T1": 6, "T2": 3},
    "sun2017": {
        "T1": 4,
        "T2": 9,
        "T3": 3,
        "T4": 7,
        "T5": 6,
        "T6": 7,
        "T7": 7,
        "T8": 2,
        "T9": 5,
        "T10": 5,
        "T11": 7,
    },
    "toshev2014": {"T1": 8, "T2": 4},
}
KEYS = {"lsp-pc", "lsp-oc", "lsp-pcp", "flic-oc", "mpii-test", "mpii-val", "parse-pcp"}
PROTOCOLS = {
    "lsp-pc": {"lsp-pck-pc"},
    "lsp-oc": {"lsp-pck-oc"},
    "lsp-pcp": {"lsp-pcp-strict", "lsp-pcp-loose"},
    "flic-oc": {"flic-pck-oc"},
    "mpii-test": {"mpii-pckh"},
    "mpii-val": {"mpii-pckh"},
    "parse-pcp": {"parse-pcp"},
}
JOINTS = ("Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")
# Annotated joints of MPII's validation persons under these columns.
MPII_COUNTS = (5864, 5888, 5867, 5837, 5777, 4963, 4234)
SEEDS = {"sun2017": "000", "ke2018": "001", "toshev2014": "002", "bulat2016": "004"}


def every() -> list[tuple[Table, Row]]:
    return [(table, row) for table in published() for row in table.rows]


def table(paper: str, id: str) -> Table:
    (found,) = (t for t in published() if (t.paper.key, t.id) == (paper, id))
    return found


def row(paper: str, id: str, method: str) -> Row:
    (found,) = (r for r in table(paper, id).rows if r.method == method)
    return found


def figures(values: Values, *columns: str) -> list[float]:
    return [np.nan if (v := values[c]) is None else v for c in columns]


def names(pairs: list[tuple[Table, Row]]) -> set[tuple[str, str, str]]:
    return {(t.paper.key, t.id, r.method) for t, r in pairs}


def test_every_row_is_there() -> None:
    counts: dict[str, dict[str, int]] = {}
    for t in published():
        counts.setdefault(t.paper.key, {})[t.id] = len(t.rows)
    assert counts == COUNTS
    assert len(every()) == 112


def test_rows_equal_the_papers_text(shared: Path) -> None:
    for paper, number in SEEDS.items():
        (file,) = (shared / "seeds").glob(f"{number}_*.txt")
        printed = text_tables(file.read_text(encoding="utf-8"))
        tables = [t for t in published() if t.paper.key == paper]
        # Tables stand in the text in the order of their numbers, and so do the shipped ones.
        for t, text_rows in zip(tables, printed, strict=True):
            assert [letters(r.method) for r in t.rows] == [letters(m) for m, _ in text_rows]
            for r, (_, cells) in zip(t.rows, text_rows, strict=True):
                factor = 100 if t.paper.key == "toshev2014" else 1
                expected = [None if c is None else round(c * factor, 6) for c in cells]
                assert list(r.values.values()) == expected, (paper, t.id, r.method)


def text_tables(text: str) -> list[list[tuple[str, list[float | None]]]]:
    """Consecutive lines that are a label and figures between tabs."""
    tables, current = [], []
    for line in [*text.splitlines(), ""]:
        label, *cells = re.sub("</?b>", "", line).split("\t")
        cells = [c for c in cells if not c.endswith("M")]  # a count of parameters
        if label and cells and all(re.fullmatch(r"[\d.]+|—", c) for c in cells):
            # The scan lost one decimal point.
            numbers = [None if c == "—" else 0.37 if c == "037" else float(c) for c in cells]
            current.append((label, numbers))
        elif current:
            tables.append(current)
            current = []
    return tables


def letters(label: str) -> str:
    """A label without reference marks, spaces and signs."""
    return re.sub(r"\$.*?\$|\[\d+\]|[^A-Za-z0-9]", "", label)


def test_hand_checked_rows() -> None:
    seven = (*JOINTS, "Total")
    best = row("sun2017", "T6", "Ours(Hg+Refine)")
    assert figures(best.values, *seven, "AUC") == [
        97.9, 93.6, 89.0, 85.8, 92.9, 91.2, 90.5, 91.6, 65.9,
    ]  # fmt: skip
    assert (best.own, best.cited, best.note != "") == (True, "", True)
    kiefel = row("sun2017", "T2", "Kiefel et al.").values
    assert list(kiefel.values()) == [83.5, 73.7, 55.9, 36.2, 73.7, 70.5, 66.9, 65.8, 38.6]
    wei = row("sun2017", "T5", "Wei et al.").values
    assert [v for v in wei.values() if v is not None] == [84.32]
    ours = row("ke2018", "T1", "Our model").values
    assert figures(ours, *seven) == [97.0, 95.8, 90.9, 86.3, 89.1, 85.0, 80.8, 89.8]
    hu = row("bulat2016", "T6", "Hu & Ramanan., CVPR'16").values
    assert figures(hu, *seven) == [95.0, 91.6, 83.0, 76.6, 81.9, 74.25, 69.5, 82.4]


def test_shares_become_percent() -> None:
    wang = row("toshev2014", "T1", "Wang et al.")
    assert list(wang.values.values()) == [56.5, 37.0, 76.0, 68.0, 59.0]
    assert wang.protocol == "lsp-pcp-loose"
    assert row("toshev2014", "T1", "DeepPose-st3").protocol == "lsp-pcp-strict"
    assert all(0 < v <= 100 for _, r in every() for v in r.values.values() if v is not None)


def test_total_on_lsp_is_the_mean_of_the_seven_columns() -> None:
    """Every joint has 1000 annotations there."""
    applies = [
        (t, r)
        for t, r in every()
        if t.key in ("lsp-pc", "lsp-oc") and not np.isnan(figures(r.values, *JOINTS)).any()
    ]
    assert len(applies) == 4 + 9 + 3 + 7 + 5 + 7 + 5 + 5 + 7 + 11
    off = [
        (t, r)
        for t, r in applies
        if round(abs(np.mean(figures(r.values, *JOINTS)) - figures(r.values, "Total")[0]), 6) > 0.1
    ]
    assert names(off) == {("sun2017", "T1", "FCN"), ("sun2017", "T5", "Bulat et al.")}
    assert names(off) == names([(t, r) for t, r in applies if "seven columns average" in r.note])


def test_total_on_mpii_weighs_joints_by_their_number() -> None:
    applies = [(t, r) for t, r in every() if t.protocol == "mpii-pckh"]
    assert len(applies) == 2 + 6 + 6 + 12
    off = []
    for t, r in applies:
        mean = np.average(figures(r.values, *JOINTS), weights=MPII_COUNTS)
        if abs(mean - figures(r.values, "Total")[0]) > 0.1:
            off.append((t, r))
            assert f"give {mean:.1f}" in r.note
    assert names(off) == {("bulat2016", "T5", r.method) for r in table("bulat2016", "T5").rows}
    assert names(off) == names([(t, r) for t, r in every() if "by joint counts" in r.note])


def test_average_of_pcp_is_the_mean_of_the_four_limbs() -> None:
    applies = [(t, r) for t, r in every() if t.key in ("lsp-pcp", "parse-pcp")]
    off = [
        (t, r)
        for t, r in applies
        if round(abs(np.mean(list(r.values.values())[:4]) - figures(r.values, "Ave.")[0]), 6) > 0.5
    ]
    assert names(off) == {("toshev2014", "T1", "Tian et al.")}
    assert names(off) == names([(t, r) for t, r in applies if "columns average" in r.note])


def test_swapped_headers_are_put_right_beside_the_print() -> None:
    parse = table("toshev2014", "T2")
    assert list(parse.rows[0].values) == list(parse.columns)
    held = dict(zip(parse.meant, parse.rows[0].values.values(), strict=True))
    assert held == {
        "Upper leg": 80, "Lower leg": 75, "Upper arm": 71, "Lower arm": 50, "Ave.": 69,
    }  # fmt: skip
    assert [t for t in published() if t.meant != t.columns] == [parse]
    assert all("swapped" in r.note for r in parse.rows)


def test_a_quote_differs_and_equals_its_source() -> None:
    quoting = [(t, r, q) for t, r in every() for q in (r.owner, r.elsewhere) if q]
    assert len(quoting) == 3 + 8 + 3
    for t, r, quote in quoting:
        source = table(*quote.source.split())
        there = row(*quote.source.split(), quote.method)
        both = [c for c in t.columns if c in source.columns]
        assert [quote.values[c] for c in both] == [there.values[c] for c in both]
        assert not any(quote.values[c] for c in t.columns if c not in source.columns)
        assert any(quote.values[c] != r.values[c] for c in both)
        assert r.note, (t.id, r.method)
    owned = [(t, r) for t, r, quote in quoting if quote is r.owner]
    assert names(owned) == {
        ("sun2017", "T5", "Bulat et al."),
        ("sun2017", "T6", "Bulat et al."),
        ("ke2018", "T1", "Bulat & Tzimiropoulos ECCV'16"),
    }
    ankle = row("ke2018", "T1", "Bulat & Tzimiropoulos ECCV'16")
    assert ankle.owner is not None
    assert (ankle.values["Ankle"], ankle.owner.values["Ankle"]) == (81.7, 81.9)


def test_no_work_is_quoted_two_ways_without_saying_so() -> None:
    """Same benchmark, same authors and year: the same figures, or each row names the other's."""
    quoted = [(t, r) for t, r in every() if not r.own and r.owner is None]
    for (t, a), (u, b) in combinations(quoted, 2):
        both = [
            c for c in t.columns if c in u.columns and None not in (a.values[c], b.values.get(c))
        ]
        same_work = (a.cited.split(",")[0], a.cited[-4:]) == (b.cited.split(",")[0], b.cited[-4:])
        if t.key != u.key or not same_work or len(both) < 2:
            continue
        if any(a.values[c] != b.values[c] for c in both):
            assert a.elsewhere is not None
            assert a.elsewhere.source == f"{u.paper.key} {u.id}"
            assert b.elsewhere is not None
            assert b.elsewhere.source == f"{t.paper.key} {t.id}"


def test_keys_protocols_and_who_owns_a_row() -> None:
    assert {t.key for t in published()} == KEYS
    for t, r in every():
        assert r.protocol in PROTOCOLS[t.key]
        assert r.own == (r.cited == "")
        assert t.train
    assert sum(r.own for _, r in every()) == 36 + 2 + 4 + 10
    ablations = {(t.paper.key, t.id) for t in published() if t.ablation}
    sun = {("sun2017", id) for id in ("T1", "T9", "T10", "T11")}
    assert ablations == sun | {("bulat2016", "T5")}
    assert [r.parameters for r in table("sun2017", "T1").rows] == [
        "134M", "(134+11)M", "(134+33)M", "(134+11)M",
    ]  # fmt: skip


def test_citations() -> None:
    own = row("sun2017", "T4", "Ours(FCN)")
    assert own.citation == "Sun et al., ICCV 2017, Table 4"
    yang = row("sun2017", "T4", "Yang et al.")
    assert yang.citation == "Yang et al., CVPR 2016, as printed in Sun et al., ICCV 2017, Table 4"
    assert all("\n" not in r.citation for _, r in every())


def test_rows_scored_otherwise_than_their_table_are_a_set_too() -> None:
    found = rows_for("lsp-pcp-loose")
    assert [r.method for _, r in found] == ["Tian et al.", "Wang et al."]
    assert {(t.protocol, t.citation) for t, _ in found} == {
        ("lsp-pcp-loose", "Toshev & Szegedy, CVPR 2014, Table 1")
    }
    assert {t.protocol for t, _ in rows_for("lsp-pcp")} == {"lsp-pcp-strict"}
    assert len(rows_for("lsp-pcp")) == 8
    assert not {r.method for _, r in rows_for("lsp-pcp-loose")} & {"DeepPose-st3", "Pishchulin"}


def test_rows_for() -> None:
    found = rows_for("lsp-pc")
    assert [(t.paper.key, t.id) for t, _ in found[:11]] == [("bulat2016", "T7")] * 11
    assert len(found) == 11 + 7 + 6 + 7
    with pytest.raises(UserError, match="no published rows 'flic-pc'; nearest: 'flic-oc' of"):
        rows_for("flic-pc")
    with pytest.raises(UserError, match="nearest: 'lsp-pc' of"):
        rows_for("LSP_PC")
