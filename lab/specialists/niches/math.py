"""`math`: a word problem -> the equation that solves it. A calculator does the arithmetic.

Trained on MAWPS (fold 0 of the split in SVAMP's repository) and on those problems of GSM8K whose
worked solution folds into one short expression. Tested on the fold's held-out part; training leaves
out problems that occur there, ignoring numbers. SVAMP is a second test, from another source.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from deployments.calculator import calculate, completed
from lab.datasets.draw import draw
from lab.datasets.manifest import read_rows, read_text
from lab.datasets.spacing import joined
from lab.specialists.niche import Example, Instruction, Niche, Split
from lab.specialists.recipe import STAGE
from lab.specialists.restyling import with_instruction

_VALIDATION_SHARE = 0.08
_MOST_STEPS = 3
_MASK = re.compile(r"number(\d+)")
_STEP = re.compile(r"<<([^<>=]*)=([^<>=]*)>>")
_OPERAND = re.compile(r"\d+(?:\.\d+)?|\.\d+")

_REQUESTS = (
    "Solve: {}",
    "Solve this problem: {}",
    "Solve the following word problem.\n\n{}",
    "Write the equation for this problem: {}",
    "Which equation solves this? {}",
    "Turn this into an equation: {}",
    "Word problem: {}",
    "Problem: {}\nEquation:",
    "Question: {}\nAnswer:",
    "{}\nWrite the equation.",
    "{} Show me the calculation.",
    "Help me with my homework: {}",
)


def infix(prefix: str, numbers: list[str]) -> str:
    """`- number0 number1` -> `8 - 2`, with parentheses around every inner operation."""
    stack: list[str] = []
    for token in reversed(prefix.split()):
        if token in "+-*/":
            left, right = stack.pop(), stack.pop()
            stack.append(f"({left} {token} {right})")
        else:
            place = _MASK.fullmatch(token)
            stack.append(numbers[int(place[1])] if place else _plain(token))
    (whole,) = stack
    return whole[1:-1] if whole.startswith("(") else whole


def folded(solution: str) -> str | None:
    """GSM8K's worked solution as one expression; None if it does not fold into one.

    A step's result that a later step uses is replaced by the step itself.
    """
    steps = _STEP.findall(solution)
    if not 0 < len(steps) <= _MOST_STEPS:
        return None
    known: dict[str, str] = {}
    expression = ""
    for left, right in steps:
        compact = re.sub(r"\s", "", left)
        expression = _OPERAND.sub(lambda found: known.get(found[0], found[0]), compact)
        known[_plain(right.strip())] = f"({expression})" if _is_sum(expression) else expression
    wanted = calculate(solution.rpartition("####")[2].replace(",", ""))
    value = calculate(expression)
    if wanted is None or value != wanted:
        return None
    return re.sub(r"(?<=[\d)])([-+*/])", r" \1 ", expression)


def _is_sum(expression: str) -> bool:
    return any(sign in expression for sign in "+-*/")


def _plain(number: str) -> str:
    return number.removesuffix(".0")


def _mawps(name: str, data_dir: Path) -> Iterator[tuple[str, Example]]:
    """(masked text, example) of each row."""
    for row in csv.DictReader(io.StringIO(read_text(name, data_dir), newline="")):
        numbers = [_plain(number) for number in row["Numbers"].split()]
        text = _MASK.sub(lambda place, given=numbers: given[int(place[1])], row["Question"])
        masked = " ".join(re.sub(r"[^a-z]", " ", _MASK.sub("", row["Question"].lower())).split())
        yield masked, Example(joined(text), f"{infix(row['Equation'], numbers)} =", masked)


def _gsm8k(data_dir: Path) -> Iterator[Example]:
    for row in read_rows("gsm8k", data_dir):
        expression = folded(row["answer"])
        if expression is not None:
            yield Example(row["question"], f"{expression} =", row["question"])


def _examples(split: Split, data_dir: Path) -> Iterator[Example]:
    held_out = list(_mawps("mawps_dev", data_dir))
    if split == "test":
        yield from (_solved(example) for _, example in held_out)
        return
    tested = {masked for masked, _ in held_out}
    own = [e for masked, e in _mawps("mawps_train", data_dir) if masked not in tested]
    for example in [*own, *_gsm8k(data_dir)]:
        validates = draw(example.group, "validation") < _VALIDATION_SHARE
        if validates == (split == "validation"):
            yield example


def _svamp(data_dir: Path) -> Iterator[Example]:
    """SVAMP: problems made from others by small changes that alter the equation."""
    for row in json.loads(read_text("svamp", data_dir)):
        body, question = row["Body"].rstrip(" ,"), row["Question"]
        # Without a full stop, the body's sentence continues in the question.
        text = f"{body} {question}" if body.endswith(".") else f"{body}, {_lower_first(question)}"
        equation = row["Equation"].replace(".0", "")
        equation = equation[1:-1].strip() if equation.startswith("(") else equation
        yield Example(joined(text), f"{equation} = {_plain(str(row['Answer']))}", row["ID"])


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _solved(example: Example) -> Example:
    return Example(
        example.prompt, example.answer + completed(example.answer), example.group, example.schema
    )


NICHE = Niche(
    name="math",
    system_prompt="Write the equation.",
    datasets=("mawps_train", "mawps_dev", "gsm8k", "svamp"),
    graders=("number",),
    max_answer_tokens=64,
    examples=_examples,
    recipe=(replace(STAGE, epochs=3),),
    instruction=Instruction(
        "Solve the word problem. Answer with the arithmetic alone, in one line that ends with an "
        "equals sign; the result will be worked out for you. Like this: (3 + 4) * 2 =",
        reasoned="Solve the word problem step by step, in few words. End with the number that is "
        "the answer.",
        uncompleted="Solve the word problem. Answer with the arithmetic and its result alone, in "
        "one line. Like this: (3 + 4) * 2 = 14",
    ),
    restyle=partial(with_instruction, _REQUESTS),
    sample="A baker made 48 rolls and sold 29 of them. How many rolls are left?",
    completion="calculator",
    other_tests={"svamp": _svamp},
)
