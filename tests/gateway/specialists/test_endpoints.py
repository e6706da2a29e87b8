"""`/v1/niche/specialists`: the stack's file changes as by the command, or an error says why."""

import asyncio
import filecmp
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cli.main import main
from deployments.models.adapters import ADAPTERS
from gateway.config_file import load_config
from gateway.routing import load_policy
from gateway.specialists.stack_file import StackFile
from tests.deployments.tiny_lora import save_lora
from tests.gateway.stacks import Gateway, make_gateway

SHIPPED = Path(__file__).parents[3] / "niche.yaml"
BASE = Path("smollm2-135m-instruct")
PATH = "/v1/niche/specialists"
SUMS = {"name": "sums", "adapter": "math", "domain": "math"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The default stack's file, to be changed."""
    return Path(shutil.copy(SHIPPED, tmp_path / "niche.yaml"))


def as_shipped(file: Path) -> bool:
    """Whether nothing has changed."""
    return file.read_bytes() == SHIPPED.read_bytes()


def following(file: Path, **settings: Any) -> Gateway:
    """A gateway whose stack follows a file."""
    return make_gateway(stack_file=StackFile(file, load_policy), **settings)


async def delete(gateway: Gateway, name: str) -> httpx.Response:
    async with gateway.client() as client:
        return await client.delete(f"{PATH}/{name}")


def refusal(response: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and parameter of an error in OpenAI's shape."""
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    return response.status_code, error["code"], error["param"]


async def test_a_specialist_is_added_as_the_command_adds_it(file: Path, tmp_path: Path) -> None:
    """To the byte; the answer says where the model will be seen."""
    response = await following(file).post(SUMS, PATH)
    other = shutil.copy(SHIPPED, tmp_path / "other.yaml")
    options = ["--adapter", "math", "--domain", "math", "--config", str(other)]
    main(["specialists", "add", "sums", *options])

    assert response.status_code == 202
    answer = response.json()
    assert (answer["name"], answer["change"]) == ("sums", "added")
    assert answer["see"] == ["/v1/models/sums", "/readyz"]
    assert filecmp.cmp(file, other, shallow=False)
    assert not as_shipped(file)


async def test_a_specialist_is_removed(file: Path) -> None:
    """What was added goes again, and nothing else."""
    gateway = following(file)
    await gateway.post(SUMS, PATH)

    response = await delete(gateway, "sums")

    assert (response.status_code, response.json()["change"]) == (202, "removed")
    assert as_shipped(file)


async def test_a_domain_is_called_as_the_specialist_where_none_is_given(file: Path) -> None:
    """As with the command."""
    gateway = following(file)
    await delete(gateway, "math")
    await gateway.post({"name": "math", "adapter": "math"}, PATH)

    assert load_config(file).specialists[-1].domain == "math"


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        pytest.param({"name": "sql"}, (409, "name_taken", "name"), id="specialist"),
        pytest.param({"name": "generalist"}, (409, "name_taken", "name"), id="generalist"),
        pytest.param({"name": "auto"}, (409, "name_taken", "name"), id="router"),
        pytest.param({"name": "No Name"}, (400, "invalid_value", "name"), id="no name"),
        pytest.param({"adapter": "none"}, (404, "adapter_not_found", "adapter"), id="unknown"),
        pytest.param({"adapter": ""}, (400, "invalid_value", "adapter"), id="nothing"),
        pytest.param({"domain": "law"}, (400, "invalid_value", "domain"), id="unknown domain"),
        pytest.param({"domain": "general"}, (409, "change_refused", None), id="generalist's"),
        pytest.param({"engine": "fake"}, (400, "unknown_parameter", "engine"), id="other key"),
    ],
)
async def test_what_cannot_be_added_is_refused(
    file: Path, changes: dict[str, str], refused: tuple[int, str, str | None]
) -> None:
    """With the parameter that is wrong; the file stays as it was."""
    response = await following(file).post(SUMS | changes, PATH)

    assert refusal(response) == refused
    assert as_shipped(file)


@pytest.mark.parametrize("name", ["law", "generalist", "auto"])
async def test_only_a_specialist_can_be_removed(file: Path, name: str) -> None:
    """No other model, and none that is not there."""
    assert refusal(await delete(following(file), name)) == (404, "model_not_found", "name")
    assert as_shipped(file)


