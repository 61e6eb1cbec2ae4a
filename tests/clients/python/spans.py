"""Sends the sample trace of ../README.md with the exporter that the environment chooses, and prints its ids as JSON."""
import json

from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

ATTRIBUTES = {
    "sample.text": "Grüße, 世界",
    "sample.empty": "",
    "sample.yes": True,
    "sample.no": False,
    "sample.int": 9007199254740991,
    "sample.negative": -42,
    "sample.double": 0.1,
    "sample.texts": ["a", "", "c"],
    "sample.bools": [True, False],
    "sample.ints": [1, -2, 3],
    "sample.doubles": [1.5, -2.25],
    "sample.bytes": b"\x00\x01\xff",
    "sample.mixed": ["a", 1, True],
    "sample.map": {"a": 1, "b": {"c": "d"}},
}
LINKED = SpanContext(
    trace_id=0x0AF7651916CD43DD8448EB211C80319C,
    span_id=0xB7AD6B7169203331,
    is_remote=True,
    trace_flags=TraceFlags(1),
    trace_state=TraceState([("vendor", "x1")]),
)


def ident(span):
    return f"{span.get_span_context().span_id:016x}"


def main():
    tracer = trace.get_tracer("sample.tracer", "3.2.1")
    with tracer.start_as_current_span("checkout", kind=SpanKind.SERVER) as root:
        link = Link(LINKED, {"sample.reason": "batch"})
        with tracer.start_as_current_span(
            "charge card", kind=SpanKind.CLIENT, attributes=ATTRIBUTES, links=[link], record_exception=False
        ) as client:
            client.add_event("retry", {"sample.attempt": 2})
            client.record_exception(ValueError("card declined"))
            client.set_status(Status(StatusCode.ERROR, "card declined"))
        with tracer.start_as_current_span("order placed", kind=SpanKind.PRODUCER) as producer:
            producer.set_status(Status(StatusCode.OK))
    trace.get_tracer_provider().force_flush()
    ids = {"checkout": ident(root), "charge card": ident(client), "order placed": ident(producer)}
    print(json.dumps({"trace": f"{root.get_span_context().trace_id:032x}", "spans": ids}), flush=True)


main()
