"""python -m sparse_rl.train [CONFIG] [--NAME VALUE ...]: train, prune and quantize a population.

Ctrl-C, SIGTERM and a terminal that closes write a checkpoint, say how to resume (`--resume RUN`),
and end with exit status 130, 143 or 129; a second one ends at once.
"""

from collections.abc import Sequence
from pathlib import Path

from sparse_rl import extras

with extras.needed_by("train", __name__):
    from sparse_rl.config import command_line
    from sparse_rl.config.experiment import Config


def main(config: Config) -> None:
    """Runs the study that `config` describes, watched from the terminal."""
    # Imported here, so that --help and a mistyped option answer at once.
    from sparse_rl.launch import train
    from sparse_rl.runtime.devices import is_first
    from sparse_rl.runtime.interruption import Interrupted, ending_the_process
    from sparse_rl.study.progress.live import for_console

    progress, whole = for_console(), _is_whole(config.resume)
    try:
        with ending_the_process():
            run = train(config, progress)
        if is_first() and not whole:
            from sparse_rl.render.comparison import film
            from sparse_rl.report.page import write_report

            progress.say(film(run))
            progress.say(f"report: {write_report(run)}")
    except Interrupted as stop:
        progress.stop()
        progress.say(f"stopped; resume with: {stop}")
        raise SystemExit(stop.exit_status) from None
    finally:
        progress.stop()


def _is_whole(directory: str) -> bool:
    """Whether a run to be resumed has reached its end and has its page."""
    if not directory:
        return False
    # Imported here: a new study, which has no page yet, does not wait for what draws one.
    from sparse_rl.report.page import PAGE
    from sparse_rl.runs import layout

    path = Path(directory)
    pages = (path / layout.SUMMARY, path / layout.REPORT / PAGE)
    return all(page.exists() for page in pages)


def describe(config: Config) -> None:
    """Prints what the study would do and need, and trains nothing."""
    from sparse_rl.runtime import devices

    devices.configure(config.devices, config.distributed)
    from sparse_rl.study.description import describe as described

    print(described(config))


def run(arguments: Sequence[str] | None = None) -> None:
    """The command: `main` with what these words say, or those of the command line."""
    command_line.run(main, arguments, dry=describe)


if __name__ == "__main__":
    run()
