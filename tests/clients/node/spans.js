// Sends the sample trace of ../README.md with the exporter that the environment chooses, and prints its ids as JSON.
const { NodeSDK } = require('@opentelemetry/sdk-node');
const { SpanKind, SpanStatusCode, TraceFlags, context, createTraceState, trace } = require('@opentelemetry/api');

const ATTRIBUTES = {
  'sample.text': 'Grüße, 世界',
  'sample.empty': '',
  'sample.yes': true,
  'sample.no': false,
  'sample.int': Number.MAX_SAFE_INTEGER,
  'sample.negative': -42,
  'sample.double': 0.1,
  'sample.texts': ['a', '', 'c'],
  'sample.bools': [true, false],
  'sample.ints': [1, -2, 3],
  'sample.doubles': [1.5, -2.25],
};
const LINKED = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  isRemote: true,
  traceFlags: TraceFlags.SAMPLED,
  traceState: createTraceState('vendor=x1'),
};

function charge(tracer) {
  const links = [{ context: LINKED, attributes: { 'sample.reason': 'batch' } }];
  const span = tracer.startSpan('charge card', { kind: SpanKind.CLIENT, attributes: ATTRIBUTES, links });
  span.addEvent('retry', { 'sample.attempt': 2 });
  span.recordException(new TypeError('card declined'));
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'card declined' });
  span.end();
  return span;
}

function place(tracer) {
  const span = tracer.startSpan('order placed', { kind: SpanKind.PRODUCER });
  span.setStatus({ code: SpanStatusCode.OK });
  span.end();
  return span;
}

async function main() {
  const sdk = new NodeSDK({ instrumentations: [] });
  sdk.start();
  const tracer = trace.getTracer('sample.tracer', '3.2.1');
  const root = tracer.startSpan('checkout', { kind: SpanKind.SERVER });
  const [client, producer] = context.with(trace.setSpan(context.active(), root), () => [charge(tracer), place(tracer)]);
  root.end();
  await sdk.shutdown();
  const id = (span) => span.spanContext().spanId;
  const spans = { checkout: id(root), 'charge card': id(client), 'order placed': id(producer) };
  console.log(JSON.stringify({ trace: root.spanContext().traceId, spans }));
}

main().catch((error) => { console.error(error); process.exit(1); });
