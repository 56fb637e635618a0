"""One conversation: the user's sound to tokens, to the LM's steps, to Moshi's sound."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from kaiwa_server.audio import CodeFrame, PcmFrame
from kaiwa_server.codec.lm_link import LmLink, NewSettings
from kaiwa_server.journal import StepRecord, TextPiece
from kaiwa_server.serving.slot_feed import SlotFeed


@dataclass(frozen=True, slots=True)
class ConversationStep:
    """What one step did; `moshi_frame` is the sound that it completed, if any."""

    record: StepRecord
    moshi_frame: PcmFrame | None
    text: TextPiece | None


class Conversation:
    """The slots and the LM call that one session holds, joined.

    Two things go on beside each other: listening (sound, encoder, LM) and speaking (LM, decoder,
    response). The LM link's window is the only thing between them, so a caller that does not read
    its steps is soon not read either.
    """

    def __init__(
        self,
        encoder: SlotFeed[PcmFrame, CodeFrame],
        decoder: SlotFeed[CodeFrame, PcmFrame],
        lm: LmLink,
    ) -> None:
        self._encoder = encoder
        self._decoder = decoder
        self._lm = lm

    async def steps(
        self, user: AsyncIterator[PcmFrame | NewSettings]
    ) -> AsyncIterator[ConversationStep]:
        """Gives every step of the session, in order, until the user's frames are answered.

        What `user` raises is raised here.

        Raises:
            ModelFailed: a step of the encoder or of the decoder raised.
            LmDown: see `LmLink.answers`.
            Upstream: see `LmLink.answers`.
        """
        async for step in self._lm.answers(self._heard(user)):
            frame = step.moshi_frame
            sound = await self._decoder.answer(frame) if frame else None
            yield ConversationStep(step.record, sound, step.text)

    async def _heard(
        self, user: AsyncIterator[PcmFrame | NewSettings]
    ) -> AsyncIterator[CodeFrame | NewSettings]:
        async for item in user:
            yield item if isinstance(item, NewSettings) else await self._encoder.answer(item)
