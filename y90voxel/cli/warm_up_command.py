"""``y90voxel warm-up``: compile beforehand."""

from __future__ import annotations

__all__ = ["warm_up"]


def warm_up() -> None:
    """Compile what calculations need, so that the first study does not wait for it; about two minutes, once."""
    import tempfile
    import time
    from pathlib import Path

    import typer

    from y90voxel.caches import can_keep
    from y90voxel.cli.progress import progress
    from y90voxel.compiling import clock
    from y90voxel.errors import InputError
    from y90voxel.study.warm_up import ENGINES, run_sample

    if not can_keep():
        raise InputError(
            "there is no folder where what is compiled could be kept. Set NUMBA_CACHE_DIR to one that stays.",
            tag="NUMBA_CACHE_DIR",
        )
    started, before = time.perf_counter(), clock.seconds
    with progress() as show, tempfile.TemporaryDirectory(prefix="y90voxel-warm-up-") as place:
        for number, engine in enumerate(ENGINES):
            show(f"running the sample study with {engine}", number / len(ENGINES))
            run_sample(Path(place) / engine, engine)
    spent, total = clock.seconds - before, time.perf_counter() - started
    said = (
        f"{spent:.0f} s of compiling in {total:.0f} s"
        if spent >= 1.0
        else "everything had been compiled before"
    )
    typer.echo(f"ready: {said}")
