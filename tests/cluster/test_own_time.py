"""The operator's own time, by audit logs that are written here."""

import datetime
import unittest

import audit
import own_time

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def request(resource, name, at_ms, took_ms, verb="patch"):
    at = BEGIN + datetime.timedelta(milliseconds=at_ms)
    namespace, _, own = name.partition("/")
    return audit.Request({
        "user": {"username": "somebody"}, "verb": verb,
        "objectRef": {"resource": resource, "namespace": namespace, "name": own},
        "requestReceivedTimestamp": at.isoformat(),
        "stageTimestamp": (at + datetime.timedelta(milliseconds=took_ms)).isoformat()})


def sending(own_ms=1, slowness=1, requests=12, queue="shop/orders"):
    """A Queue, and requests of 2 ms each of which the operator begins so late after the last."""
    step = (2 + own_ms) * slowness
    made = [request("queues", queue, 0, 2 * slowness, "create")]
    asked = [request("configmaps", f"{queue}-queues", step * (i + 1), 2 * slowness)
             for i in range(requests)]
    asked.append(request("statefulsets", queue, step * (requests + 1), 2 * slowness))
    return own_time.sendings(made, asked)


class OwnTimeTest(unittest.TestCase):
    def test_requests_between_the_two_count_and_no_others(self):
        made = [request("queues", "shop/orders", 100, 2, "create")]
        asked = [request("configmaps", "shop/orders-queues", 90, 2),  # earlier
                 request("secrets", "shop", 110, 3, "create"),  # its name is not told
                 request("services", "shop/orders", 115, 4),
                 request("services", "shop/others", 116, 50),
                 request("services", "shop/ordersize", 117, 50),
                 request("queues/status", "shop/orders", 118, 5),
                 request("statefulsets", "shop/orders", 150, 6),
                 request("services", "shop/orders", 160, 7)]
        one = own_time.sendings(made, asked)["shop/orders"]
        self.assertEqual(one.milliseconds, 50)
        self.assertEqual(one.requests, 3)
        self.assertEqual(one.served, 2 + 3 + 4 + 5)

    def test_a_busy_machine_makes_nothing_late(self):
        for slowness in (1, 30):
            self.assertEqual(own_time.late(sending(slowness=slowness).values()), [])

    def test_an_operator_that_takes_its_time_is_late(self):
        found = own_time.late(sending(own_ms=20).values())
        self.assertEqual(len(found), 1)
        self.assertIn("times what the API server needed", found[0])

    def test_an_operator_that_asks_for_too_much_is_late(self):
        self.assertEqual(own_time.late(sending(requests=60).values()),
                         ["a StatefulSet is sent after 60 requests, and not "
                          f"{own_time.REQUESTS_MAX}"])

    def test_one_that_had_to_wait_is_not_what_most_do(self):
        found = [one for own in (1, 1, 500) for one in sending(own_ms=own).values()]
        self.assertEqual(own_time.late(found), [])


if __name__ == "__main__":
    unittest.main()
