"""A producer and a consumer that go on over whatever happens meanwhile, and what came of it."""

import threading

from stage import wait_for

from processes import Consumer, Producer


class Load:
    """One producer and one consumer that go on until the end, over whatever happens meanwhile."""

    def __init__(self, access, *consume):
        """`consume` are flags of the consumer."""
        self.access = access
        self.producer = Producer(access, "p")
        self.consumer = Consumer(access, *consume)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self):
        number = 0
        while not self._over.wait(0.02):
            self.producer.send([f"p-{number + i}" for i in range(10)])
            number += 10

    def acknowledged(self):
        return len(self.producer.acknowledged)

    def finish(self):
        """Stops sending, drains, and returns what was acknowledged and never received."""
        self._over.set()
        self._thread.join()
        if self.producer.finish(180) != 0:
            raise RuntimeError("pub did not end well")
        wanted = set(self.producer.acknowledged)
        received = lambda: {delivery["body"] for delivery in list(self.consumer.received)}
        wait_for("all received", lambda: wanted <= received(), 120)
        self.consumer.stop()
        unexpected = received() - set(self.producer.sent)
        return wanted - received(), unexpected
