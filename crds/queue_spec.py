"""`spec` of a Queue: docs/manifest.md, told to the API server and to `kubectl explain`."""

from schema import (LABEL_VALUE, QUANTITY, SUBDOMAIN, boolean, bytes_of, decimal, duration,
                    fields, integer, items, label, millis_of, names_to, rule, size, subdomain,
                    text, with_rules, words)

GIBIBYTE = 2**30
STORAGE_DEFAULT = 10 * GIBIBYTE
STORAGE_PERCENT_MAX = 80
SUBSCRIPTIONS_MAX = 64
CREATED_MAX_DEFAULT = 16


def durability():
    return fields(
        "When a published message counts as kept.",
        {
            "fsync": words(
                "After an fsync, which many messages share (Always); once written, with an fsync "
                "each interval (Interval); once written (Never). With the last two a power loss "
                "can cost acknowledged messages.",
                ["Always", "Interval", "Never"], "Always"),
            "interval": duration(
                "Time between two fsyncs; with fsync: Interval only, and then 100ms unless said.",
                "1ms", "1m"),
        },
        rule("!has(self.interval) || self.fsync == 'Interval'",
             "has no meaning here; it is allowed with fsync: Interval only", ".interval"),
        defaulted=True)


def limits():
    return fields(
        "What the queue may hold, and what a publisher meets at that limit.",
        {
            "messages": integer(
                "Messages that some subscription has still to settle: they wait, are leased or "
                "delayed. What retention keeps beyond that does not count.",
                1, 10**12, 1_000_000),
            "bytes": size(
                "Bodies of those messages, each counted once however many subscriptions there "
                "are.", "1Ki", "1Pi", "6Gi"),
            "messageBytes": size("The body of one message.", "1", "16Mi", "1Mi"),
            "overflow": words(
                "What a publisher meets at a limit: a refusal (Reject), no credit until there is "
                "room (Block), or room that is made: the oldest messages are removed from every "
                "subscription (DropOldest) or become dead letters there with reason Overflow "
                "(DeadLetterOldest). Leased messages stay.",
                ["Reject", "Block", "DropOldest", "DeadLetterOldest"], "Reject"),
        },
        rule(f"{bytes_of('self.messageBytes')} <= {bytes_of('self.bytes')}",
             "messageBytes may not exceed bytes", ".messageBytes"),
        defaulted=True)


def retention():
    by_time = "self.policy == 'Time' || self.policy == 'TimeAndSize'"
    by_size = "self.policy == 'Size' || self.policy == 'TimeAndSize'"
    return fields(
        "How long messages stay for replay. Unless said otherwise a message goes when every "
        "subscription has settled it. With a policy of time or size the queue is a log to replay: "
        "messages stay after they were settled, and new subscriptions begin with them.",
        {
            "policy": words(
                "Messages stay until every subscription has settled them (UntilSettled); until "
                "they are older than time (Time); the newest bytes of them (Size); whichever of "
                "both is reached first (TimeAndSize).",
                ["UntilSettled", "Time", "Size", "TimeAndSize"], "UntilSettled"),
            "time": duration(
                "Since a message was accepted; with policy Time and TimeAndSize only, and required "
                "there.", "1s", "3650d"),
            "bytes": size(
                "Bodies of all that the queue keeps, settled or not, of which the oldest go first; "
                "with policy Size and TimeAndSize only, and required there. At least "
                "limits.messageBytes.", "1Ki", "1Pi"),
        },
        rule(f"!({by_time}) || has(self.time)",
             "is missing; policy Time and TimeAndSize need a duration of 1s to 3650d", ".time"),
        rule(f"!has(self.time) || {by_time}",
             "has no meaning here; it is allowed with policy: Time or TimeAndSize", ".time"),
        rule(f"!({by_size}) || has(self.bytes)",
             "is missing; policy Size and TimeAndSize need a size of 1Ki to 1Pi", ".bytes"),
        rule(f"!has(self.bytes) || {by_size}",
             "has no meaning here; it is allowed with policy: Size or TimeAndSize", ".bytes"),
        defaulted=True)


