"""One more specialist in a configuration: content, order and comments stay, whatever its form."""

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import ConfigError, NicheConfig
from gateway.config_file import load_config
from gateway.specialists.registration import as_lines, change, inserted, register

ENTRY: dict[str, Any] = {
    "name": "new",
    "domain": "new",
    "model": "tiny",
    "engine": "fake",
    "adapter": "specialists/new",
    "price": {"machine_per_hour": 0.05},
}
SHIPPED = Path(__file__).parents[3] / "niche.yaml"

COMMENT = st.sampled_from(["", "  # why", "  # a - b: [c, {d"])
VALUE = st.sampled_from(
    ["x", "'a # b'", '"[]"', "{a: 1, b: [2, 3]}", "[1, 2]", "*shared", "", "1.5"]
)
BLOCKS = st.sampled_from(
    ["|\n{0}text\n{0}# no comment\n", ">-\n{0}folded\n{0}text\n\n", "|+\n{0}a\n\n"]
)
FLOWS = st.sampled_from(["", " ", "\n  ", "{name: a}", "{name: a},", "\n  {name: a}\n  "])
AFTER = st.sampled_from(
    ["", "\n# foot\n", "router:\n  artifact: x\n", "\n# of it\ngateway: {port: 1}\n", "...\n"]
)


@st.composite
def items(draw: st.DrawFn, indent: str) -> str:
    """An item of a block list, its dash at `indent`."""
    inner = f"{indent}  "
    lines = [f"{indent}- name: a{draw(COMMENT)}\n"]
    for key in draw(st.lists(st.sampled_from("bcdef"), unique=True, max_size=3)):
        if draw(st.booleans()):
            lines.append(f"{inner}{key}: {draw(VALUE)}{draw(COMMENT)}\n")
        else:
            lines.append(f"{inner}{key}: {draw(BLOCKS).format(inner + '  ')}")
        if draw(st.booleans()):
            lines.append(draw(st.sampled_from([f"{inner}# of the item\n", "\n", "# far left\n"])))
    return "".join(lines)


@st.composite
def lists(draw: st.DrawFn) -> str:
    """The key `specialists` in one of the ways in which it may be written, or not at all."""
    form = draw(st.sampled_from(["absent", "flow", "block", "block"]))
    if form == "absent":
        return ""
    if form == "flow":
        return f"specialists: [{draw(FLOWS)}]{draw(COMMENT)}\n"
    indent = draw(st.sampled_from(["", "  ", "    "]))
    anchor = draw(st.sampled_from(["", " &all"]))
    found = "".join(draw(st.lists(items(indent), min_size=1, max_size=3)))
    return f"specialists:{anchor}{draw(COMMENT)}\n{found}"


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """YAML with comments, anchors, other keys before and after, and any kind of line end."""
    before = draw(st.sampled_from(["", "# head\n\n", "---\n", "%YAML 1.1\n---\n# head\n"]))
    shared = f"generalist: &shared {{name: g}}{draw(COMMENT)}\n"
    text = before + shared + draw(lists()) + draw(AFTER)
    cut = text.removesuffix("\n")
    # A last line without its end is no other content, but in some texts over several lines.
    if draw(st.booleans()) and parsed(cut) == parsed(text):
        text = cut
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def parsed(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def comments(text: str) -> Counter[str]:
    return Counter(
        re.findall(
            r"(?:^|\s)(# (?:why|a - b: \[c, \{d|head|foot|of it\w*|of the item|far left))", text
        )
    )


@settings(max_examples=25, deadline=None)  # YAML is read three times for each
@given(configurations().filter(parsed))
def test_the_result_is_the_old_content_and_the_new_entry(text: str) -> None:
    """It parses so, in the same order, and no comment is lost."""
    old = yaml.safe_load(text)

    new = inserted(text, ENTRY, "it")

    wanted = {**old, "specialists": [*(old.get("specialists") or []), ENTRY]}
    assert list(yaml.safe_load(new).items()) == list(wanted.items())
    assert comments(new) == comments(text)
    assert ("\r\n" in new) == ("\r\n" in text)


@settings(max_examples=10, deadline=None)
@given(configurations().filter(parsed), st.integers(2, 4))
def test_many_can_be_added(text: str, count: int) -> None:
    """What was added to can be added to again."""
    for number in range(count):
        text = inserted(text, ENTRY | {"name": f"new{number}"}, "it")

    assert [item["name"] for item in yaml.safe_load(text)["specialists"]][-count:] == [
        f"new{number}" for number in range(count)
    ]


def test_the_shipped_file_gets_an_entry_like_its_own() -> None:
    """In the same indentation, after an empty line, before the next section."""
    text = SHIPPED.read_text(encoding="utf-8")

    new = inserted(text, ENTRY, "it")

    lines = "\n".join(f"  {line}" for line in as_lines(ENTRY).splitlines())
    assert new == text.replace("\nembeddings:", f"\n{lines}\n\nembeddings:")
    assert "  - name: new\n    domain: new\n" in new


def test_a_file_in_json_stays_one() -> None:
    """JSON is YAML too, and somebody may write it by program."""
    new = inserted('{"generalist": {"name": "g"}}\n', ENTRY, "it")

    assert new.startswith('{"generalist": {"name": "g"}, "specialists": [{"name": "new", ')
    assert new.endswith("]}\n")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: &x [1]\nspecialists: *x\n", id="a reference to something else"),
        pytest.param("a: 1\na: 2\nspecialists: []\n", id="a key that is there twice"),
    ],
)
def test_a_form_that_cannot_be_added_to_is_refused(text: str) -> None:
    """The message has the lines that would be added."""
    with pytest.raises(ConfigError) as refused:
        inserted(text, ENTRY, "mine.yaml")

    said = str(refused.value)
    assert said.startswith("mine.yaml: ")
    assert said.endswith(as_lines(ENTRY))


