import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.Executors;

/**
 * A server that asks a second path of itself, and one request to it: client, server, client, server. Only the agent traces it. Prints
 * the trace id that its own server saw in the header `traceparent`.
 */
public final class Shop {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    private static volatile String seen = "";

    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        String base = "http://127.0.0.1:" + server.getAddress().getPort();
        server.createContext("/quote", exchange -> {
            seen = exchange.getRequestHeaders().getFirst("traceparent");
            byte[] body = get(base + "/rate");
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.createContext("/rate", exchange -> {
            byte[] body = "7".getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
        get(base + "/quote");
        System.out.println("{\"trace\":\"" + seen.split("-")[1] + "\"}");
        server.stop(0);
        System.exit(0);
    }

    private static byte[] get(String url) {
        try {
            return CLIENT.send(HttpRequest.newBuilder(URI.create(url)).build(), BodyHandlers.ofByteArray()).body();
        } catch (java.io.IOException | InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }
}