def delivery(inherits):
    """Of the queue, or of a subscription that inherits what it does not say."""
    def own(value):
        return None if inherits else value

    backoff_rules = [] if inherits else [
        rule(f"{millis_of('self.initial')} <= {millis_of('self.max')}",
             "initial may not exceed max", ".initial")]
    lease_rules = [] if inherits else [
        rule(f"{millis_of('self.leaseDuration')} <= {millis_of('self.maxLease')}",
             "leaseDuration may not exceed maxLease", ".leaseDuration")]
    return fields(
        "How messages are delivered to this subscription; each field that is absent is taken from "
        "spec.delivery." if inherits else
        "How messages are delivered, for all subscriptions that do not say otherwise. A change "
        "holds for the next delivery or failure.",
        {
            "leaseDuration": duration(
                "So long a message belongs to the consumer that got it; it can extend. At most "
                "maxLease.", "0s", "12h", own("30s")),
            "maxLease": duration(
                "A handler that still runs is extended for at most so long.", "1s", "12h",
                own("12h")),
            "maxAttempts": integer(
                "Failed deliveries, then the message is a dead letter; 0 = no limit.", 0, 10_000,
                own(5)),
            "maxStalls": integer(
                "Leases that ran out or whose consumer vanished, then the message is a dead "
                "letter; 0 = no limit.", 0, 10_000, own(3)),
            "backoff": fields(
                "Wait before the delivery after a failure: min(max, initial * multiplier^(n-1)), "
                "less up to its jitter-th part.",
                {
                    "initial": duration("Wait after the first failure; at most max.", "0s", "30d",
                                        own("1s")),
                    "max": duration("The longest wait.", "0s", "30d", own("5m")),
                    "multiplier": decimal(
                        "By how much each wait is longer than the one before. A fraction stands in "
                        "quotes: \"1.5\".", 1, 100, own(2), whole=True),
                    "jitter": decimal(
                        "By which part of it a wait may be shorter, in quotes: \"0.2\".", 0, 1,
                        own("0.2"), whole=False),
                },
                *backoff_rules, defaulted=not inherits),
        },
        *lease_rules, defaulted=not inherits)


def dead_letter(inherits):
    def own(value):
        return None if inherits else value

    return fields(
        "What becomes of this subscription's dead letters; each field that is absent is taken from "
        "spec.deadLetter." if inherits else
        "What becomes of messages that a subscription has given up on, for all subscriptions that "
        "do not say otherwise.",
        {
            "retention": duration(
                "A dead letter is kept so long; 0s = until bytes or messages is reached.", "0s",
                "3650d",
                own("14d")),
            "bytes": size("Bodies of the subscription's dead letters.", "1Ki", "1Pi", own("1Gi")),
            "messages": integer(
                "The subscription's dead letters; 0 = no limit but bytes.", 0, 1_000_000_000,
                own(0)),
            "overflow": words(
                "At one of these limits the oldest dead letters go (DropOldestDead), or nothing "
                "more is delivered to the subscription until there is room (Block): by a redrive, "
                "a purge or retention.", ["DropOldestDead", "Block"], own("DropOldestDead")),
        },
        defaulted=not inherits)


def consumers(description):
    return fields(
        description,
        {
            "scaleTargetRef": fields(
                "What runs the consumers: something with a scale subresource, in the Queue's "
                "namespace.",
                {
                    "apiVersion": text("Its API version.", 317, f"({SUBDOMAIN}/)?" + "[a-z0-9]"
                                       "([-a-z0-9]{0,61}[a-z0-9])?", "apps/v1"),
                    "kind": text("Its kind.", 63, "[A-Za-z0-9]+", "Deployment"),
                    "name": subdomain("Its name."),
                },
                required=["name"]),
            "minReplicas": integer("Never fewer; 0 = may sleep. At most maxReplicas.", 0, 10_000,
                                   0),
            "maxReplicas": integer("Never more.", 1, 10_000, 10),
            "target": {**fields(
                "What the number of replicas has to reach: of those that are given, the one that "
                "asks for most replicas wins. Without any, backlogPerReplica is 100.",
                {
                    "backlogPerReplica": integer("Messages that wait, per replica.", 1, 10**9),
                    "oldestMessageAge": duration("The oldest waiting message is not older.", "1s",
                                                 "7d"),
                    "drainWithin": duration("What waits now is done in so long.", "1s", "7d"),
                }), "default": {"backlogPerReplica": 100}},
            "scaleIn": fields(
                "How replicas are taken away.",
                {
                    "stabilization": duration(
                        "Fewer replicas only when fewer were enough for so long.", "0s", "7d",
                        "60s"),
                    "idleBeforeZero": duration(
                        "To zero only when nothing was there for so long.", "0s", "7d", "60s"),
                    "drainTimeout": duration(
                        "A pod that is to go gets nothing new, and so long to finish what it "
                        "holds.", "0s", "7d", "10m"),
                    "onDrainTimeout": words("Then it stays (Hold), or it goes (Proceed).",
                                            ["Hold", "Proceed"], "Hold"),
                    "maxPercent": integer("Of the replicas that may go in one step.", 1, 100, 50),
                },
                defaulted=True),
        },
        rule("self.minReplicas <= self.maxReplicas", "minReplicas may not exceed maxReplicas",
             ".minReplicas"),
        required=["scaleTargetRef"])


