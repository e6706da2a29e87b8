"""What vLLM tells about its engine after every forward pass."""

from collections.abc import Callable
from typing import Any

from vllm.v1.metrics.loggers import StatLoggerBase

from deployments.protocol import EngineStats


class Stats:
    """The last figures, and sums since the start."""

    def __init__(self) -> None:
        self._kv_cache_usage = 0.0
        self._waiting = self._queries = self._hits = self._preemptions = 0

    def record(self, scheduler: Any, iteration: Any) -> None:
        """Takes vLLM's figures of one pass, either of which may be missing."""
        if scheduler is not None:
            self._kv_cache_usage = scheduler.kv_cache_usage
            self._waiting = scheduler.num_waiting_reqs + scheduler.num_skipped_waiting_reqs
            self._queries += scheduler.prefix_cache_stats.queries
            self._hits += scheduler.prefix_cache_stats.hits
        if iteration is not None:
            self._preemptions += iteration.num_preempted_reqs

    @property
    def waiting(self) -> int:
        """Requests that wait for room in the KV cache or in a batch."""
        return self._waiting

    def snapshot(self) -> EngineStats:
        """The figures now."""
        return EngineStats(
            kv_cache_usage_ratio=self._kv_cache_usage,
            waiting_requests=self._waiting,
            prefix_cache_queried_tokens=self._queries,
            prefix_cache_hit_tokens=self._hits,
            preemptions=self._preemptions,
        )


class StatsLogger(StatLoggerBase):
    """Hands vLLM's figures to a `Stats`."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    @classmethod
    def into(cls, stats: Stats) -> Callable[..., "StatsLogger"]:
        """What vLLM calls to make its logger."""
        return lambda _config, _index=0: cls(stats)

    def record(
        self,
        scheduler_stats: Any,
        iteration_stats: Any,
        mm_cache_stats: Any = None,  # noqa: ARG002 - vLLM's signature
        engine_idx: int = 0,  # noqa: ARG002 - vLLM's signature
    ) -> None:
        """See `Stats.record`."""
        self._stats.record(scheduler_stats, iteration_stats)

    def log_engine_initialized(self) -> None:
        """Nothing to do."""
