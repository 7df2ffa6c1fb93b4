"""`status` of a Queue: what the operator says about it."""

from schema import integer, items

# More than there can be; what is larger than 2^53 is no whole number for every reader of JSON.
COUNT_MAX = 10**15


def _text(description, length):
    return {"description": description, "type": "string", "maxLength": length}


def _count(description, most=COUNT_MAX):
    return integer(description, 0, most)


def _object(description, properties, required=()):
    out = {"description": description, "type": "object", "properties": properties}
    if required:
        out["required"] = list(required)
    return out


def _condition():
    return _object("One condition.", {
        "type": _text("Its name.", 316),
        "status": {"description": "Whether it holds.", "type": "string",
                   "enum": ["True", "False", "Unknown"]},
        "reason": _text("Why, as one word for programs.", 1024),
        "message": _text("Why, as a sentence for people.", 32768),
        "observedGeneration": _count("Of the metadata.generation that this is about."),
        "lastTransitionTime": {"description": "When status changed last.", "type": "string",
                               "format": "date-time"},
    }, ["type", "status", "reason", "lastTransitionTime"])


def _messages(whose):
    return {
        "ready": _count(f"Messages of {whose} that wait for a consumer."),
        "inFlight": _count(f"Messages of {whose} that are leased."),
        "delayed": _count(f"Messages of {whose} that are not due yet: delayed, or in a backoff."),
        "deadLettered": _count(f"Dead letters of {whose}."),
    }


def _consumers(description):
    return _object(description, {
        "current": _count("Replicas that there are.", 10_000_000),
        "desired": _count("Replicas that were decided on.", 10_000_000),
        "reason": _text("What decided: the target that asked for most replicas, or why nothing "
                        "was changed.", 128),
        "limitedBy": _text("What kept the decision from going further; empty if nothing.", 128),
        "message": _text("The decision with its numbers.", 1024),
        "lastScaleTime": {"description": "When the number of replicas was last changed by the "
                                         "operator.", "type": "string", "format": "date-time"},
    })


def queue_status():
    subscription = _object("What is known about one subscription.", {
        "name": _text("Its name.", 63),
        **_messages("the subscription"),
        "oldestMessageAge": _text("Age of its oldest message that waits, rounded.", 32),
        "consumers": _consumers("What runs its consumers, if the operator scales it."),
    }, ["name"])
    return _object(
        "What the operator has seen. Numbers change at most every 30 s; conditions at once.",
        {
            "observedGeneration": _count("The metadata.generation that this status is about."),
            "conditions": items(
                "Ready, Reconciling and Stalled, as kstatus reads them; BrokerAvailable: all "
                "shards can be reached; MetricsAvailable: the numbers are fresh; ScalingActive: "
                "consumers are scaled.", _condition(), 16, "type"),
            "endpoint": _text("Where clients connect: tcp://orders.shop.svc:7650.", 512),
            "broker": _object("The broker that runs the queue.", {
                "name": _text("Its name, which its objects have too.", 63),
                "version": _text("The version that its pods run.", 63),
                "shards": _count("Shards that it has.", 64),
                "readyShards": _count("Shards that are ready.", 64),
                "revision": _count("The configuration that all shards have taken."),
                "storage": _text("Size of the volume of each shard.", 32),
            }),
            "messages": _object("Over all subscriptions and shards.", {
                **_messages("all subscriptions"),
                "bytes": _text("Bodies of the messages that are stored, each counted once.", 32),
                "damaged": _count("Messages whose bytes are lost."),
                "oldestAge": _text("Age of the oldest message that waits, rounded.", 32),
            }),
            "subscriptions": items("Each subscription, also those that consumers created.",
                                   subscription, 96, "name"),
            "consumers": _object("Over all subscriptions that are scaled.", {
                "current": _count("Replicas that there are.", 10_000_000),
                "desired": _count("Replicas that were decided on.", 10_000_000),
            }),
            "rates": _object("Messages a second, of late.", {
                "inPerSecond": _count("Published."),
                "outPerSecond": _count("Settled."),
            }),
            "retained": _object("What is left of a deleted Queue of this name.", {
                "uid": _text("The uid of that Queue: the value for the annotation "
                             "sluice.dev/adopt.", 64),
            }),
        })
