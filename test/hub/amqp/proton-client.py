"""Qpid Proton as a client of the hub. Arguments: url, user, password, address, what ("send N" | "receive N")."""
import sys

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Client(MessagingHandler):
    def __init__(self, url, user, password, address, what, count):
        super().__init__(auto_accept=True)
        self.url, self.user, self.password = url, user, password
        self.address, self.what, self.count = address, what, count
        self.sent = self.done = 0

    def on_start(self, event):
        connection = event.container.connect(
            self.url, user=self.user, password=self.password, reconnect=False,
            allowed_mechs="PLAIN", allow_insecure_mechs=True)
        if self.what == "send":
            event.container.create_sender(connection, self.address)
        else:
            event.container.create_receiver(connection, self.address)

    def on_sendable(self, event):
        while event.sender.credit and self.sent < self.count:
            event.sender.send(Message(
                id=self.sent, body=b"%d" % self.sent, inferred=True, durable=True,
                properties={"text": "\u00e4", "number": 42, "truth": True}))
            self.sent += 1

    def on_accepted(self, event):
        self.finish(event)

    def on_rejected(self, event):
        print("rejected", event.delivery.remote.condition, flush=True)

    def on_message(self, event):
        body = bytes(event.message.body).decode()
        print(event.message.id, body, sorted(event.message.properties.items()), flush=True)
        self.finish(event)

    def on_transport_error(self, event):
        print("error", event.transport.condition, flush=True)

    def on_link_error(self, event):
        print("error", event.link.remote_condition, flush=True)
        event.connection.close()

    def finish(self, event):
        self.done += 1
        if self.done == self.count:
            print("done", self.done, flush=True)
            event.connection.close()


url, user, password, address, what, count = sys.argv[1:]
Container(Client(url, user, password, address, what, int(count))).run()
