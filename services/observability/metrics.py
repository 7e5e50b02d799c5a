"""What the server counts, for Prometheus. Every label has few values: none comes from a request's text."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from orchestrator.events import Decided, TaskEvent
from orchestrator.policy.decisions import Code
from vectors.engine.engine import EngineStats

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """The metrics of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        timed: dict[str, Any] = {**own, "buckets": _SECONDS}
        self.requests = Counter(
            "orchestrate_http_requests_total", "Answered requests.", ["method", "route", "status"], **own
        )
        self.request_seconds = Histogram(
            "orchestrate_http_request_seconds", "From the request to the answer's end.", ["route"], **timed
        )
        self.loop_lag_seconds = Histogram(
            "orchestrate_event_loop_lag_seconds",
            "How late the server's loop comes to what is due; own: without waiting for a processor.",
            ["part"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
            **own,
        )
        self.loop_lag_most = Gauge(
            "orchestrate_event_loop_lag_most_seconds", "The largest so far.", ["part"], **own
        )
        self.tasks = Gauge("orchestrate_tasks", "Tasks in the store.", ["state"], **own)
        self.queue_tasks = Gauge("orchestrate_queue_tasks", "Tasks that wait.", **own)
        self.queue_tokens = Gauge("orchestrate_queue_tokens", "Tokens of tasks that wait.", **own)
        self.queue_seconds = Histogram("orchestrate_queue_seconds", "From creation to claim.", **timed)
        self.task_seconds = Histogram("orchestrate_task_seconds", "From claim to the end.", **timed)
        self.first_token_seconds = Histogram(
            "orchestrate_time_to_first_token_seconds", "Of chat requests, from their arrival.", **timed
        )
        self.token_seconds = Histogram(
            "orchestrate_inter_token_seconds", "Between a chat request's tokens.", **timed
        )
        self.steering = Counter(
            "orchestrate_steering_total", "Prompts, steered and not.", ["applied", "reason"], **own
        )
        self.chat_requests = Gauge("orchestrate_chat_requests", "Chat requests in hand.", **own)
        self.chat_tokens = Gauge("orchestrate_chat_tokens", "Tokens of chat requests in hand.", **own)
        self.rows = Gauge("orchestrate_engine_rows", "Rows in the engine.", ["state"], **own)
        self.passes = Gauge("orchestrate_engine_passes", "Forward passes so far.", **own)
        self.tokens = Gauge(
            "orchestrate_engine_tokens",
            "Tokens so far; new ones by passes is the batch size.",
            ["kind"],
            **own,
        )

    def event(self, event: TaskEvent) -> None:
        """Count what a running task tells."""
        if isinstance(event, Decided):
            self.steered(applied=event.steering.applied, code=event.steering.code)

    def steered(self, *, applied: bool, code: Code) -> None:
        """Count a decision, by the code of its reason."""
        self.steering.labels(str(applied).lower(), code).inc()

    def engine(self, stats: EngineStats) -> None:
        """Take over the engine's own counts."""
        self.rows.labels("running").set(stats.running)
        self.rows.labels("waiting").set(stats.waiting)
        self.passes.set(stats.done.passes)
        self.tokens.labels("prompt").set(stats.done.prompt_tokens)
        self.tokens.labels("reused").set(stats.done.reused_tokens)
        self.tokens.labels("new").set(stats.done.new_tokens)
