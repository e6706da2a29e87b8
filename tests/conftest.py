"""Fixtures for every folder: a router trained on toy rows, once per run."""

from collections.abc import Iterator
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


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread: for a tiny model several wait longer than they compute."""
    import torch  # here, since it takes seconds and few tests need it

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
