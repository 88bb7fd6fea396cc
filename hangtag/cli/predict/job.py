"""Predicting the tags of a file's products, from the beginning or from where an earlier command stopped."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangtag.cli.errors import CommandError
from hangtag.cli.predict.formats import check_format, columns_of, write_result
from hangtag.cli.predict.journal import Counts, note_of, opened_journal
from hangtag.cli.predict.prediction import prediction_of
from hangtag.cli.predict.source import Source
from hangtag.settings import WorkerSettings
from hangtag.tagger.bulk import BulkTagger
from hangtag.trainer.files.atomic_file import write_atomically

if TYPE_CHECKING:
    from hangtag.tagger.tagger import Tagger

_FLUSH_EVERY = 256


@dataclass(frozen=True, slots=True)
class Job:
    """What is predicted and where the result goes; `candidates` is their number for each facet."""

    source: Source
    out: Path
    candidates: int = 0
    restart: bool = False

    @property
    def unfinished(self) -> Path:
        """The journal that holds the predictions until the result is complete."""
        return self.out.with_name(self.out.name + ".unfinished")

    def check(self) -> None:
        """Check the files before anything is loaded.

        Raises:
            CommandError: the result cannot be written, or would replace the source.
        """
        if self.out.exists() and self.out.samefile(self.source.path):
            msg = f"{self.out} is the file to be tagged: choose another --out"
            raise CommandError(msg)
        check_format(self.out, self.source.path)

    def run(
        self,
        tagger: "Tagger",
        limits: WorkerSettings,
        on_start: Callable[[int], None],
        on_row: Callable[[int, int], None],
    ) -> Counts:
        """Predict, and move the result into place when it is complete.

        `on_start` is called with the number of rows that an earlier command predicted, `on_row` with each further row's
        line and the number of rows so far.

        Raises:
            CommandError: the beginning that is there belongs to another job, or another command works on it.
            LabelledFileError: the source cannot be read.
            FaultError: the engine fails.
            OSError: a file cannot be written.
        """
        kind = self.out.suffix.lower()
        bulk = BulkTagger(tagger, limits, candidates=self.candidates)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with opened_journal(self.unfinished, self._made_of(tagger), restart=self.restart) as journal:
            on_start(journal.counts.total)
            items = (((found, text), text) for found, text in self.source.products(journal.counts.total))
            with closing(bulk(items)) as results:
                for (found, text), result in results:
                    journal.write(prediction_of(found, text, result, tagger.bundle.version))
                    on_row(found.line, journal.counts.total)
                    if not journal.counts.total % _FLUSH_EVERY:
                        journal.file.flush()
            journal.finish()
            if kind == ".jsonl":
                self.unfinished.replace(self.out)
            else:
                columns = columns_of(tagger.bundle.schema, with_candidates=self.candidates > 0)
                write_atomically(self.out, lambda new: write_result(journal.read(), new, kind, columns))
                self.unfinished.unlink()
            note_of(self.unfinished).unlink()
        return journal.counts

    def _made_of(self, tagger: "Tagger") -> dict[str, Any]:
        return {
            "file": self.source.sha256,
            "bundle": tagger.bundle.version,
            "mapping of columns": self.source.columns.model_dump(mode="json"),
            "number of candidates": self.candidates,
        }
