"""Starts transformers' continuous-batching manager with our sizes and our sampler."""

import time
from typing import Any

from transformers import GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from deployments.engines._options import Options
from deployments.engines._sampler import Sampler

PAGE_TOKENS = 64
"""Tokens per page of the cache."""

_START_SECONDS = 10


def end_tokens_of(model: Any, tokenizer: Any) -> frozenset[int]:
    """The ids that end an answer: the tokenizer's and those of the model's generation settings."""
    named = model.generation_config.eos_token_id
    listed = named if isinstance(named, list) else [named]
    return frozenset(token for token in [*listed, tokenizer.eos_token_id] if token is not None)


def start_manager(
    model: Any, sampler: Sampler, end_tokens: frozenset[int], options: Options
) -> Any:
    generation = GenerationConfig(
        do_sample=False, eos_token_id=sorted(end_tokens), pad_token_id=min(end_tokens)
    )
    manager = model.init_continuous_batching(
        generation_config=generation,
        continuous_batching_config=ContinuousBatchingConfig(
            # A fixed size: the default takes most of the free memory, and minutes to start.
            page_size=PAGE_TOKENS,
            num_blocks=-(-options.cache_tokens // PAGE_TOKENS),
            max_batch_tokens=options.max_batch_tokens,
            max_requests_per_batch=options.max_batch_requests,
            # No sharing between requests: answers stay independent, and all prompt tokens count.
            allow_block_sharing=False,
            # The sampler runs on the host between two forward passes.
            use_cuda_graph=False,
            use_async_batching=False,
        ),
    )
    manager.logit_processor = sampler
    manager.start()
    deadline = time.monotonic() + _START_SECONDS
    while manager.batch_processor is None and time.monotonic() < deadline:
        time.sleep(0.01)  # it takes requests once its cache exists
    return manager
