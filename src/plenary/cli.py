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
@click.option("--jobs", default=2, show_default=True, help="Exercises judged at the same time.")
def kill_matrix(seeds: int, jobs: int) -> None:
    """Check every known mistake and every correct variant; fail unless all are told apart."""
    from collections import Counter

    from plenary.checks.matrix import kill_matrix as rows

    outcomes: dict[tuple[str, str], Counter[tuple[bool, str]]] = {}
    for row in rows(range(seeds), jobs):
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


@main.command()
@click.argument("names", nargs=-1)
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path())
@click.option("--jobs", default=2, show_default=True, help="Exercises judged at the same time.")
@click.option("--verbose", is_flag=True, help="Also list those that are caught, with what is said of them.")
def mutants(names: tuple[str, ...], root: Path, jobs: int, verbose: bool) -> None:
    """Change the solutions (or those NAMED, such as scaled_dot_product) one operator at a time, and judge each.

    Fails unless every change is caught, or listed in tests/exercises/equivalent/ with the reason why it changes
    nothing.
    """
    from collections import Counter
    from functools import partial

    from plenary.authoring.mutants import listed
    from plenary.checks.pool import pool

    texts = [path.stem for path in sorted((root / "solutions").glob("*.py"))]
    unknown = set(names) - set(texts)
    if unknown:
        raise click.ClickException(f"no text solutions/{min(unknown)}.py; there are: {', '.join(texts)}.")
    counted: Counter[str] = Counter()
    with pool(jobs) as processes:
        for outcomes in processes.map(partial(listed, root.resolve()), names or texts):
            for one in outcomes:
                verdict = "caught" if one.caught else "equivalent" if one.right else "SURVIVES"
                counted[verdict if one.right else "SURVIVES"] += 1
                counted[one.exercise] += 1
                if not one.right or verbose:
                    said = one.message.split("\n")[0] if one.caught else one.reason or "nobody noticed"
                    click.echo(f"{verdict if one.right else 'MISS'} {one.exercise}: {one.id}\n    {said}")
    for name, number in sorted(
        (k, v) for k, v in counted.items() if k not in ("caught", "equivalent", "SURVIVES")
    ):
        click.echo(f"{name}: {number} mutants")
    total = counted["caught"] + counted["equivalent"] + counted["SURVIVES"]
    click.echo(
        f"{total} mutants: {counted['caught']} caught, {counted['equivalent']} equivalent and explained, "
        f"{counted['SURVIVES']} missed"
    )
    if counted["SURVIVES"]:
        raise click.ClickException("the mutants above are not judged as they should be.")


@main.command()
@click.argument("task")
@click.option("--run-dir", type=click.Path(file_okay=False, path_type=Path), help="Default: runs/TASK.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Default: $PLENARY_DATA.")
@click.option("--epochs", type=int, help="How often every sample is seen.")
@click.option("--batch-size", type=int, help="Samples in a step, over all processes together.")
@click.option("--learning-rate", type=float, help="The highest, reached after the warm-up.")
@click.option("--seed", type=int, help="The run follows from the data and this.")
@click.option(
    "--model",
    "changes",
    metavar="NAME=VALUE",
    multiple=True,
    help="Another argument of the model, as patch_size=4.",
)
@click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16"]), help="Of matrix products.")
@click.option("--compile/--no-compile", default=None, help="Compile the model first.")
@click.option("--checkpoint-seconds", type=float, help="How much work may be lost at most.")
@click.option("--workers", type=int, help="Processes that load data.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--parallel", type=click.Choice(["ddp", "fsdp"]), default="ddp", show_default=True)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@click.option("--overwrite", is_flag=True, help="Start anew, although the folder holds a run.")
def train(
    task: str,
    run_dir: Path | None,
    data_dir: Path | None,
    device: str,
    parallel: str,
    resume: bool,
    overwrite: bool,
    changes: tuple[str, ...],
    **numbers: object,
) -> None:
    """Train a model on TASK: digits, fashion-mnist, cifar10, images, reverse, totals, sort, recall, multi30k,
    blanks, heads, shakespeare.

    What is not given is taken from the task's recipe, or with --resume from the run. Several processes:
    torchrun --nproc-per-node 2 -m plenary.cli train TASK
    """
    from plenary.training.command import run

    given = {name: value for name, value in numbers.items() if value is not None}
    if wrong := [text for text in changes if "=" not in text]:
        raise click.ClickException(f"--model {wrong[0]}: expected NAME=VALUE, as patch_size=4.")
    other = dict(text.split("=", 1) for text in changes)
    try:
        run(task, run_dir or Path("runs") / task, data_dir, device, parallel, resume, overwrite, given, other)
    except (RuntimeError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