def subscription():
    time_form = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?Z"
    only_with = "has no meaning here; it is allowed with start: "
    return fields(
        "A named, independent view of the queue: it gets every message and has its own state; many "
        "consumers on one subscription share its messages.",
        {
            "name": with_rules(
                label("A DNS label, each once; not dlq, which would be taken for the queue's dead "
                      "letters."),
                rule("self != 'dlq'", "must not be dlq, which stands for the dead letters")),
            "start": words(
                "Where a new subscription begins: with all that the queue still has (All), with "
                "what comes from now on (New), with a sequence of each shard (Sequence), or with "
                "the first message accepted at a time or later (Time). Means nothing once the "
                "subscription exists.", ["All", "New", "Sequence", "Time"], "All"),
            "startSequence": integer("With start: Sequence only, and required there.", 1, 10**15),
            "startTime": with_rules(
                text("With start: Time only, and required there. UTC: 2026-01-31T12:00:00Z.", 24,
                     time_form),
                rule(f"self.matches(r'^{time_form}$') && timestamp(self).getFullYear() >= 1",
                     "must be a time in UTC, 2026-01-31T12:00:00Z")),
            "delivery": delivery(inherits=True),
            "deadLetter": dead_letter(inherits=True),
            "consumers": consumers("What runs this subscription's consumers, and how the operator "
                                   "scales it. Absent: nothing is scaled."),
        },
        rule("self.start != 'Sequence' || has(self.startSequence)",
             "is missing; start: Sequence needs a whole number from 1", ".startSequence"),
        rule("self.start == 'Sequence' || !has(self.startSequence)", only_with + "Sequence",
             ".startSequence"),
        rule("self.start != 'Time' || has(self.startTime)",
             "is missing; start: Time needs a time in UTC", ".startTime"),
        rule("self.start == 'Time' || !has(self.startTime)", only_with + "Time", ".startTime"),
        required=["name"])


def created_subscriptions():
    return fields(
        "Subscriptions that consumers create by attaching to a name; with subscriptionPolicy: "
        "AllowCreate only. They have the queue's delivery and deadLetter.",
        {
            "start": words("Where one begins: with all that the queue still has, or with what "
                           "comes from now on.", ["All", "New"], "All"),
            "idleExpiry": duration(
                "It goes, with what it had still to settle and its dead letters, when nobody has "
                "used it for so long.", "1s", "3650d", "24h"),
            "max": integer("Of them at a time; one more is refused.", 1, 32,
                           CREATED_MAX_DEFAULT),
        })


def labels(description):
    key = f"^({SUBDOMAIN}/)?{LABEL_VALUE}$"
    value = {"type": "string", "maxLength": 63, "pattern": f"^({LABEL_VALUE})?$"}
    return names_to(description, value, 64,
                    rule(f"self.all(key, key.size() <= 317 && key.matches(r'{key}'))",
                         "a key is not allowed; expected 1 to 63 letters, digits, '-', '_' and "
                         "'.', and before it optionally a DNS name and '/'"))


def quantities(description):
    key = f"^({SUBDOMAIN}/)?{LABEL_VALUE}$"
    value = {"x-kubernetes-int-or-string": True, "maxLength": 21, "pattern": f"^{QUANTITY}$"}
    return names_to(
        description, value, 16,
        rule(f"self.all(key, key.size() <= 317 && key.matches(r'{key}'))",
             "a key is not allowed; expected the name of a resource such as cpu or memory"),
        rule("self.all(key, type(self[key]) == string || self[key] >= 0)",
             "a quantity may not be negative"))


