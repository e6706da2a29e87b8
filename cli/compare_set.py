"""`niche compare --write-set`: prompts to compare on, from public test rows."""

import argparse
import json
from collections import Counter

from cli.options import CommandError
from deployments.models.errors import ModelError


def write_set(arguments: argparse.Namespace) -> int:
    """Writes the file and says what is in it."""
    if arguments.data_dir is None:
        raise CommandError("--write-set needs --data-dir DIR: where the public data sets lie")
    # graders and scikit-learn take a moment to import
    from lab.specialists.evaluation.comparison_set import (  # noqa: PLC0415
        WAYS_TO_ASK,
        comparison_rows,
    )
    from lab.specialists.evaluation.tasks import general_task, niche_tasks  # noqa: PLC0415
    from lab.specialists.niches.registry import NICHES  # noqa: PLC0415

    names = arguments.niches or list(NICHES)
    strange = [name for name in names if name not in NICHES]
    if strange:
        raise ModelError(f"no niche {strange[0]!r}; known: {', '.join(NICHES)}")
    data_dir, count = arguments.data_dir, arguments.rows
    tasks = [niche_tasks(NICHES[name], count, data_dir)[0] for name in names]
    tasks.append(general_task(max(1, count // 2), data_dir))  # of each of its two sources
    rows = list(comparison_rows(tasks, data_dir, WAYS_TO_ASK[arguments.ask_generalist]))
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    try:
        arguments.write_set.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"--write-set {arguments.write_set}: {error.strerror}; name another file"
        ) from error
    counts = Counter(row["domain"] for row in rows)
    told = ", ".join(f"{count} {domain}" for domain, count in counts.items())
    print(f"{arguments.write_set}: {len(rows)} prompts written ({told})")
    return 0
