"""The corpus that the codec's trainings are tested on."""

from pathlib import Path

import pytest
from training.codec.toy_corpus import WatchedCorpus, small_corpus, write_corpus


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the small corpus lies."""
    return write_corpus(tmp_path_factory.mktemp("corpus"), small_corpus())


@pytest.fixture
def corpus(corpus_folder: Path) -> WatchedCorpus:
    """The small corpus, to which nobody has listened yet."""
    return WatchedCorpus(corpus_folder)
