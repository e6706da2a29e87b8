"""General knowledge that can be graded without a judge: what no specialist is for.

Two sources: facts of Wikidata as sentences to complete, and science questions of a school with
lettered options. The way to answer is said in the question itself, as a user would.
"""

from collections.abc import Mapping
from pathlib import Path

from lab.datasets.manifest import read_rows
from lab.specialists.niches.niche import Example

MAX_ANSWER_TOKENS = 32


def questions(data_dir: Path) -> Mapping[str, list[Example]]:
    """The questions by the grader that fits them.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    return {
        "mentions": [
            Example(f"Complete in a few words: {row['context']}", row["continuation"])
            for row in read_rows("qa_wikidata", data_dir)
        ],
        "choice": [
            Example(_lettered(row["query"], row["choices"]), "ABCDEFGHIJ"[row["gold"]])
            for row in read_rows("arc_easy", data_dir)
        ],
    }


def _lettered(query: str, choices: list[str]) -> str:
    options = [f"{letter}. {text}" for letter, text in zip("ABCDEFGHIJ", choices, strict=False)]
    question = query.removeprefix("Question: ")
    return "\n".join([question, *options, "Answer with the letter alone."])
