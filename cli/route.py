"""`niche route TEXT`: shows which model would answer, and why. Needs no running stack."""

import argparse
import sys
from dataclasses import replace
from typing import TextIO

from cli.options import add_config, cache
from deployments.protocol import Message
from gateway.config_file import load_config
from router.types import Explanation, Piece, Query, Rationale, Source

_SHOWN_CHARACTERS = 72
_MOST_PIECES = 3
"""Shown of those that speak for the domain, and of those against it."""
_LEAST_EFFECT = 0.0005


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("text", metavar="TEXT", help="the user's message; - reads it from stdin")
    parser.add_argument("--system", metavar="TEXT", default="", help="a system prompt above it")
    parser.add_argument("--neighbours", type=int, default=5, help="training prompts to show")
    add_config(parser)
    parser.set_defaults(run=_route)


def _route(arguments: argparse.Namespace) -> int:
    from gateway.routing import load_classifier, load_policy

    config = load_config(arguments.config)
    query = asked(arguments.text, arguments.system, sys.stdin)
    policy, classifier = load_policy(config), load_classifier(config.router, cache(), "cpu")
    [scores] = classifier.scores([query])
    decision = policy.decide(scores)
    print(f"domain      {decision.domain} (confidence {decision.confidence:.4f})")
    print(f"model       {decision.candidates[0]}")
    print(f"reason      {decision.reason}")
    rationale = classifier.rationale(query, arguments.neighbours)
    why = policy.explain(scores, rationale)
    for line in explained(why if config.gateway.shadow is None else without_states(why)):
        print(line)
    return 0


def without_states(why: Explanation) -> Explanation:
    """The same where specialists have states: the store of the gateways knows them."""
    if why.guarantee is None:
        return why
    return replace(why, guarantee=f"while every domain has an active specialist: {why.guarantee}")


def asked(text: str, system: str, stdin: TextIO) -> Query:
    """The query: a text, or a conversation if there is a system prompt; - reads from stdin."""
    said = stdin.read() if text == "-" else text
    if not system:
        return Query(text=said)
    return Query((Message("system", system), Message("user", said)))


def explained(why: Explanation) -> list[str]:
    """The lines that explain a decision."""
    lines = [f"threshold   confidence {why.min_confidence:.4f}"]
    if why.guarantee is not None:
        lines.append(f"guarantee   {why.guarantee}")
    lines.append(f"OOD score   {why.ood_score:.4f}, in distribution up to {why.max_ood_score:.4f}")
    rationale = why.rationale or Rationale()
    if rationale.source is not None:
        lines.append(f"read        {_read(rationale.source, why.truncated)}")
    if rationale.form is not None:
        lines.append(f"form        {rationale.form.name} {rationale.form.probability:.2f}")
    lines.append("probabilities")
    shares = sorted(why.probabilities.items(), key=lambda item: -item[1])
    lines += [f"  {domain:<12} {value:.4f}" for domain, value in shares]
    if rationale.pieces:
        lines += _effects(rationale.pieces, shares[0][0])
    if rationale.neighbours:
        lines.append("nearest training prompts")
    for near in rationale.neighbours:
        lines.append(f"  {near.similarity:.3f}  {near.domain:<12} {_short(near.text)}")
    return lines


def _read(source: Source, truncated: bool) -> str:
    what = "the text with the system prompt" if source.with_system else "the text"
    if source.shortened:
        return f"{what}, shortened from {source.characters} characters"
    return f"{what}, cut before it was encoded" if truncated else what


def _effects(pieces: tuple[Piece, ...], domain: str) -> list[str]:
    """The parts that matter most, strongest first: those for the domain, then those against it."""
    known = [(piece.effect, piece.text) for piece in pieces if piece.effect is not None]
    for_ = [pair for pair in known if pair[0] >= _LEAST_EFFECT]
    against = [pair for pair in known if pair[0] <= -_LEAST_EFFECT]
    shown = sorted(for_, key=lambda pair: -pair[0])[:_MOST_PIECES]
    shown += sorted(against, key=lambda pair: pair[0])[:_MOST_PIECES]
    if not shown:
        return [f"no single part of the text changes {domain} by {_LEAST_EFFECT:.4f}"]
    lines = [f"what speaks for {domain} (+) and against it (-)"]
    return lines + [f"  {effect:+.4f}  {_short(text)}" for effect, text in shown]


def _short(text: str) -> str:
    return " ".join(text.split())[:_SHOWN_CHARACTERS]