@pytest.fixture
def grading(file: Path) -> Path:
    """The file, where it says how the pairs of `sql` are graded."""
    config = yaml.safe_load(file.read_text())
    config["gateway"]["shadow"] = {"path": "evidence.db", "grading": [{"specialist": "sql"}]}
    file.write_text(yaml.safe_dump(config))
    return file


async def test_a_specialist_that_the_file_needs_elsewhere_stays(grading: Path) -> None:
    """Its removal would leave a file that is not valid."""
    assert refusal(await delete(following(grading), "sql")) == (409, "change_refused", None)
    assert load_config(grading).models_of("sql") == ("sql",)


async def test_an_adapter_of_the_operators_folder_can_be_added(file: Path, tmp_path: Path) -> None:
    """By the name of its directory; the file has its path."""
    folder = save_lora(tmp_path / "own" / "mine", BASE)
    gateway = following(file, adapters_dir=str(tmp_path / "own"))

    response = await gateway.post(SUMS | {"adapter": "mine"}, PATH)

    assert response.status_code == 202
    assert load_config(file).specialists[-1].adapter == str(folder)


async def test_an_adapter_that_ships_goes_before_one_of_the_same_name(
    file: Path, tmp_path: Path
) -> None:
    """As where a configuration names one."""
    save_lora(tmp_path / "own" / "math", BASE)
    await following(file, adapters_dir=str(tmp_path / "own")).post(SUMS, PATH)

    assert load_config(file).specialists[-1].adapter == "math"


@pytest.mark.parametrize("adapter", ["{0}/mine", "../mine", "mine", "own/../mine", ".", "~"])
async def test_a_request_names_no_path(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapter: str
) -> None:
    """An adapter beside the operator's folder is not there, however it is called."""
    save_lora(tmp_path / "mine", BASE)
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path)
    gateway = following(file, adapters_dir="own")

    response = await gateway.post(SUMS | {"adapter": adapter.format(tmp_path)}, PATH)

    assert refusal(response) == (404, "adapter_not_found", "adapter")
    assert as_shipped(file)


async def test_no_path_leads_to_a_shipped_adapter_either(file: Path) -> None:
    """Those have names."""
    response = await following(file).post(SUMS | {"adapter": str(ADAPTERS / "math")}, PATH)

    assert refusal(response) == (404, "adapter_not_found", "adapter")


async def test_an_adapter_of_another_base_is_refused(file: Path, tmp_path: Path) -> None:
    """A request has the stack load no other base."""
    save_lora(tmp_path / "own" / "mine", Path("org/other"))
    gateway = following(file, adapters_dir=str(tmp_path / "own"))

    response = await gateway.post(SUMS | {"adapter": "mine"}, PATH)

    assert refusal(response) == (400, "invalid_value", "adapter")
    assert "org/other" in response.json()["error"]["message"]
    assert as_shipped(file)


async def test_an_adapter_with_other_weights_than_its_card_says_is_refused(
    file: Path, tmp_path: Path
) -> None:
    """It may still be being copied."""
    folder = save_lora(tmp_path / "own" / "mine", BASE)
    (folder / "adapter_model.safetensors").write_bytes(b"half of it")
    gateway = following(file, adapters_dir=str(tmp_path / "own"))

    response = await gateway.post(SUMS | {"adapter": "mine"}, PATH)

    assert refusal(response) == (400, "invalid_value", "adapter")
    assert as_shipped(file)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A file that somebody is editing."""
    path = tmp_path / "niche.yaml"
    path.write_text("generalist: [")
    return path


async def test_a_file_with_an_error_is_not_changed(broken: Path) -> None:
    """It is the editor's."""
    assert refusal(await following(broken).post(SUMS, PATH)) == (409, "change_refused", None)
    assert await asyncio.to_thread(broken.read_text) == "generalist: ["


async def test_requests_at_once_are_all_served(file: Path) -> None:
    """No change is lost."""
    gateway = following(file)
    names = [f"sums{number}" for number in range(4)]

    await asyncio.gather(*(gateway.post(SUMS | {"name": name}, PATH) for name in names))

    assert {spec.name for spec in load_config(file).specialists} > set(names)


async def test_a_stack_that_follows_no_file_says_where_its_state_is() -> None:
    """On Kubernetes that is the release's values."""
    gateway = make_gateway()

    for response in (await gateway.post(SUMS, PATH), await delete(gateway, "sql-model")):
        assert refusal(response) == (409, "no_followed_file", None)
        said = response.json()["error"]["message"]
        assert all(word in said for word in ("helm upgrade", "niche.specialists"))
