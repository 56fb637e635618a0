import torch
from kaiwa_server.models.delays import NO_INPUT
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.sampling import SamplingRows
from kaiwa_training.lm.network import TrainableLm
from kaiwa_training.lm.shape import demo_lm
from kaiwa_training.lm.streams import NOT_WRITTEN, written_tokens
from torch import Tensor
from training.lm.tiny_training import TINY, served, tiny_trainable

STEPS = 3 * TINY.temporal.context


def greedy_session(lm: MoshiLm, user: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sessions whose step s hears user frame s - 1 of user [B, C, T].

    Gives what they wrote, aligned [B, 1 + C, T], and as written [T, B, 1 + C], and the logits of
    the text [B, T, V] and of the audio [B, T, C, V].
    """
    rows, codebooks, steps = user.shape
    logits: list[Tensor] = []
    for head in (lm.text_linear, *lm.linears):
        head.register_forward_hook(lambda _module, _inputs, output: logits.append(output[:, 0]))
    state, every, written = lm.new_state(rows), torch.arange(rows), []
    silence = torch.full((rows, codebooks), NO_INPUT)
    for step in range(steps):
        heard = user[:, :, step - 1] if step else silence
        draws = SamplingRows.greedy(rows), torch.zeros(rows, 1 + codebooks)
        text, audio = lm.step(state, every, heard, *draws)
        written.append(torch.cat((text[:, None], audio), dim=1))
    by_step = torch.stack(written, dim=-1)  # [B, 1 + C, T]
    late = [by_step[:, k, d:] for k, d in enumerate(TINY.delays[: 1 + codebooks])]
    aligned = torch.stack([stream[:, : steps - max(TINY.delays)] for stream in late], dim=1)
    heads = 1 + codebooks
    text_logits = torch.stack(logits[::heads], dim=1)
    audio_logits = torch.stack(
        [torch.stack(logits[1 + k :: heads], dim=1) for k in range(codebooks)], dim=2
    )
    return aligned, by_step, text_logits, audio_logits


def random_user(rows: int = 3, heard: float = 0.8) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(
        0, TINY.codebook_size, (rows, TINY.codebooks, STEPS), generator=generator
    )
    silent = torch.rand(rows, 1, STEPS, generator=generator) > heard
    return tokens.masked_fill(silent, NO_INPUT)


def test_whole_conversations_give_the_logits_of_served_steps() -> None:
    lm, user = tiny_trainable(), random_user()
    aligned, by_step, text_logits, audio_logits = greedy_session(served(lm), user)
    frames = aligned.shape[-1]
    tokens = torch.cat((aligned, user[:, :, :frames]), dim=1)

    hidden = lm.hidden(tokens)
    written = written_tokens(tokens, TINY)

    torch.testing.assert_close(
        lm.text_linear(hidden), text_logits[:, :frames], atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(written[:, :, 1:], by_step[:, :, 1:frames], atol=0, rtol=0)
    ours = lm.audio_logits(
        hidden.flatten(0, 1),
        by_step[:, 0, :frames].flatten(),
        by_step[:, 1:, :frames].transpose(1, 2).flatten(0, 1),
    )
    expected = audio_logits[:, :frames].flatten(0, 1)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_no_frame_holds_what_step_0_writes_late() -> None:
    tokens = torch.zeros(1, 7, 4, dtype=torch.int64)
    written = written_tokens(tokens, TINY)
    assert (written[0, :, 0] == torch.tensor([0, 0, NOT_WRITTEN, NOT_WRITTEN])).all()
    assert (written[0, :, 1:] == 0).all()


def test_codebooks_that_are_not_heard_are_zero_and_get_no_gradient() -> None:
    lm, user = tiny_trainable(heard=(0,)), random_user()
    tokens = torch.cat((torch.zeros(3, 4, STEPS, dtype=torch.int64), user), dim=1)
    lm.hidden(tokens).square().sum().backward()
    for stream in (TINY.codebooks + 1, TINY.codebooks + 2):
        weight = lm.emb[stream].get_parameter("weight")
        assert not weight.any() and weight.grad is None
    heard = lm.emb[TINY.codebooks].get_parameter("weight").grad
    assert heard is not None and heard.any()


def test_the_state_dict_is_that_of_the_served_network() -> None:
    lm = tiny_trainable()
    assert list(lm.state_dict()) == list(MoshiLm(TINY).state_dict())


def test_the_demo_model_fits_in_its_share_of_the_package() -> None:
    with torch.device("meta"):
        lm = TrainableLm(demo_lm(text_vocabulary_size=300))
    assert 2 * sum(weight.numel() for weight in lm.parameters()) < 11.6e6
