"""What decides in a conversation: which turn, below which system prompt, which part of it."""

from dataclasses import dataclass

import numpy as np
import pytest

from deployments.protocol import Message
from router.classifier import Encoded
from router.conversation import (
    ConversationReader,
    FollowUpDetector,
    Reading,
    TaskPromptDetector,
    system_text,
    user_turns,
)
from router.request_text import SYSTEM_BUCKETS
from router.types import GENERAL, Query, Scores

TOPICS = ("tables", "songs")
WIDTH = len(TOPICS) + 4


@dataclass(frozen=True)
class Words:
    """What the fake encoder and classifier see in a text."""

    follow_up: bool = False
    sql: float = 0.0
    general: float = 0.5
    topic: str | None = None
    cut: bool = False
    strange: bool = False


UNSURE = Words(topic="tables")
NICHE = Words(sql=1.0, general=0.0, topic="tables")
CHAT = Words(general=1.0)
FOLLOW_UP = Words(follow_up=True, general=1.0)


class World:
    """Texts with what is to be seen in them; remembers what was encoded together."""

    def __init__(self, reads_system: bool = False, **texts: Words) -> None:
        self.texts = texts
        self.batches: list[list[str]] = []
        # first whether it is a follow-up, then what it is about, then what it is likely to be:
        # small beside the topic, for closeness is the inner product
        weights = np.array([1.0] + [0.0] * (WIDTH - 1), np.float32)
        self.reading = Reading(FollowUpDetector(weights, -0.005), reads_system=reads_system)
        self.reader = ConversationReader(self.encode, self.score, self.reading)

    def encode(self, texts):
        if texts:
            self.batches.append(list(texts))
        seen = [self.texts[text] for text in texts]
        rows = [
            (
                *(0.01 * w.follow_up, *(w.topic == topic for topic in TOPICS)),
                *(0.01 * w.sql, 0.01 * w.general, 0.01 * w.strange),
            )
            for w in seen
        ]
        vectors = np.array(rows, np.float32).reshape(len(texts), WIDTH)
        return Encoded(vectors, np.array([w.cut for w in seen], np.bool_))

    def score(self, vectors, truncated):
        seen = (100 * vectors[:, -3:]).round(3).tolist()
        return [
            Scores({"sql": sql, GENERAL: general}, strange - 1, -0.5, min_confidence=0.6)
            for sql, general, strange in seen
        ]

    def decides(self, *turns, system=None):
        """The text that decides in a conversation of the user's turns, the latest last."""
        said = [Message("user", turn) for turn in turns]
        before = [] if system is None else [Message("system", system)]
        [text] = self.reader.read([Query((*before, *said))]).texts
        return text


def conversation(*pairs):
    return Query(tuple(Message(role, content) for role, content in pairs))


@pytest.mark.parametrize(
    ("query", "turns"),
    [
        (Query(text=" complete this\n"), ("complete this",)),
        (Query(text="  "), ()),
        (Query(), ()),
        (conversation(("user", "a"), ("assistant", "b"), ("user", " c ")), ("c", "a")),
        (conversation(("user", "a"), ("assistant", "b"), ("tool", "c")), ("a",)),
        (conversation(("system", "s"), ("user", " \n"), ("user", "a")), ("a",)),
        (conversation(*(("user", letter) for letter in "abcdef")), ("f", "e", "d", "c")),
    ],
    ids=["completion", "blank", "nothing", "latest first", "tool", "empty turn", "at most four"],
)
def test_the_turns_of_the_user_come_latest_first(query, turns):
    """Only the user's own words count: stripped, none empty, four at most."""
    assert user_turns(query) == turns


def test_system_messages_are_one_text():
    """All system messages count, stripped, one below the other."""
    query = conversation(("system", " a\n"), ("user", "b"), ("system", "c"), ("system", " "))
    assert system_text(query) == "a\nc"


def test_a_query_without_system_message_has_no_system_text():
    """Nothing is made up where there is no system message."""
    assert system_text(conversation(("user", "a"))) == ""


