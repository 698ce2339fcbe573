"""What a service counts of itself, in the text that Prometheus reads."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from digitflow.registry.versions import Champion

SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one service; a registry of their own, so that two share nothing."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "digitflow_requests",
            "Requests that were answered.",
            ("route", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "digitflow_request_seconds",
            "From a request's header to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "digitflow_requests_in_flight",
            "Requests that are being answered.",
            registry=self.registry,
        )
        self._batches = Histogram(
            "digitflow_batch_requests",
            "Requests that were answered together.",
            buckets=SIZES,
            registry=self.registry,
        )
        self._kept = Counter(
            "digitflow_predictions_kept",
            "Predictions that were written for the monitor.",
            registry=self.registry,
        )
        self._lost = Counter(
            "digitflow_predictions_lost",
            "Predictions that could not be written in time.",
            registry=self.registry,
        )
        self._champion = Gauge(
            "digitflow_champion_info",
            "1 for the version that answers.",
            ("model", "version"),
            registry=self.registry,
        )
        self._loads = Counter(
            "digitflow_champions_loaded",
            "Champions that were loaded since the start.",
            registry=self.registry,
        )

    def note_request(self, route: str, code: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(route, str(code)).inc()
        self._seconds.labels(route).observe(seconds)

    def note_batch(self, size: int) -> None:
        """Count requests that were answered together."""
        self._batches.observe(size)

    def note_kept(self, kept: int, lost: int) -> None:
        """Count predictions that were written, and those that can't be any more."""
        self._kept.inc(kept)
        self._lost.inc(lost)

    def note_champion(self, champion: Champion) -> None:
        """Say who answers from now on."""
        self._champion.clear()
        self._champion.labels(champion.name, champion.version).set(1)
        self._loads.inc()

    def write(self) -> bytes:
        """Return all of it in Prometheus's text format 0.0.4."""
        return generate_latest(self.registry)
