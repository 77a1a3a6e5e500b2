"""The files that a page was made from: they show whether the same page would be made again."""

import datetime
from collections.abc import Sequence

from server.execution.freshness import Freshness
from server.tables.answers import TableAnswers
from server.tables.spool.spool import ReadFile


class PageFiles:
    """The files that a page was made from. A file that was written again with the same rows is still the same."""

    def __init__(self, files: Sequence[ReadFile], answers: TableAnswers) -> None:
        self._files = list(dict.fromkeys(files))
        self._answers = answers
        self._rows: list[Freshness] = []

    def __len__(self) -> int:
        return len(self._files)

    @property
    def freshness(self) -> Freshness | None:
        """Return when the rows of the files were read, as they were found last; None without upstream rows."""
        rows = self._rows
        if not rows:
            return None
        return Freshness(
            min(each.oldest for each in rows), max(each.newest for each in rows), min(each.until for each in rows)
        )

    async def unchanged(self, not_before: datetime.datetime | None) -> bool:
        """Return whether exactly these files would be read now. No row may be older than `not_before`."""
        rows = []
        for file in self._files:
            found = await self._answers.would_read(file, not_before)
            if found is None or found.etag != file.etag:
                return False
            if found.times.rows is not None:
                rows.append(found.times.rows)
        self._rows = rows
        return True
