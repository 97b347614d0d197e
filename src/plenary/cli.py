"""The command ``plenary``. Each command imports what it needs when it runs, so that help is quick."""

from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plenary")
def main() -> None:
    """Teach and learn the Transformer: notebooks, checks, and what is known of mistakes."""


@main.command()
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path())
def notebooks(root: Path) -> None:
    """Build the exercise notebooks from the texts in solutions/."""
    from plenary.authoring.notebooks import write

    if not (root / "solutions").is_dir():
        raise click.ClickException(
            f"no folder solutions/ in {root.resolve()}; run this in the course's root."
        )
    try:
        changed = write(root.resolve())
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    for path in changed:
        click.echo(f"wrote {path.relative_to(root.resolve())}")
    if not changed:
        click.echo("notebooks are up to date")


@main.command()
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True, help="Draws the random numbers of the probes.")
def check(name: str, file: Path, seed: int) -> None:
    """Check the function NAME that is defined in the Python FILE, and say what is wrong with it."""
    import runpy

    from plenary.checks import check as check_function
    from plenary.checks import find

    try:
        find(name)
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    try:
        candidate = runpy.run_path(str(file)).get(name)
    except Exception as error:
        raise click.ClickException(f"{file} cannot be run: {type(error).__name__}: {error}") from error
    report = check_function(name, candidate, seed)
    click.echo(str(report))
    raise SystemExit(0 if report.passed else 1)


@main.command("kill-matrix")
@click.option("--seeds", default=1, show_default=True, help="How many seeds to try each mistake with.")
def kill_matrix(seeds: int) -> None:
    """Check every known mistake and every correct variant; fail unless all are told apart."""
    from collections import Counter

    from plenary.checks.matrix import kill_matrix as rows

    outcomes: dict[tuple[str, str], Counter[tuple[bool, str]]] = {}
    for row in rows(range(seeds)):
        outcomes.setdefault((row.exercise, row.candidate), Counter())[row.right, row.outcome] += 1
    misses = 0
    for (exercise, candidate), counted in outcomes.items():
        for (right, outcome), times in counted.items():
            misses += 0 if right else times
            verdict = "ok  " if right else "MISS"
            click.echo(f"{verdict} {exercise}: {candidate} -> {outcome} ({times} of {seeds} seeds)")
    click.echo(f"{len(outcomes)} candidates at {seeds} seeds, {misses} misses")
    if misses:
        raise click.ClickException(f"{misses} of the candidates above are not judged as they should be.")