def broker():
    return fields(
        "The pods and volumes that run the queue. Queues that share a broker must agree here.",
        {
            "name": label(
                "Queues of a namespace with the same broker share its pods, log, volume and "
                "endpoint. Fixed once the queue exists. Unless said, the queue's name."),
            "version": text(
                "Version of the broker's image. Unless said, it stays as it was when the broker "
                "was created; an upgrade of the operator does not change it.", 63, LABEL_VALUE),
            "storage": fields(
                "The volume of each broker pod.",
                {
                    "size": size(
                        "Size of the volume; it may only grow. The larger of limits.bytes and "
                        "retention.bytes, and the deadLetter.bytes of each subscription, together "
                        "may fill 80 % of it. Unless said, what they need, and at least 10Gi.",
                        "1Gi", "1Pi"),
                    "storageClassName": subdomain(
                        "Its storage class. Fixed once the queue exists. Unless said, that of the "
                        "cluster."),
                }),
            "resources": fields(
                "Of the broker's container.",
                {
                    "requests": quantities("What the scheduler sets aside: 500m, 2, \"1.5\", 2Gi."),
                    "limits": quantities("What the container may use at most."),
                }),
        })


def access():
    peer = fields(
        "A peer that may connect: a pod that matches all selectors given here.",
        {
            "namespaceSelector": fields(
                "Namespaces of the pods. Absent: that of the queue.",
                {"matchLabels": labels("Labels that the namespace has.")}),
            "podSelector": fields("The pods. Absent: all.",
                                  {"matchLabels": labels("Labels that the pod has.")}),
        })
    return fields(
        "Who may connect, by NetworkPolicy. Whoever connects needs a key besides.",
        {"from": items("Peers; one that matches all its selectors may connect. Empty: everybody in "
                       "the queue's namespace.", {**peer, "minProperties": 1}, 64)})


def _bytes_filled(spec):
    """CEL for what the limits of `spec` may put on the volume."""
    dead = bytes_of(f"{spec}.deadLetter.bytes")
    kept = f"has({spec}.retention.bytes) ? {bytes_of(spec + '.retention.bytes')} : 0"
    each = (f"has(s.deadLetter) && has(s.deadLetter.bytes) ? {bytes_of('s.deadLetter.bytes')} : "
            f"{dead}")
    made = (f"has({spec}.createdSubscriptions) ? {spec}.createdSubscriptions.max : "
            f"{CREATED_MAX_DEFAULT}")
    return (f"[{bytes_of(spec + '.limits.bytes')}, {kept}].max() + "
            f"(size({spec}.subscriptions) == 0 ? {dead} : "
            f"{spec}.subscriptions.map(s, {each}).sum()) + "
            f"({spec}.subscriptionPolicy == 'AllowCreate' ? ({made}) * {dead} : 0)")


def _bytes_needed(spec):
    """CEL for the smallest volume that holds it, rounded up."""
    return f"(({_bytes_filled(spec)}) * 100 + {STORAGE_PERCENT_MAX - 1}) / {STORAGE_PERCENT_MAX}"


def _pairs_of_subscriptions(first, second):
    """CEL: in no subscription the duration `first` exceeds `second`, inherited or not."""
    def value(name):
        # delivery.backoff.max -> has(s.delivery.backoff) && has(s.delivery.backoff.max)
        steps = name.split(".")
        has = " && ".join(f"has(s.{'.'.join(steps[:n])})" for n in range(2, len(steps) + 1))
        return f"({has} ? s.{name} : self.{name})"

    return (f"self.subscriptions.all(s, !has(s.delivery) || "
            f"{millis_of(value(first))} <= {millis_of(value(second))})")


