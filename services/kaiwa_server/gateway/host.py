"""Where the conversations of one gateway are admitted and held, whatever protocol they come by."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager

from kaiwa_server.errors import KaiwaError, RecordingNotPermitted
from kaiwa_server.gateway.codec_link import Accepted, CodecLink
from kaiwa_server.gateway.concealment import Guess
from kaiwa_server.gateway.config import GatewayConfig
from kaiwa_server.gateway.conversation import Conversation
from kaiwa_server.gateway.inputs import Input
from kaiwa_server.gateway.metrics import GatewayMetrics
from kaiwa_server.gateway.outbox import Outbox
from kaiwa_server.gateway.outputs import Output, Ready
from kaiwa_server.gateway.pace import Pace
from kaiwa_server.gateway.recording import Recording
from kaiwa_server.gateway.recording_files import JournalHeader
from kaiwa_server.gateway.recordings import Recordings
from kaiwa_server.gateway.seats import Seats
from kaiwa_server.gateway.session import Session
from kaiwa_server.serving.silence import unless_silent

log = logging.getLogger(__name__)


class Host:
    """Holds the conversations of a gateway.

    Args:
        config: how many there may be, and how patient to be with their clients.
        metrics: what counts them.
        draining: set when the gateway is about to stop; the open conversations are told.
        recordings: where conversations are kept that ask for it; None permits it to none.
    """

    def __init__(
        self,
        config: GatewayConfig,
        metrics: GatewayMetrics,
        draining: asyncio.Event,
        recordings: Recordings | None = None,
    ) -> None:
        self._recordings = recordings
        self._config = config
        self._metrics = metrics
        self._draining = draining
        self.seats = Seats(config.max_sessions)
        metrics.watch(self.seats)

    async def converse(
        self,
        call: str,
        link: CodecLink,
        inputs: AsyncIterator[Input],
        pace: Pace = Pace.LIVE,
        guess: Guess | None = None,
        record: bool = False,
    ) -> AsyncGenerator[Output, None]:
        """Holds one conversation: gives what the client is to be told, from `Ready` to `Summary`.

        Args:
            call: what the client called, for the metrics.
            link: its codec call, not yet open.
            inputs: what the client says; its end is the end of the user's side.
            pace: whose time it keeps.
            guess: what conceals the user's lost sound, where the format can.
            record: whether it is to be kept.

        Raises:
            RecordingNotPermitted: it is to be kept, and the operator permits that to none.
            ServiceFull: here, in the codec service or in the LM service.
            CodecDown: the codec service is gone or frozen.
            ClientSilent: the client sends nothing.
            HoldTooLong: the client leaves it on hold.
            SlowConsumer: the client reads nothing.
            KaiwaError: what `inputs` raises, or what the codec service ended the call with.
        """
        session_id = secrets.token_hex(8)
        with ExitStack() as held:
            with self._metrics.admission(call):
                if record and self._recordings is None:
                    raise RecordingNotPermitted(
                        "the operator of this service permits no recordings: leave `record` out"
                    )
                held.enter_context(self.seats.seat())
                held.enter_context(link)
                accepted = await link.open()
            recording = None
            if record and self._recordings is not None:
                recording = self._recordings.recording(_header(session_id, accepted))
            yield Ready(
                session_id,
                accepted.seed,
                accepted.model_name,
                accepted.model_fingerprint,
                accepted.context_steps,
                recording.id if recording else "",
            )
            outbox = Outbox(self._config.unread_s)
            session = self._session(accepted, pace, guess)
            conversation = self._conversation(session, link, outbox, pace, recording)
            heard = unless_silent(inputs, self._config.silence_s, lambda: session.may_be_silent)

            async def run() -> None:
                # Whoever reads nothing is not waited for: what is held is free when this ends.
                with held, outbox.filling(), self._watched(call, session_id, recording):
                    await conversation.run(heard)

            running = asyncio.create_task(run())
            try:
                while (output := await outbox.take()) is not None:
                    if recording:
                        recording.tell(output)
                    yield output
            finally:
                held.close()
                running.cancel()
                await asyncio.wait((running,))

    def _conversation(
        self,
        session: Session,
        link: CodecLink,
        outbox: Outbox,
        pace: Pace,
        recording: Recording | None,
    ) -> Conversation:
        return Conversation(
            session,
            link,
            outbox,
            self._metrics,
            pace,
            self._draining,
            int((self._config.lame_duck_s + self._config.drain_s) * 1000),
            recording,
        )

    def _session(self, accepted: Accepted, pace: Pace, guess: Guess | None) -> Session:
        return Session(
            accepted.context_steps,
            accepted.keep_first_frame,
            accepted.seed,
            pace,
            self._config.hold_s,
            guess,
        )

    @contextmanager
    def _watched(self, call: str, session_id: str, recording: Recording | None) -> Iterator[None]:
        log.info("session %s begins (%s)", session_id, call)
        if recording:
            recording.start()
        result = "CLIENT_GONE"
        try:
            yield
            result = "NORMAL"
        except KaiwaError as error:
            result = error.reason
            raise
        except Exception:
            result = "INTERNAL"
            raise
        finally:
            if recording:
                recording.end(result)
            self._metrics.on_end(call, result)
            log.info("session %s ended: %s", session_id, result)


def _header(session_id: str, accepted: Accepted) -> JournalHeader:
    return JournalHeader(
        session_id,
        accepted.model_name,
        accepted.model_fingerprint,
        accepted.context_steps,
        accepted.settings,
    )
