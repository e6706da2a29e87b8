"""An earlier commit's router on the robustness prompts, with that commit's own code.

An artifact alone is not enough: how a request is read (system prompt, long texts) is code. From the
root of a checkout, in its environment, which must also suit the earlier commit:

    mkdir earlier && git archive COMMIT | tar -x -C earlier
    PYTHONPATH=. .venv/bin/python docs/results/robustness/rivals/earlier.py earlier --out OUT
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from lab.benchmarks.robustness import read_prompts, robustness
from lab.machine import commit, machine

_ASKED = """
import json, sys
from cli.options import load_encoder
from deployments.protocol import Message
from router.artifact import artifact_path, load_artifact
from router.policy import Thresholds, decide
from router.types import GENERAL, Query, Reason

classifier = load_artifact(artifact_path("default"), load_encoder("all-minilm-l6-v2", 1))
table = {domain: (domain,) for domain in classifier.classes_ if domain != GENERAL}
chats, went = json.load(sys.stdin), []
for start in range(0, len(chats), 256):
    queries = [Query(tuple(Message(*turn) for turn in chat)) for chat in chats[start : start + 256]]
    for scores in classifier.scores(queries):
        decision = decide(scores, table, GENERAL, lambda _: True, Thresholds())
        went.append(decision.domain if decision.reason is Reason.ROUTED else GENERAL)
json.dump(went, sys.stdout)
"""
"""Run by the earlier code, as `lab.benchmarks.destinations` does it now."""


def main() -> None:
    """Measures the router of another checkout."""
    parser = argparse.ArgumentParser(description="An earlier router on the robustness prompts.")
    parser.add_argument("checkout", type=Path, help="folder of the earlier commit's files")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    prompts = read_prompts()
    chats = [[(turn.role, turn.content) for turn in prompt.query.messages] for prompt in prompts]
    done = subprocess.run(
        [sys.executable, "-P", "-c", _ASKED],
        cwd=arguments.checkout,
        env={**os.environ, "PYTHONPATH": str(arguments.checkout.resolve())},
        input=json.dumps(chats),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    went = np.array(json.loads(done.stdout))
    result = replace(
        robustness(lambda _: went, prompts), name=f"robustness, {arguments.checkout.name}"
    )
    print(f"Prompts of commit {commit()}; {machine()}.\n\n{result.text()}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "earlier.md").write_text(result.markdown(), encoding="utf-8")
    (arguments.out / "earlier.json").write_text(json.dumps(result.fields(), indent=1), "utf-8")


if __name__ == "__main__":
    main()
