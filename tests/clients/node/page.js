// What a web shop would load: OpenTelemetry for browsers, bundled by esbuild. `sendTrace(url)` sends one span and tells its trace id.
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { SimpleSpanProcessor, WebTracerProvider } from '@opentelemetry/sdk-trace-web';

globalThis.sendTrace = async (url) => {
  const exporter = new OTLPTraceExporter({ url, headers: { 'x-scope-orgid': 'shop' } });
  const provider = new WebTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const span = provider.getTracer('sample.page').startSpan('click buy', { attributes: { 'sample.int': 7 } });
  span.addEvent('painted');
  span.end();
  await provider.forceFlush();
  await provider.shutdown();
  return span.spanContext().traceId;
};
