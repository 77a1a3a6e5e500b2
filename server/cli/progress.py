"""A progress bar for commands that work day by day."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress(title: str, total: int, done: int) -> "Iterator[Callable[[str, Any], None]]":
    """Show a bar on stderr that moves with every partition."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, completed=done)

        def written(day: str, part: Any) -> None:
            bar.update(task, advance=1, description=f"{title} {day}")

        yield written
