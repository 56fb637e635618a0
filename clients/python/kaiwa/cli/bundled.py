"""The conversation that comes with Kaiwa: what `kaiwa talk` says without a file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A file of the folder `questions`, the words in it, and the silence before it."""

    file: str
    words: str
    pause_s: float


# flite's voice rms, which the model in the box was not trained on. The last question but one comes
# while Moshi still tells the joke.
CONVERSATION = (
    Line("name.wav", "What is your name?", 3.5),
    Line("weather.wav", "What is the weather like today?", 5.0),
    Line("umbrella.wav", "Where did I leave my umbrella?", 5.0),
    Line("joke.wav", "Can you tell me a joke?", 4.5),
    Line("hear.wav", "Can you hear me?", 2.5),
    Line("goodbye.wav", "Goodbye, Moshi.", 8.0),
)
