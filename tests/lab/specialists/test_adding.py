"""Adding a specialist to the shipped stack, as CONTRIBUTING says: three files, and all know it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import toy_examples

ROOT = Path(__file__).parents[3]
DATA = "".join(
    json.dumps({"prompt": row.prompt, "answer": row.answer, "part": part}) + "\n"
    for part, rows in {
        "train": toy_examples(48)[:24],
        "validation": toy_examples(48)[24:32],
        "test": toy_examples(48)[32:],
    }.items()
    for row in rows
)

NICHE = '''
"""`toy`: a word -> yes or no."""

from collections.abc import Iterator
from pathlib import Path

from lab.datasets.manifest import read_rows
from lab.specialists.niche import Example, Instruction, Niche, Split
from lab.specialists.recipe import TrainConfig


def _examples(split: Split, data_dir: Path) -> Iterator[Example]:
    for row in read_rows("toy_words", data_dir):
        if row["part"] == split:
            yield Example(row["prompt"], row["answer"])


NICHE = Niche(
    name="toy",
    system_prompt="say it.",
    datasets=("toy_words",),
    graders=("text",),
    max_answer_tokens=8,
    examples=_examples,
    recipe=(TrainConfig(rank=4, learning_rate=0.02, batch_size=4, epochs=6, threads=1),),
    instruction=Instruction("Answer yes or no."),
    sample="say ab",
)
'''
ENTRY = """
  - name: toy
    domain: toy
    model: base
    adapter: toy

embeddings:"""

ASKED = """
import json
from pathlib import Path

from cli.demo import SAMPLES
from cli.main import main
from gateway.config_file import load_config
from lab.routing.default_prompts import niche_rows
from lab.specialists.registry import NICHES

rows = list(niche_rows(NICHES["toy"], Path("data")))
options = ["--data-dir", "data", "--threads", "1"]
train = main(["specialists", "train", "toy", *options, "--base", "base", "--test-rows", "8",
    "--out", "deployments/adapters/toy"])
evaluate = ["specialists", "evaluate", "toy", *options, "--generalist", "base", "--rows", "4"]
evaluate = main([*evaluate, "--out", "matrix"])
cells = json.loads(Path("matrix/matrix.json").read_text())["cells"]
print(json.dumps({
    "niches": list(NICHES),
    "rows": sorted({(row.domain, row.split) for row in rows}),
    "sample": SAMPLES["toy"],
    "codes": [train, evaluate],
    "own cell": [cell["quality"]["value"] for cell in cells if cell["model"] == "toy"],
    "served": load_config(Path("niche.yaml")).specialists[-1].adapter,
}))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages, in which the specialist is added."""
    root = tmp_path_factory.mktemp("checkout")
    for package in ("gateway", "router", "cli"):
        (root / package).symlink_to(ROOT / package)
    for package in ("deployments", "lab"):
        ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
        shutil.copytree(ROOT / package, root / package, ignore=ignored)
    save_tiny_model(root / "base")
    (root / "data").mkdir()
    (root / "data" / "words.jsonl").write_text(DATA)
    (root / "lab" / "specialists" / "niches" / "toy.py").write_text(NICHE)
    sources = root / "lab" / "datasets" / "sources.py"
    sha256 = hashlib.sha256(DATA.encode()).hexdigest()
    entry = f'"toy_words": Dataset("words.jsonl", "made up", "CC0-1.0", "{sha256}"),'
    sources.write_text(sources.read_text().rstrip().removesuffix("}") + f"    {entry}\n}}\n")
    stack = (ROOT / "niche.yaml").read_text()
    (root / "niche.yaml").write_text(stack.replace("\nembeddings:", ENTRY))
    return root


@pytest.mark.slow
def test_three_files_make_a_specialist_that_everything_knows(checkout: Path) -> None:
    """A niche, its data set, an entry in niche.yaml: it is trained, routed, shown and measured."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout), "NICHE_CACHE": str(checkout / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {
        "niches": ["sql", "tools", "math", "biomed", "support", "toy"],
        "rows": [["toy", "test"], ["toy", "train"], ["toy", "validation"]],
        "sample": "say ab",
        "codes": [0, 0],
        "own cell": [1.0],
        "served": "toy",
    }
