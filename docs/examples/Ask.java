import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;

/** Ask a Hangtag server over HTTP, with Java 17 or newer and no library. A program would read the reply with one for JSON. */
class Ask {
    static final HttpClient CLIENT = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(1)).build();

    public static void main(String[] arguments) throws Exception {
        HttpResponse<String> reply = call("GetProductTags", "{\"productId\": \"demo-0020\"}", 500);
        System.out.println(reply.statusCode() + " " + reply.body());
        reply = call("GetProductTags", "{\"productId\": \"never sold\"}", 500);
        System.out.println(reply.statusCode() + " " + reply.body());
    }

    static HttpResponse<String> call(String method, String request, int timeoutMs) throws Exception {
        URI uri = URI.create("http://127.0.0.1:8080/hangtag.v1.TagService/" + method);
        return CLIENT.send(
                HttpRequest.newBuilder(uri)
                        .header("content-type", "application/json")
                        .header("connect-timeout-ms", String.valueOf(timeoutMs))
                        .timeout(Duration.ofMillis(timeoutMs + 100))
                        .POST(BodyPublishers.ofString(request))
                        .build(),
                BodyHandlers.ofString());
    }
}