def test_a_follow_up_is_told_by_the_sign_of_its_score():
    """Vectors are follow-ups when their product with the weights is above minus the bias."""
    follow_up = FollowUpDetector(np.array([1.0, -1.0], np.float32), -0.5)
    vectors = np.array([[1, 0], [0, 1], [0.5, 0], [2, 1]], np.float32)
    assert follow_up.is_follow_up(vectors).tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("weights", "bias"),
    [(np.ones((2, 2)), 0.0), (np.array([np.nan]), 0.0), (np.ones(2), np.inf)],
    ids=["matrix", "weight", "bias"],
)
def test_a_follow_up_of_no_use_is_refused(weights, bias):
    """Weights are a vector, and every number is finite."""
    with pytest.raises(ValueError, match="weight"):
        FollowUpDetector(weights.astype(np.float32), bias)


def test_words_that_stand_alone_decide_by_one_vector():
    """The last turn decides, and nothing else is encoded."""
    world = World(first=NICHE, last=CHAT)
    assert world.decides("first", "last") == "last"
    assert world.batches == [["last"]]


def test_words_that_lean_leave_the_decision_to_the_turn_before():
    """A follow-up stays with what it follows."""
    assert World(first=NICHE, last=FOLLOW_UP).decides("first", "last") == "first"


def test_a_follow_up_may_follow_a_follow_up():
    """The first turn back that stands alone decides."""
    world = World(oldest=CHAT, asked=NICHE, again=FOLLOW_UP, last=FOLLOW_UP)
    assert world.decides("oldest", "asked", "again", "last") == "asked"


def test_where_all_turns_lean_the_oldest_that_is_looked_at_decides():
    """Nobody looks further back than three turns."""
    world = World(**{letter: FOLLOW_UP for letter in "abcdef"})
    assert world.decides(*"abcdef") == "c"


def test_words_that_lean_on_nothing_decide_themselves():
    """The only turn decides, whatever it is."""
    assert World(last=FOLLOW_UP).decides("last") == "last"


def test_what_a_tool_says_does_not_decide():
    """After a tool's or the assistant's turn the user's last words decide."""
    world = World(asked=NICHE)
    query = conversation(("user", "asked"), ("assistant", "wait"), ("tool", "{}"))
    assert world.reader.read([query]).texts == ("asked",)


def test_words_on_the_same_topic_stay_with_the_turn_before():
    """Words that no specialist would get go with the turn before when they are close to it."""
    assert World(first=NICHE, last=UNSURE).decides("first", "last") == "first"


@pytest.mark.parametrize(
    "last",
    [
        Words(sql=0.55, general=0.45, topic="tables"),
        Words(sql=0.9, general=0.1, topic="tables", strange=True),
    ],
    ids=["not confident", "out of scope"],
)
def test_words_below_a_threshold_are_for_no_specialist(last):
    """The artifact's thresholds say what a specialist would get."""
    assert World(first=NICHE, last=last).decides("first", "last") == "first"


@pytest.mark.parametrize(
    "last",
    [
        Words(topic="songs"),
        Words(topic="tables", general=0.995),
        Words(topic="tables", sql=0.7),
    ],
    ids=["another topic", "surely general", "a specialist's own"],
)
def test_words_that_moved_on_decide_themselves(last):
    """Another topic, a request surely general, or one for a specialist is its own."""
    assert World(first=NICHE, last=last).decides("first", "last") == "last"


def test_words_are_read_below_a_system_prompt_they_are_about():
    """A question about the table in the system prompt goes where both together belong."""
    world = World(**{"last": UNSURE, "system": NICHE, "system\nlast": NICHE})
    assert world.decides("last", system="system") == "system\nlast"


@pytest.mark.parametrize(
    ("last", "system", "both"),
    [
        (Words(topic="songs"), NICHE, NICHE),
        (Words(topic="tables", general=0.995), NICHE, NICHE),
        (Words(topic="tables", sql=0.7), NICHE, NICHE),
        (UNSURE, UNSURE, UNSURE),
    ],
    ids=["another topic", "surely general", "a specialist's own", "for no specialist"],
)
def test_a_system_prompt_does_not_decide_over_the_words(last, system, both):
    """Words that are clear, or far from the system prompt, or no specialist's below it, stay."""
    world = World(**{"last": last, "system": system, "system\nlast": both})
    assert world.decides("last", system="system") == "last"


def test_a_follow_up_is_looked_up_before_the_system_prompt_is_read():
    """The turn before a follow-up is what is read below the system prompt."""
    world = World(
        **{"asked": UNSURE, "last": FOLLOW_UP, "system": NICHE, "system\nasked": NICHE},
    )
    assert world.decides("asked", "last", system="system") == "system\nasked"


