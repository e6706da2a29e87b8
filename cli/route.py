"""`niche route TEXT`: shows which model would answer, and why. Needs no running stack."""

import argparse

from cli.options import add_config, cache
from gateway.config import load_config
from router.types import Explanation, Query

_SHOWN_CHARACTERS = 72


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("text", metavar="TEXT")
    parser.add_argument("--neighbours", type=int, default=5, help="training prompts to show")
    add_config(parser)
    parser.set_defaults(run=_route)


def _route(arguments: argparse.Namespace) -> int:
    from gateway.routing import load_classifier, load_policy

    config, text = load_config(arguments.config), arguments.text
    policy, classifier = load_policy(config), load_classifier(config.router, cache(), "cpu")
    [scores] = classifier.scores([Query(text=text)])
    decision = policy.decide(scores, lambda _: True)
    print(f"domain      {decision.domain} (confidence {decision.confidence:.4f})")
    print(f"model       {decision.candidates[0]}")
    print(f"reason      {decision.reason}")
    _explain(policy.explain(scores, classifier.neighbours(text, arguments.neighbours)))
    return 0


def _explain(why: Explanation) -> None:
    print(f"threshold   confidence {why.min_confidence:.4f}")
    if why.guarantee is not None:
        print(f"guarantee   {why.guarantee}")
    print(f"OOD score   {why.ood_score:.4f}, in distribution up to {why.max_ood_score:.4f}")
    if why.truncated:
        print("the text was cut before it was encoded")
    print("probabilities")
    for domain, value in sorted(why.probabilities.items(), key=lambda item: -item[1]):
        print(f"  {domain:<12} {value:.4f}")
    if why.neighbours:
        print("nearest training prompts")
    for near in why.neighbours:
        text = " ".join(near.text.split())[:_SHOWN_CHARACTERS]
        print(f"  {near.similarity:.3f}  {near.domain:<12} {text}")
