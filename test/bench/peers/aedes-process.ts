/**
 * The process of the aedes peer: a broker, and a function that does in JavaScript what the gateway's module does in
 * its sandbox. It counts the messages of each source, and passes each one on. Prints its port as JSON.
 */
import { createServer, type AddressInfo } from "node:net";
import { Aedes } from "aedes";

const broker = await Aedes.createBroker();
const counts = new Map<string, number>();

await new Promise<void>((resolve) => {
  broker.subscribe(
    "in/+",
    (packet, done) => {
      counts.set(packet.topic, (counts.get(packet.topic) ?? 0) + 1);
      const { payload } = packet;
      broker.publish({ cmd: "publish", topic: "out", payload, qos: 1, retain: false, dup: false }, () => {});
      // Neither when the publish is done, which waits for a slot that this very callback holds, nor at once:
      // the broker would hand over the next waiting message from inside this one, as deep as its queue is long.
      process.nextTick(done);
    },
    resolve,
  );
});

const server = createServer((socket) => {
  socket.setNoDelay(true);
  broker.handle(socket);
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
process.on("SIGTERM", () => process.exit(0));
