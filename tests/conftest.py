"""Fixtures for every folder: a router trained on toy rows, once per run."""

from pathlib import Path

import pytest

from lab.routing.train import Report, TrainConfig, train
from tests.router.fakes import HashingEncoder, toy_rows

CONFIG = TrainConfig(sub_clusters=(1, 2, 1000), near_duplicate=1.01, exemplars=12)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> tuple[Path, Report]:
    """An artifact of toy rows, with its report; not to be altered."""
    path = tmp_path_factory.mktemp("artifact")
    return path, train(toy_rows(), HashingEncoder(), path, CONFIG)
