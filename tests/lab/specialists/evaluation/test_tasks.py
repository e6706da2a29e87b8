"""Sets of questions: which rows, and how answers are graded."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lab.specialists.evaluation.answers import GeneratedAnswer
from lab.specialists.evaluation.tasks import Question, Task, general_questions, niche_tasks
from lab.specialists.niche import Example
from lab.specialists.registry import NICHES
from router.grading.registry import GRADERS
from tests.lab.specialists.evaluation.toy_run import ONE, TWO


def graded(task: Task, text: str, cut: bool = False) -> list[list[int]]:
    answer = GeneratedAnswer(text, 1, 1, cut, loops=False, seconds=0)
    return [list(map(int, counts[0])) for counts in task.grade([answer])]


def task_of(name: str, example: Example) -> Task:
    """One question of a default niche."""
    niche = NICHES[name]
    question = Question(example, niche.graders)
    return Task(name, niche, niche.graders, (question,), 9, niche.complete)


def test_fewer_rows_are_among_more(tmp_path: Path) -> None:
    """They are drawn by their text, not by chance."""
    (few,), (many,) = niche_tasks(ONE, 3, tmp_path), niche_tasks(ONE, 12, tmp_path)

    assert many.questions[:3] == few.questions
    assert len(many.questions) == 12


def test_a_set_with_fewer_rows_gives_all_it_has(tmp_path: Path) -> None:
    """Sixteen test rows here."""
    (task,) = niche_tasks(ONE, 1000, tmp_path)

    assert len(task.questions) == 16


def test_further_sets_are_named_after_their_niche(tmp_path: Path) -> None:
    """And are no home of a specialist's."""
    own, more = niche_tasks(TWO, 10, tmp_path)

    assert [(of.name, of.niche, of.home) for of in (*own.columns, *more.columns)] == [
        ("two", "two", True),
        ("two/more", "two", False),
    ]


def test_a_further_measure_is_a_column_of_the_same_set(tmp_path: Path) -> None:
    """Of the same answers, and not the niche's own measure."""
    (task,) = niche_tasks(ONE, 10, tmp_path)

    assert [(of.name, of.rows_of, of.home) for of in task.columns] == [
        ("one", "one", True),
        ("one (mentions)", "one", False),
    ]


def test_questions_of_one_table_are_a_group_and_those_of_one_function_are_not() -> None:
    """A function is a kind of prompt, and no common source."""
    examples = (Example("a", "x", "1"), Example("b", "y", "2"), Example("c", "z", "1"))
    questions = tuple(Question(example, ()) for example in examples)
    sql, tools = (
        replace(task_of(name, examples[0]), questions=questions) for name in ("sql", "tools")
    )

    assert sql.groups.tolist() == [0, 1, 0]
    assert tools.groups.tolist() == [0, 1, 2]


def test_validation_rows_have_the_first_measure_and_no_further_set(tmp_path: Path) -> None:
    """They are there to choose by, and one figure decides."""
    tasks = [*niche_tasks(ONE, 10, tmp_path, "validation"), *niche_tasks(TWO, 10, tmp_path)]

    assert [of.name for task in tasks for of in task.columns] == ["one", "two", "two/more"]


def test_a_query_is_read_out_of_talk_by_every_measure() -> None:
    """Exact match and execution alike."""
    schema = 'CREATE TABLE t ("a" NUMERIC COLLATE NOCASE)'
    task = task_of("sql", Example("Columns: a", 'SELECT "a" FROM t', schema=schema))

    assert graded(task, 'Sure! ```sql\nSELECT "a" FROM t;\n``` Ask again.') == [[1, 1, 1]] * 2


def test_a_word_problems_answer_is_read_as_it_stands() -> None:
    """`select` is a word there."""
    task = task_of("math", Example("How many?", "3 + 4 = 7"))

    assert graded(task, "If you select 3 of\n\n12; so it is 7") == [[1, 1, 1]]


def test_an_open_equation_is_worked_out_whoever_wrote_it() -> None:
    """As the specialist's is when it is served."""
    task = task_of("math", Example("How many?", "3 + 4 = 7"))

    assert graded(task, "3 + 4 =") == [[1, 1, 1]]
    assert graded(task, "3 + 5 =") == [[0, 1, 1]]


def test_items_are_counted_each() -> None:
    """Two of three claimed are right, of two that are wanted."""
    wanted = '{"chemicals": ["a", "b"], "diseases": []}'
    task = task_of("biomed", Example("a b", wanted))

    assert graded(task, '{"chemicals": ["a", "b", "c"], "diseases": []}')[0] == [2, 3, 2]


def test_answers_belong_to_questions_one_each() -> None:
    """Anything else is a mistake of the caller's."""
    task = replace(task_of("math", Example("How many?", "7")), questions=())

    with pytest.raises(ValueError, match="zip"):
        graded(task, "7")


def test_an_equation_is_worked_out_unless_it_was_cut() -> None:
    """As the engine does: what the length limit ended is not taken for finished."""
    task = task_of("math", Example("How many?", "3 + 4 = 7"))

    assert graded(task, "3 + 4 =") == [[1, 1, 1]]
    assert graded(task, "3 + 4 =", cut=True) == [[0, 1, 1]]


@pytest.fixture(scope="module")
def general() -> Mapping[str, list[Example]]:
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    return general_questions(Path(where))


@pytest.mark.data
def test_every_general_questions_own_answer_is_right(general: Mapping[str, list[Example]]) -> None:
    """By the grader that it is listed under."""
    for grader, examples in general.items():
        assert len(examples) > 2000
        wrong = [of for of in examples if not GRADERS[grader](of.answer, of.reference).hits]
        assert wrong == []


@pytest.mark.data
def test_options_are_lettered_and_the_answer_is_one_of_them(
    general: Mapping[str, list[Example]],
) -> None:
    """The question says how to answer, as a user would."""
    for example in general["choice"]:
        assert f"\n{example.answer}. " in example.prompt
        assert example.prompt.endswith("\nAnswer with the letter alone.")
