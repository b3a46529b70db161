/**
 * A program: a service manager's socket. Prints each datagram that arrives as a line of JSON, after the first one, "listening". Run with
 * --unstable-net. Test code.
 *
 * Arguments: the path; or "@" and an abstract name.
 */
const [name = ""] = Deno.args;
const socket = Deno.listenDatagram({ transport: "unixpacket", path: name.replace(/^@/, "\0") });
const encoder = new TextEncoder();
const say = (value: unknown) => Deno.stdout.write(encoder.encode(`${JSON.stringify(value)}\n`));
await say("listening");
const decoder = new TextDecoder();
for await (const [bytes] of socket) await say(decoder.decode(bytes));
