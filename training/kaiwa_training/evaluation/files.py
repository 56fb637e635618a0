"""Where everything of an evaluation lies in its folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Files:
    """The paths in an evaluation's folder."""

    folder: Path

    @property
    def verdicts(self) -> Path:
        """A line of JSON for each judged question."""
        return self.folder / "verdicts.jsonl"

    @property
    def stack_log(self) -> Path:
        """What the services said."""
        return self.folder / "services.log"

    @property
    def replies(self) -> Path:
        """Recordings of Moshi's replies."""
        return self.folder / "replies"

    @property
    def reply_readings(self) -> Path:
        """What the recogniser read in them."""
        return self.folder / "replies.jsonl"

    @property
    def codec_readings(self) -> Path:
        """What the recogniser read before and after the codec."""
        return self.folder / "codec.jsonl"

    @property
    def times(self) -> Path:
        """How long a frame takes."""
        return self.folder / "timing.json"

    @property
    def pictures(self) -> Path:
        """Spectrograms and training curves."""
        return self.folder / "pictures"
