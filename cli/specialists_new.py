"""`niche specialists new NAME --data FILE`: makes a specialist from examples.

Rule: all checks of names, directories, rows and the configuration come before training.
"""

import argparse
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.options import CONFIG, CommandError, Subparsers
from cli.specialists_options import (
    MOST_TOKENS,
    add_file,
    add_training,
    file_of,
    settings,
    workspace,
)
from deployments.models.adapters import ADAPTERS
from deployments.spec import ModelSpec
from gateway.config import AUTO, NicheConfig
from gateway.config_file import load_config
from gateway.specialists.registration import as_lines, register
from gateway.specialists.stack_file import pool_settings
from lab.specialists.errors import OtherRunError
from lab.specialists.from_file import LoadedNiche, NicheFile, niche_from_file
from lab.specialists.recipe import TrainConfig, settings_for
from lab.specialists.registry import NICHES
from lab.specialists.training.workspace import Workspace
from router.types import GENERAL

if TYPE_CHECKING:
    from lab.specialists.training.publish import Provenance

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_FILES = frozenset(
    {"README.md", "adapter_config.json", "adapter_model.safetensors", "niche.json", "prompts.jsonl"}
)
"""The files in a specialist's directory."""


def add(actions: Subparsers) -> None:
    """Declares the action."""
    parser = actions.add_parser(
        "new",
        help="make a specialist from a file of examples",
        description="Trains a specialist on a file of examples, grades it on held-out rows, and "
        "registers it. Writes an adapter with its model card, prompts to train the router on, and "
        "an entry in niche.yaml.",
    )
    parser.add_argument("name", metavar="NAME", help="name of the specialist and of its domain")
    add_file(parser, required=True)
    add_training(parser)
    parser.add_argument(
        "--out", type=Path, help="the adapter's directory (default: specialists/NAME)"
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace the specialist in --out, and start again where the checkpoint is of other "
        "rows or settings",
    )
    parser.add_argument(
        "--config",
        type=Path,
        help=f"the stack to add it to (default: {CONFIG}, if it is there)",
    )
    parser.add_argument(
        "--no-config", action="store_true", help="only make the adapter; do not add it to a stack"
    )
    parser.set_defaults(run=_new)


def own_niche(name: str, file: NicheFile, space: Workspace) -> LoadedNiche:
    """The niche of a file; prints a summary of it.

    Raises:
        DatasetError: the rows cannot be used.
    """
    own = niche_from_file(name, file, _Tokens(space.base_dir))
    counts = ", ".join(f"{len(rows):,} {part}" for part, rows in own.rows.items())
    print(
        f"{file.data.name}: {counts} rows; graded by {own.niche.graders[0]}, answers of up to "
        f"{own.niche.max_answer_tokens} tokens, system prompt {own.niche.system_prompt!r}"
    )
    for note in own.notes:
        print(f"note: {note}")
    return own


class _Tokens:
    """Counts a model's tokens; loads its tokenizer on first use."""

    def __init__(self, base_dir: Path) -> None:
        self._base_dir = base_dir
        self._tokenizer: Any = None

    def __call__(self, text: str) -> int:
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(self._base_dir)
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def own_settings(arguments: argparse.Namespace, rows: int, space: Workspace) -> TrainConfig:
    """The default settings for this number of the user's rows, overridden by the options.

    Raises:
        CommandError: --max-length-tokens exceeds the model's context.
    """
    context = space.context_tokens or MOST_TOKENS
    requested = arguments.max_length_tokens
    if requested is not None and requested > context:
        raise CommandError(
            f"--max-length-tokens {requested}: the context of {space.base} is {context}; give less"
        )
    start = TrainConfig(max_length_tokens=min(context, MOST_TOKENS))
    return settings_for(rows, settings(arguments, start), arguments.epochs)


def _new(arguments: argparse.Namespace) -> int:
    name = _name(arguments.name)
    out = arguments.out or Path("specialists") / name
    _require_free(out, arguments.replace)
    stack = _stack(arguments, name, out)
    space = workspace(arguments, Path("work") / name)
    own = own_niche(name, file_of(arguments), space)
    config = own_settings(arguments, len(own.rows["train"]), space)
    entry = _entry(own, space.base, _reference(out, stack), stack, config)
    if stack is not None and stack.there is None:
        register(stack.path, entry, dry_run=True)
    made = _made(own, space, config, out, replace=arguments.replace)
    _write_prompts(own, out / "prompts.jsonl", arguments.data.name)
    print(f"{out}: {made.sentence()}")
    if not made.clearly_better:
        print("It is not clearly better than the base model alone: give more rows, or no traffic.")
    if stack is not None and stack.there is None:
        register(stack.path, entry)
    print(_next(name, out, stack, entry))
    return 0


def _made(
    own: LoadedNiche, space: Workspace, config: TrainConfig, out: Path, *, replace: bool
) -> "Provenance":
    from lab.specialists.training.make import make_specialist, require_lengths

    require_lengths(own.niche, space, config.max_length_tokens)
    try:
        return make_specialist(own.niche, space, [config], out)
    except OtherRunError as conflict:
        if not replace:
            raise
        print(f"{conflict.path}: is from another run; training starts again")
        conflict.path.unlink()
        return make_specialist(own.niche, space, [config], out)


