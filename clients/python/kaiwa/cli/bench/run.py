"""A whole run: the services before and after, and the sessions in between."""

import asyncio
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from kaiwa.cli.bench.crowd import Crowd
from kaiwa.cli.bench.endpoint import Endpoint
from kaiwa.cli.bench.figures import generator_of, overall_of
from kaiwa.cli.bench.load import Load
from kaiwa.cli.bench.progress import shown_progress
from kaiwa.cli.bench.report import Report, sentences_of
from kaiwa.cli.bench.samples import Sample, own_sample
from kaiwa.cli.bench.speech import encode_speech
from kaiwa.cli.bench.usage import services_of, usage_of
from kaiwa.cli.errors import CannotDo
from kaiwa.cli.interrupt import on_interrupt


async def run_load(load: Load, endpoints: Sequence[Endpoint], console: Console) -> Report:
    """Holds the sessions and gives their figures; Ctrl-C ends them early.

    Raises:
        CannotDo: a service has no metrics at its endpoint, or libopus is missing.
    """
    crowd = Crowd(load, encode_speech())
    before = [await asyncio.to_thread(endpoint.sample) for endpoint in endpoints]
    own_before = own_sample()
    sessions = "1 session" if load.sessions == 1 else f"{load.sessions} sessions"
    console.print(Text(f"{sessions} with {load.server} for {load.seconds:g} s"))
    with on_interrupt(crowd.stop) as interrupt:
        async with shown_progress(console, load, lambda: crowd.records):
            await crowd.talk()
    own_after = own_sample()
    after = [await _sample_if_there(endpoint) for endpoint in endpoints]
    records = crowd.records
    return Report(
        load=load,
        model=next((each.ready.model_name for each in records if each.ready is not None), None),
        interrupted=interrupt.pressed,
        overall=overall_of(records),
        generator=generator_of(records, usage_of(own_before, own_after)),
        services=services_of(endpoints, before, after),
        sentences=sentences_of(records),
    )


async def _sample_if_there(endpoint: Endpoint) -> Sample | None:
    """Gives None for a service that the load was too much for."""
    try:
        return await asyncio.to_thread(endpoint.sample)
    except CannotDo:
        return None