STACK = "# mine\ngeneralist: {name: big, model: tiny, engine: fake}  # it\n"


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = tmp_path / "niche.yaml"
    path.write_text(STACK)
    return path


def test_a_specialist_is_registered(stack: Path) -> None:
    """The file is valid with it, everything else is as it was, and nothing else is left there."""
    stack.chmod(0o640)

    register(stack, ENTRY)

    assert [spec.name for spec in load_config(stack).specialists] == ["new"]
    assert stack.read_text().startswith(STACK)
    assert stack.stat().st_mode & 0o777 == 0o640
    assert list(stack.parent.iterdir()) == [stack]


def test_a_link_stays_one(stack: Path, tmp_path: Path) -> None:
    """The file that it points to is changed."""
    link = tmp_path / "link.yaml"
    link.symlink_to(stack)

    register(link, ENTRY)

    assert link.is_symlink()
    assert load_config(stack).specialists


def test_a_dry_run_changes_nothing(stack: Path) -> None:
    """It only finds out whether it could."""
    register(stack, ENTRY, dry_run=True)

    assert stack.read_text() == STACK
    assert list(stack.parent.iterdir()) == [stack]


def test_what_would_not_be_valid_is_not_written(stack: Path) -> None:
    """The gateway's own check comes before the file is replaced; it names the file."""
    with pytest.raises(ConfigError, match=r"niche\.yaml: specialists\[0\]\.name: 'big'"):
        register(stack, ENTRY | {"name": "big"})

    assert stack.read_text() == STACK
    assert list(stack.parent.iterdir()) == [stack]


@pytest.mark.parametrize("name", ["yes", "null", "12", "1e3"])
def test_a_name_that_yaml_takes_for_something_else_stays_text(stack: Path, name: str) -> None:
    """It is put in quotes."""
    register(stack, ENTRY | {"name": name, "domain": name})

    assert [spec.name for spec in load_config(stack).specialists] == [name]


@pytest.mark.parametrize("adapter", ["@mine/a", "a: b: c", "%x", "- a", "a #b", "it's"])
def test_a_text_that_is_no_yaml_stays_text(stack: Path, adapter: str) -> None:
    """It is put in quotes too."""
    register(stack, ENTRY | {"adapter": adapter})

    assert [Path(spec.adapter or "").name for spec in load_config(stack).specialists] == [
        Path(adapter).name
    ]


def test_writers_at_once_lose_no_change(stack: Path) -> None:
    """Each reads what the one before it wrote, though that is another file in the same place."""
    names = [f"new{number}" for number in range(16)]

    def add(name: str) -> None:
        def edit(text: str, _config: NicheConfig) -> str:
            time.sleep(0.01)  # long enough for others to read the same
            return inserted(text, ENTRY | {"name": name}, "it")

        change(stack, edit)

    with ThreadPoolExecutor(4) as writers:  # each comes again, while others wait for the old file
        list(writers.map(add, names))

    assert {spec.name for spec in load_config(stack).specialists} == {*names}
    assert list(stack.parent.iterdir()) == [stack]


def test_what_the_check_refuses_is_not_written(stack: Path) -> None:
    """It sees the new configuration."""
    seen: list[NicheConfig] = []

    def check(config: NicheConfig) -> None:
        seen.append(config)
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        change(stack, lambda text, _: inserted(text, ENTRY, "it"), check)

    assert [spec.name for spec in seen[0].specialists] == ["new"]
    assert stack.read_text() == STACK


def test_comments_of_what_follows_stay_with_it() -> None:
    """And those of the last specialist with that."""
    text = "specialists:\n- name: a  # why\n  # more of it\n# the router\nrouter: {}\n"

    new = inserted(text, ENTRY, "it")

    before, after = text.split("# the router")
    assert new.startswith(before)
    assert new.endswith(f"# the router{after}")
