"""What the server counts, for Prometheus. Every label has few values: none comes from a request's text."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from orchestrator.events import Decided, TaskEvent
from orchestrator.policy.decisions import Code
from vectors.engine.engine import EngineStats

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """The metrics of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        timing = partial(histogram, buckets=_SECONDS)
        self.requests = counter(
            "orchestrate_http_requests_total", "Answered requests.", ["method", "route", "status"]
        )
        self.request_seconds = timing(
            "orchestrate_http_request_seconds", "From the request to the answer's end.", ["route"]
        )
        self.loop_lag_seconds = timing(
            "orchestrate_event_loop_lag_seconds",
            "How late the server's loop comes to what is due; own: without waiting for a processor.",
            ["part"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
        )
        self.loop_lag_most = gauge("orchestrate_event_loop_lag_most_seconds", "The largest so far.", ["part"])
        self.tasks = gauge("orchestrate_tasks", "Tasks in the store.", ["state"])
        self.queue_tasks = gauge("orchestrate_queue_tasks", "Tasks that wait.")
        self.queue_tokens = gauge("orchestrate_queue_tokens", "Tokens of tasks that wait.")
        self.queue_seconds = histogram("orchestrate_queue_seconds", "From creation to claim.")
        self.task_seconds = timing("orchestrate_task_seconds", "From claim to the end.")
        self.first_token_seconds = timing(
            "orchestrate_time_to_first_token_seconds", "Of chat requests, from their arrival."
        )
        self.token_seconds = timing("orchestrate_inter_token_seconds", "Between a chat request's tokens.")
        self.steering = counter(
            "orchestrate_steering_total", "Prompts, steered and not.", ["applied", "reason"]
        )
        self.chat_requests = gauge("orchestrate_chat_requests", "Chat requests in hand.")
        self.chat_tokens = gauge("orchestrate_chat_tokens", "Tokens of chat requests in hand.")
        self.rows = gauge("orchestrate_engine_rows", "Rows in the engine.", ["state"])
        self.passes = gauge("orchestrate_engine_passes", "Forward passes so far.")
        self.tokens = gauge(
            "orchestrate_engine_tokens",
            "Tokens so far; new ones by passes is the batch size.",
            ["kind"],
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