def _name(name: str) -> str:
    if name in (AUTO, GENERAL):
        raise CommandError(f"a specialist cannot be called {name!r}: that asks for something else")
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"a specialist cannot be called {name!r}: allowed are up to 63 lower-case letters, "
            "digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return name


def _require_free(out: Path, replace: bool) -> None:
    """Raises if `out` holds anything but a specialist, or a specialist and not `replace`."""
    folder = out.resolve().parent
    there = next(of for of in (folder, *folder.parents) if of.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise CommandError(f"--out {out}: nothing can be written to {there}; name another folder")
    if not out.exists():
        return
    if not out.is_dir():
        raise CommandError(f"--out {out}: is a file; name a folder")
    names = {path.name for path in out.iterdir()}
    if names - _FILES or (names and "niche.json" not in names):
        strange = ", ".join(sorted(names - _FILES)[:3]) or "no niche.json"
        raise CommandError(
            f"--out {out}: holds something else than a specialist ({strange}); "
            "name an empty or a new folder"
        )
    if names and not replace:
        raise CommandError(
            f"--out {out}: a specialist is there already; give --replace to replace it, or "
            "another name"
        )


@dataclass(frozen=True)
class _Stack:
    """The configuration to extend; `there`: the specialist's entry from an earlier run, if any."""

    path: Path
    config: NicheConfig
    there: ModelSpec | None = None


def _stack(arguments: argparse.Namespace, name: str, out: Path) -> _Stack | None:
    path = arguments.config or CONFIG
    if arguments.no_config or (arguments.config is None and not path.exists()):
        return None
    config = load_config(path)
    for spec in config.models:
        if name not in (spec.name, spec.domain):
            continue
        same = spec.name == spec.domain == name and spec.model == arguments.base
        if arguments.replace and same and Path(spec.adapter or "").resolve() == out.resolve():
            return _Stack(path, config, spec)
        taken = "name" if spec.name == name else "domain"
        raise CommandError(
            f"{path}: the {taken} {name!r} is taken, by the model {spec.name!r}; choose another "
            "name, or give --no-config"
        )
    return _Stack(path, config)


def _entry(
    own: LoadedNiche, base: str, adapter: str, stack: _Stack | None, config: TrainConfig
) -> dict[str, Any]:
    """The specialist's entry in `niche.yaml`."""
    niche = own.niche
    entry: dict[str, Any] = {
        "name": niche.name,
        "domain": niche.name,
        "model": base,
        "adapter": adapter,
        "engine_options": {
            "max_context_tokens": config.max_length_tokens,
            "default_max_tokens": niche.max_answer_tokens,
            "default_temperature": 0,
        },
    }
    if stack is None:
        return entry
    pooled = pool_settings(stack.config, base, entry["engine_options"])
    if pooled is not None:
        return entry | pooled
    if stack.config.generalist.model == base:
        # The same base model on the same machine costs the same.
        price = stack.config.generalist.price.model_dump(exclude_defaults=True)
        entry |= {"price": price} if price else {}
    return entry


def _reference(out: Path, stack: _Stack | None) -> str:
    """The adapter's directory, relative to where the stack starts."""
    beside = stack is None or stack.path.parent == Path()
    return str(out) if beside and not (ADAPTERS / out).is_dir() else str(out.resolve())


def _write_prompts(own: LoadedNiche, path: Path, source: str) -> None:
    """Writes the prompts for `niche train --data`; test prompts stay test prompts."""
    lines = []
    for part, rows in own.rows.items():
        for row in rows:
            fields = {"text": row.prompt, "domain": own.niche.name, "source": source}
            fields |= {"group": row.group} if row.group else {}
            fields |= {"split": "test"} if part == "test" else {}
            lines.append(json.dumps(fields, ensure_ascii=False))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _next(name: str, out: Path, stack: _Stack | None, entry: Mapping[str, Any]) -> str:
    if stack is not None and stack.there is not None:
        has, wanted = stack.there.engine_options, entry["engine_options"]
        changed = {option: of for option, of in wanted.items() if has.get(option) != of}
        hint = f"; its engine_options do not fit the new one, set {changed}" if changed else ""
        return f"{stack.path} has it already{hint}; to serve the new one: niche serve"
    added = (
        f"To serve it, add to a niche.yaml, under specialists:\n{as_lines(entry)}\n"
        if stack is None
        else f"{stack.path}: specialist {name!r} added.\n"
    )
    specialists = stack.config.specialists if stack else []
    others = dict.fromkeys(spec.domain for spec in specialists if spec.domain is not None)
    public = "prompts of the default domains can come from the public data sets: --data-dir DIR\n"
    return (
        f"{added}The router does not know the domain {name!r} yet, and until it does the stack "
        f"will not start. Train it on these prompts, and on some of each other domain "
        f"({', '.join([*others, GENERAL])}):\n"
        f"  niche train --data {out / 'prompts.jsonl'} OTHERS.jsonl --out artifacts/mine\n"
        f"{public if NICHES.keys() & others else ''}"
        "name artifacts/mine as router.artifact, and start: niche serve"
    )
