"""vitruvian claims, claims plan, claims run, claims report, claims figures"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitruvian.cli.options import STOPPED, Device, Subset, Workers
from vitruvian.types import UserError

if TYPE_CHECKING:
    from vitruvian.claims.raw import Store

app = typer.Typer(
    help="The papers' claims: which are reproduced, and the trainings that decide it.",
    invoke_without_command=True,
)

Ids = Annotated[list[str] | None, typer.Argument(help="Claims, such as S2 K1; none: all.")]
TierName = Annotated[str | None, typer.Option("--tier", help="rendered or LSPET; without: both.")]
Seeds = Annotated[int | None, typer.Option(min=1, help="Instead of 3 (rendered) and 2 (LSPET).")]
Data = Annotated[
    list[str] | None, typer.Option(help="name=folder, e.g. lspet=DIR; again for more.")
]
Raw = Annotated[
    Path | None, typer.Option(help="Folder of raw files; without: those of the package.")
]
Runs = Annotated[Path, typer.Option(help="Folder of unfinished trainings and their weights.")]
RUNS = Path("runs/claims")


@app.callback()
def claims(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
    raw: Raw = None,
) -> None:
    """List the claims of the papers: state, effect and interval of each."""
    if context.invoked_subcommand is not None:
        return
    import json

    from rich.console import Console

    from vitruvian.claims.ledger import CLAIMS
    from vitruvian.claims.rows import ledger
    from vitruvian.claims.table import ledger_table

    rows = ledger(CLAIMS, _existing(raw))
    if as_json:
        typer.echo(json.dumps([row.to_dict() for row in rows], indent=2, allow_nan=False))
        return
    console = Console()
    console.width = max(console.width, 120)
    console.print(ledger_table(rows))


def _existing(raw: Path | None) -> Store:
    from vitruvian.claims.raw import RAW, Store

    if raw is not None and not raw.is_dir():
        raise UserError(f"--raw {raw}: there is no such folder")
    return Store(raw or RAW)


@app.command("plan")
def plan(
    ids: Ids = None,
    tier: TierName = None,
    seeds: Seeds = None,
    raw: Raw = None,
    runs: Runs = RUNS,
) -> None:
    """What is missing: measurements without training, trainings in their order, minutes of one core.

    Trainings that are finished are listed, too.
    """
    from vitruvian.claims.ledger import find_claims, find_tiers
    from vitruvian.claims.table import todo_lines
    from vitruvian.claims.todo import plan, unmeasured

    claims, store = find_claims(ids or ()), _existing(raw)
    todo = plan(claims, find_tiers(tier), store, runs, seeds=seeds)
    facts = unmeasured(claims, store) if tier is None else ()  # which belong to no tier
    for line in todo_lines(todo, facts):
        typer.echo(line)


@app.command("run")
def run(
    ids: Annotated[list[str], typer.Argument(help='Claims, such as S2 K1; "all": every one.')],
    tier: TierName = None,
    seeds: Seeds = None,
    data: Data = None,
    limit_hours: Annotated[
        float | None, typer.Option(min=0, help="Stop then; the same command goes on.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep weights that nothing needs.")] = False,
    raw: Raw = None,
    runs: Runs = RUNS,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Threads that make crops.")] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Make what is missing of some claims; nothing that is finished is made again.

    Two such commands at once share the work; on a CPU set OMP_NUM_THREADS=1 for each.
    """
    from vitruvian.claims.doing import Order, do
    from vitruvian.claims.raw import RAW, Store
    from vitruvian.claims.sets import parse_data
    from vitruvian.claims.work import Shop

    shop = Shop(Store(raw or RAW), runs, parse_data(data or ()), keep, device, workers, quiet)
    done = do(Order(tuple(ids), tier, seeds, limit_hours), shop, typer.echo)
    for line in done.unmeasured:
        typer.echo(line)
    typer.echo(f"{done.trained} trained, {done.measured} measurements made")
    if done.failed:
        more = f" (and {len(done.failed) - 1} more)" if len(done.failed) > 1 else ""
        raise UserError(f"{done.failed[0]}{more}")
    if done.stopped:
        typer.echo("stopped; the same command goes on")
        if limit_hours is None:
            raise typer.Exit(STOPPED)


@app.command("report")
def report(
    out: Annotated[Path, typer.Option(help="The Markdown file.")] = Path("docs/claims.md"),
    raw: Raw = None,
) -> None:
    """Write the ledger as a page, all of it from the raw files."""
    from vitruvian.claims.ledger import CLAIMS
    from vitruvian.claims.render import page
    from vitruvian.use.files import write_text

    write_text(out, page(CLAIMS, _existing(raw)))
    typer.echo(f"written: {out}")


@app.command("figures")
def figures(
    names: Annotated[
        list[str] | None, typer.Argument(help="Figures, such as deeppose-6 bulat-2; none: all.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="name=folder or name=file, e.g. lspet=DIR; without: rendered figures."),
    ] = None,
    subset: Subset = None,
    out: Annotated[Path, typer.Option(help="Folder of the pictures and index.md.")] = Path(
        "figures"
    ),
    models: Annotated[
        list[str] | None,
        typer.Option(help="A run, a model folder or a bundled model, before the package's; again."),
    ] = None,
    bundled: Annotated[
        bool, typer.Option("--bundled/--no-bundled", help="The models of the package, too.")
    ] = True,
    persons: Annotated[int, typer.Option(min=1, help="Of curves and counts, at most.")] = 300,
    examples: Annotated[int, typer.Option(min=1, help="Of pictures, out of these persons.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Draws the persons.")] = 0,
    tune: Annotated[
        Path | None,
        typer.Option(help="A tune.json of stacks and scales, for Ke et al.'s Figure 4."),
    ] = None,
    raw: Raw = None,
    device: Device = "auto",
    workers: Workers = 1,
) -> None:
    """Draw the papers' figures of results from trained models, all on the same photographs.

    A figure takes the first model of its system that fits; curves have a line for every model. One whose
    model is absent is left out, which is said. Heatmaps and single stages of a cascade need torch.
    """
    from vitruvian.claims.drawing.book import INDEX, draw_figures, tally
    from vitruvian.claims.drawing.scene import Ask

    ask = Ask(
        out, data, subset, tuple(models or ()), bundled, persons, examples, seed, tuple(names or ()),
        _existing(raw).folder, tune, device, workers,
    )  # fmt: skip
    drawn = draw_figures(ask, typer.echo)
    typer.echo(f"{tally(drawn)}: {out / INDEX}")
    if data is not None:
        typer.echo(
            f"the photographs are {data.partition('=')[0]}'s: mind its licence before publishing"
        )
