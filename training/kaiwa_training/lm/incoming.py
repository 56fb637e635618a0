"""Questions that come while a training runs: a folder to which stores are added."""

from pathlib import Path

from kaiwa_training.lm.stores import QuestionStore


class IncomingQuestions:
    """All the questions of a folder so far; the numbers of their words are below `words`, if any.

    A store is read once: what is in it does not change.
    """

    def __init__(self, folder: Path, words: int) -> None:
        self._folder, self._words = folder, words
        self._seen: set[Path] = set()
        self._store: QuestionStore | None = None

    @property
    def more(self) -> bool:
        """Whether stores have come since the last look."""
        return bool(self._fresh())

    def look(self) -> QuestionStore:
        """All questions that are there now, the latest last.

        Raises:
            FileNotFoundError: there are none yet.
            ValueError: they know more words than are told apart.
        """
        fresh = self._fresh()
        stores = [self._read(path) for path in fresh]
        self._seen.update(fresh)
        known = [self._store] if self._store else []
        if not (known or stores):
            raise FileNotFoundError(f"{self._folder}: expected stores of questions, found none")
        self._store = QuestionStore.join([*known, *stores])
        return self._store

    def _fresh(self) -> list[Path]:
        return sorted(set(self._folder.glob("*.npz")) - self._seen)

    def _read(self, path: Path) -> QuestionStore:
        store = QuestionStore.load(path)
        if self._words and store.words is not None and store.words.max() >= self._words:
            raise ValueError(
                f"{path}: expected words below {self._words}, found {store.words.max()}"
            )
        return store
