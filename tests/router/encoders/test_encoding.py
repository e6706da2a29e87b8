"""Token ids of texts: what is kept of long ones, and what odd ones become."""

import pytest

from router.encoders.encoding import Tokens, checksum, layers_of
from router.errors import EncoderError
from tests.router.encoders.tiny_bert import POSITIONS, tiny_bert


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("model"))


def test_a_short_text_is_kept_whole(model):
    """A text within the limit has its own tokens between the special ones."""
    cut = Tokens(model, 8).of("abcdef")
    assert (len(cut.ids), cut.truncated) == (8, False)
    assert cut.ids == Tokens(model).of("abcdef").ids


def test_of_a_long_text_head_and_tail_are_kept(model):
    """Three quarters of the limit are the first tokens, a quarter the last."""
    text = " ".join("abcdefghijklmnopqrstuvwxyz")
    whole = Tokens(model).of(text).ids
    cut = Tokens(model, 16).of(text)
    assert cut.truncated
    assert cut.ids == whole[:12] + whole[-4:]


def test_of_megabytes_the_middle_is_never_read(model):
    """What stands between the ends of a huge text changes nothing; the ends do."""
    tokens = Tokens(model, 16)
    cut = tokens.of("ab " * 200 + "x" * 5_000_000 + " cd" * 200)
    assert cut.truncated
    assert cut == tokens.of("ab " * 200 + "y" * 10_000 + " cd" * 200)
    assert cut != tokens.of("ab " * 200 + "x" * 5_000_000 + " ce" * 200)


def test_one_huge_word_counts_as_cut(model):
    """A text cut by characters is reported, however few tokens are left."""
    assert Tokens(model, 16).of("x" * 10_000).truncated


def test_settings_in_the_tokenizer_file_do_not_matter(model):
    """The file asks for padding and truncation to 12 tokens; neither happens."""
    tokens = Tokens(model)
    assert len(tokens.of("a").ids) == 3
    assert len(tokens.of("a " * 30).ids) == 32


def test_tokens_are_counted_before_the_cut(model):
    """The count is of the whole text."""
    assert Tokens(model, 8).count("a b c d e f g h i j") == 12


def test_surrogates_in_pairs_are_one_character(model):
    """What JSON's escapes may leave behind is read as the character that it stands for."""
    tokens = Tokens(model)
    assert tokens.of("a\ud83d\ude00").ids == tokens.of("a\N{GRINNING FACE}").ids


@pytest.mark.parametrize("limit", [7, POSITIONS + 1])
def test_a_limit_that_the_model_does_not_take_is_refused(model, limit):
    """The error says what the model takes."""
    with pytest.raises(EncoderError, match=f"max_tokens.*{limit}.*8.*{POSITIONS}"):
        Tokens(model, limit)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", None, r"config\.json.*niche models pull"),
        ("config.json", "[]", r"config\.json is no encoder's configuration"),
        ("config.json", "{}", r"config\.json is no encoder's configuration"),
        ("tokenizer.json", None, r"tokenizer\.json cannot be read as a tokenizer"),
        ("tokenizer.json", "{}", r"tokenizer\.json cannot be read as a tokenizer"),
    ],
)
def test_a_broken_directory_is_named(tmp_path, file, content, said):
    """A file that is absent or says nothing is named, with the remedy."""
    model = tiny_bert(tmp_path)
    if content is None:
        (model / file).unlink()
    else:
        (model / file).write_text(content)
    with pytest.raises(EncoderError, match=said):
        Tokens(model)


def test_a_checksum_of_no_file_names_it(tmp_path):
    """The error says which file is missing, and how to get it."""
    with pytest.raises(EncoderError, match=r"model\.safetensors.*niche models pull"):
        checksum(tmp_path / "model.safetensors")


def test_vectors_come_from_three_depths():
    """The last layer, the middle one and the embeddings."""
    assert layers_of(6) == (6, 3, 0)
