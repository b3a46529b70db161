// Sends requests to a broker with Apache Kafka's own message classes, and prints both frames. Run as a single source file by record.ts:
//
//    java -cp 'JARS/*' Frames.java 127.0.0.1 9092
//
// Reads one request per line from standard input: {"api":"DescribeLogDirs","version":4,"body":{…}}, the body as Kafka's JSON converter
// reads it. Prints two lines for each, in the form of tests/golden/protocol_frames.jsonl.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.requests.RequestUtils;
import org.apache.kafka.common.requests.ResponseHeader;
import org.apache.kafka.common.utils.AppInfoParser;

public final class Frames {
  private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String CLIENT_ID = "golden";

  public static void main(String[] args) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    int correlationId = 1;
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      // Each request has its own connection: one that the broker closes does not affect the others.
      try (Socket socket = new Socket(args[0], Integer.parseInt(args[1]))) {
        record(JSON.readTree(line), correlationId++, socket);
      }
    }
    OUT.flush();
  }

  private static void record(JsonNode asked, int correlationId, Socket socket) throws Exception {
    ApiKeys api = apiOf(asked.get("api").asText());
    short version = (short) asked.get("version").asInt();
    ApiMessage request = (ApiMessage) converter(api, "Request", "read", JsonNode.class, short.class)
        .invoke(null, asked.get("body"), version);
    RequestHeader header = new RequestHeader(api, version, CLIENT_ID, correlationId);
    ByteBuffer sent = RequestUtils.serialize(header.data(), header.headerVersion(), request, version);
    ByteBuffer received = exchange(sent, socket);
    print(frame(api, "request", version, correlationId).put("clientId", CLIENT_ID), bodyOf(api, "Request", request, version), sent);
    ByteBuffer answer = received.duplicate();
    ResponseHeader.parse(answer, api.responseHeaderVersion(version));
    ApiMessage response = api.messageType.newResponse();
    response.read(new ByteBufferAccessor(answer), version);
    print(frame(api, "response", version, correlationId), bodyOf(api, "Response", response, version), received);
  }

  private static ByteBuffer exchange(ByteBuffer frame, Socket socket) throws Exception {
    DataOutputStream out = new DataOutputStream(socket.getOutputStream());
    out.writeInt(frame.remaining());
    out.write(frame.array(), frame.arrayOffset() + frame.position(), frame.remaining());
    out.flush();
    DataInputStream in = new DataInputStream(socket.getInputStream());
    return ByteBuffer.wrap(in.readNBytes(in.readInt()));
  }

  private static ApiKeys apiOf(String name) {
    return Arrays.stream(ApiKeys.values()).filter(api -> api.name.equals(name)).findFirst()
        .orElseThrow(() -> new IllegalArgumentException("Apache Kafka has no API " + name));
  }

  private static Method converter(ApiKeys api, String kind, String method, Class<?>... types) throws Exception {
    String name = "org.apache.kafka.common.message." + api.name + kind + "DataJsonConverter";
    return Class.forName(name).getMethod(method, types);
  }

  private static JsonNode bodyOf(ApiKeys api, String kind, ApiMessage message, short version) throws Exception {
    Class<?> type = Class.forName("org.apache.kafka.common.message." + api.name + kind + "Data");
    return (JsonNode) converter(api, kind, "write", type, short.class).invoke(null, message, version);
  }

  private static ObjectNode frame(ApiKeys api, String kind, short version, int correlationId) {
    String from = "Apache Kafka " + AppInfoParser.getVersion() + (kind.equals("request") ? " message classes" : "");
    return JSON.createObjectNode().put("from", from).put("kind", kind).put("api", api.name).put("version", version)
        .put("correlationId", correlationId);
  }

  private static void print(ObjectNode frame, JsonNode body, ByteBuffer bytes) {
    byte[] whole = new byte[bytes.remaining()];
    bytes.duplicate().get(whole);
    frame.set("body", body);
    OUT.println(frame.put("hex", HexFormat.of().formatHex(whole)));
  }
}
