"""A generalist that is right as often as it is told to be."""

import pytest

from deployments.engine import EngineContext, create_engine
from deployments.protocol import Message, Prompt
from deployments.spec import ModelSpec
from lab.comparison.errors import ComparisonError
from lab.demonstration.stand_in import read_stand_in, standing_in
from tests.lab.demonstration.samples import row

ROWS = [row(number, domain) for domain in ("sql", "tools") for number in range(400)]


def share_right(stand_in, domain):
    mine = [of for of in ROWS if of.domain == domain]
    return sum(stand_in.answer(of) == of.reference.answer for of in mine) / len(mine)


def test_it_is_right_as_often_as_it_should_be() -> None:
    """In a domain that is named, and in all others."""
    found = read_stand_in("oracle:0.3,sql=0.8")

    assert share_right(found, "sql") == pytest.approx(0.8, abs=0.08)
    assert share_right(found, "tools") == pytest.approx(0.3, abs=0.08)


def test_a_better_one_knows_what_a_worse_one_knows() -> None:
    """Chance is of the prompt, so that a swap makes nothing worse."""
    worse, better = read_stand_in("oracle:0.4"), read_stand_in("oracle:0.7")

    for of in ROWS:
        if worse.answer(of) == of.reference.answer:
            assert better.answer(of) == of.reference.answer


@pytest.mark.parametrize("text", ["oracle:", "oracle:two", "oracle:0.5,sql", "oracle:1.2"])
def test_another_form_is_refused(text) -> None:
    """With the right one."""
    with pytest.raises(ComparisonError, match="write oracle:SHARE"):
        read_stand_in(text)


async def test_the_gateways_engine_can_ask_it(tmp_path) -> None:
    """Each model by its name: text, end and usage come as from any server."""
    models = [read_stand_in("oracle:1"), read_stand_in("oracle:0")]
    said = {}
    with standing_in(ROWS, models) as url:
        for model in models:
            options = {"base_url": url}
            spec = ModelSpec(name="big", model=model.name, engine="openai", engine_options=options)
            engine = create_engine(spec, EngineContext(tmp_path))
            await engine.start()
            await engine.health()
            chunks = [of async for of in engine.stream(Prompt("r", (Message("user", "sql 7"),)))]
            await engine.stop()
            said[model.name] = "".join(of.text for of in chunks)
            assert chunks[-1].usage.prompt_tokens == 2

    assert said == {"oracle:1": "seven sql 7", "oracle:0": "I do not know."}