def queue_spec():
    size_path = "broker.storage.size"
    has_size = "has({0}.broker) && has({0}.broker.storage) && has({0}.broker.storage.size)"
    has_class = ("has({0}.broker) && has({0}.broker.storage) && "
                 "has({0}.broker.storage.storageClassName)")
    new_size, old_size = bytes_of("self." + size_path), bytes_of("oldSelf." + size_path)
    needed_before = (f"(({_bytes_needed('oldSelf')}) + {GIBIBYTE - 1}) / {GIBIBYTE} * {GIBIBYTE}")
    class_of = f"({has_class} ? {{0}}.broker.storage.storageClassName : '')"
    return fields(
        "What is wanted of the queue. Everything has a default.",
        {
            "shards": with_rules(
                integer("Ordered sequences that the queue is made of, a broker pod each. Fixed "
                        "once the queue exists.", 1, 64, 1),
                rule("self == oldSelf", "is fixed once the queue exists")),
            "durability": durability(),
            "ordering": words("Messages by sequence, redeliveries as they are due.", ["Unordered"],
                              "Unordered"),
            "ttl": duration(
                "A message expires so long after it was accepted; a message may ask for less. 0s = "
                "never. Nothing expires while it is leased.", "0s", "3650d", "0s"),
            "onExpiry": words(
                "What becomes of an expired message: removed (Drop), or a dead letter with reason "
                "Expired (DeadLetter).", ["Drop", "DeadLetter"], "Drop"),
            "limits": limits(),
            "retention": retention(),
            "delivery": delivery(inherits=False),
            "deadLetter": dead_letter(inherits=False),
            "consumers": consumers(
                "What runs the consumers of the subscription default, and how the operator scales "
                "it. With subscriptions, each entry has its own. Absent: nothing is scaled."),
            "subscriptions": items(
                "The queue's subscriptions. None: one, named default. One that is taken away goes "
                "once it has no messages and no dead letters.", subscription(), SUBSCRIPTIONS_MAX,
                "name", default=[]),
            "subscriptionPolicy": words(
                "What a consumer meets that names a subscription which is not declared: a refusal "
                "(Refuse), so that a typing error pins no messages, or it is created "
                "(AllowCreate).", ["Refuse", "AllowCreate"], "Refuse"),
            "createdSubscriptions": created_subscriptions(),
            "broker": broker(),
            "access": access(),
            "deletionPolicy": words(
                "What becomes of the data when the Queue is deleted: the volume and the keys stay, "
                "for a Queue that adopts them (Retain); they go (Delete); they go if no message is "
                "left, else they stay (DeleteIfEmpty).", ["Retain", "Delete", "DeleteIfEmpty"],
                "Retain"),
            "paused": boolean("No deliveries; publishing and settling go on.", False),
        },
        rule("!has(self.consumers) || size(self.subscriptions) == 0",
             "belongs to the subscription \"default\", which does not exist beside declared ones; "
             "write it into an entry of subscriptions", ".consumers"),
        rule("!has(self.createdSubscriptions) || self.subscriptionPolicy == 'AllowCreate'",
             "has no meaning here; it is allowed with subscriptionPolicy: AllowCreate",
             ".createdSubscriptions"),
        rule("!has(self.retention.bytes) || "
             f"{bytes_of('self.retention.bytes')} >= {bytes_of('self.limits.messageBytes')}",
             "is less than one message of limits.messageBytes", ".retention.bytes"),
        rule(_pairs_of_subscriptions("delivery.leaseDuration", "delivery.maxLease"),
             "delivery.leaseDuration of a subscription may not exceed its maxLease, where what is "
             "absent is taken from spec.delivery", ".subscriptions"),
        rule(_pairs_of_subscriptions("delivery.backoff.initial", "delivery.backoff.max"),
             "delivery.backoff.initial of a subscription may not exceed its max, where what is "
             "absent is taken from spec.delivery", ".subscriptions"),
        rule(f"!({has_size.format('self')}) || {new_size} >= {_bytes_needed('self')}",
             "is too little for limits.bytes or retention.bytes and the deadLetter.bytes of each "
             f"subscription, which may fill {STORAGE_PERCENT_MAX} % of it", "." + size_path),
        rule(f"!({has_size.format('self')}) || ({has_size.format('oldSelf')} ? "
             f"{new_size} >= {old_size} : "
             f"{new_size} >= [{STORAGE_DEFAULT}, {needed_before}].max())",
             "may only grow", "." + size_path),
        rule(f"{class_of.format('self')} == {class_of.format('oldSelf')}",
             "is fixed once the queue exists", ".broker.storage.storageClassName"),
        defaulted=True)