def test_an_encoder_trained_for_it_always_reads_the_system_prompt():
    """Clear words too are read below it, for it may set another task."""
    both = "System: translate\nUser: last"
    world = World(reads_system=True, **{"last": NICHE, both: CHAT})
    assert world.decides("last", system="translate") == both
    assert world.batches == [[both]]


@pytest.mark.parametrize(
    ("bias", "decides"),
    [(1.0, "System: prompt\nUser: last"), (-1.0, "last")],
    ids=["task", "neutral"],
)
def test_only_a_system_prompt_that_sets_a_task_is_read_with_clear_words(bias, decides):
    """The detector sees each system prompt once."""
    world = World(**{"prompt": CHAT, "last": NICHE, "System: prompt\nUser: last": CHAT})
    detector = TaskPromptDetector(
        np.zeros(6, np.float32), np.zeros(SYSTEM_BUCKETS, np.float32), bias
    )
    reading = Reading(world.reading.follow_up, reads_system=True, task_prompts=detector)
    world.reader = ConversationReader(world.encode, world.score, reading)
    assert world.decides("last", system="prompt") == decides
    assert world.decides("last", system="prompt") == decides
    assert world.batches == [["prompt"], [decides], [decides]]


def test_a_follow_up_is_looked_up_without_the_system_prompt():
    """The turns are compared by themselves; what decides is read below the system prompt."""
    both = "System: be brief\nUser: first"
    world = World(reads_system=True, first=NICHE, last=FOLLOW_UP, **{both: NICHE})
    assert world.decides("first", "last", system="be brief") == both
    assert world.batches == [["last"], ["first"], [both]]


@pytest.mark.parametrize("reads_system", [False, True], ids=["base", "trained for it"])
def test_without_a_system_prompt_the_words_are_encoded_as_they_are(reads_system):
    """Nothing stands before them, whatever the encoder was trained for."""
    assert World(reads_system, last=NICHE).decides("last") == "last"


def test_a_long_text_is_shortened_and_said_to_be_cut():
    """What is encoded is shorter than what was said; a short text beside it is whole."""
    shown: list[str] = []

    def encode(texts):
        shown.extend(texts)
        return Encoded(np.ones((len(texts), WIDTH), np.float32), np.zeros(len(texts), np.bool_))

    reading = Reading(FollowUpDetector(np.zeros(WIDTH, np.float32), -1.0))
    reader = ConversationReader(encode, World().score, reading)
    deciding = reader.read([Query(text="one more line\n" * 200), Query(text="short")])
    assert deciding.texts == tuple(shown)
    assert len(deciding.texts[0]) < 1000
    assert deciding.truncated.tolist() == [True, False]


def test_queries_of_a_batch_are_encoded_together():
    """One pass for the last turns of conversations, one for the turns before follow-ups, and one
    for what stands alone; each text is encoded once."""
    world = World(first=NICHE, second=CHAT, third=NICHE, again=FOLLOW_UP, alone=NICHE)
    queries = [
        conversation(("user", "first"), ("user", "again")),
        Query(text="alone"),
        conversation(("user", "third"), ("user", "again")),
        conversation(("user", "first"), ("user", "second")),
    ]
    assert world.reader.read(queries).texts == ("first", "alone", "third", "second")
    assert world.batches == [["again", "second"], ["first", "third"], ["alone"]]


def test_a_query_decides_alike_in_any_batch():
    """Vectors and texts are those that the query has alone."""
    world = World(first=NICHE, again=FOLLOW_UP, chat=CHAT)
    queries = [Query(text="chat"), conversation(("user", "first"), ("user", "again"))]
    together = world.reader.read(queries)
    alone = [world.reader.read([query]) for query in queries]
    assert together.texts == tuple(text for one in alone for text in one.texts)
    assert np.array_equal(together.vectors, np.concatenate([one.vectors for one in alone]))


def test_a_query_without_words_has_no_vector():
    """Silent queries keep their place among the texts, and have none among the vectors."""
    world = World(asked=NICHE)
    deciding = world.reader.read([Query(), Query(text="asked"), Query(text=" ")])
    assert deciding.texts == ("", "asked", "")
    assert deciding.vectors.shape == (1, WIDTH)
    assert deciding.truncated.tolist() == [False]


def test_silence_encodes_nothing():
    """A batch in which nobody speaks costs no pass."""
    world = World()
    assert world.reader.read([Query()]).texts == ("",)
    assert world.batches == []
