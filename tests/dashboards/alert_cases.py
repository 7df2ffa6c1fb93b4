"""For each alert: series with which it fires, and series as near as they go with which it does not.

Values are promtool's: `1+2x30` is 1 and thirty more, each 2 greater, a minute apart.
"""

BROKER = 'job="sluice", instance="a:7652"'
QUEUE = BROKER + ', namespace="shop", queue="orders"'
SUBSCRIPTION = QUEUE + ', subscription="default"'
OPERATOR = 'job="operator", instance="o:8080"'
SCALED = OPERATOR + ', namespace="shop", queue="orders", subscription="default"'
MIB, GIB = 1 << 20, 1 << 30

OF_BROKER = {"job": "sluice", "instance": "a:7652"}
OF_QUEUE = {"namespace": "shop", "queue": "orders"}
OF_SUBSCRIPTION = {**OF_QUEUE, "subscription": "default"}
OF_OPERATOR = {"job": "operator", "instance": "o:8080"}


class Case:
    """One alert: `labels` are those of its ALERTS series beside name, state and severity."""

    def __init__(self, labels, minutes, fires, quiet, severity="warning"):
        self.labels, self.minutes, self.severity = labels, minutes, severity
        self.fires, self.quiet = fires, quiet


def level(name, value, matchers=BROKER, minutes=2000):
    return (f"{name}{{{matchers}}}", f"{value}+0x{minutes}")


def slope(name, begin, step, matchers=BROKER, minutes=2000):
    sign = "+" if step >= 0 else "-"
    return (f"{name}{{{matchers}}}", f"{begin}{sign}{abs(step)}x{minutes}")


def info(matchers=BROKER, name="sluice_build_info"):
    return level(name, 1, matchers)


def operator_info():
    return info(OPERATOR, "sluice_operator_build_info")


def buckets(slow):
    """Of 100 syncs a minute, `slow` take longer than 100 ms."""
    name = "sluice_wal_fsync_duration_seconds_bucket"
    return [slope(name, 0, 100 - slow, BROKER + ', le="0.1"'),
            slope(name, 0, 100, BROKER + ', le="0.5"'),
            slope(name, 0, 100, BROKER + ', le="+Inf"')]


def storage(free, used, step=0):
    name = "sluice_storage_bytes"
    return [slope(name, free, step, BROKER + ', kind="free"'),
            level(name, used, BROKER + ', kind="used"')]


def volume(size, low):
    name = "sluice_storage_bytes"
    return [level(name, size, BROKER + ', kind="size"'),
            level(name, low, BROKER + ', kind="low"')]


def cause(reason):
    return SUBSCRIPTION + f', cause="{reason}"'


def state(name):
    return OPERATOR + f', state="{name}"'


BROKER_CASES = {
    # The info goes with the target.
    "SluiceBrokerDown": Case(
        OF_BROKER, 60, severity="critical",
        fires=[(f"up{{{BROKER}}}", "1x20 0x100"), (f"sluice_build_info{{{BROKER}}}", "1x20")],
        quiet=[level("up", 1), info(), level("up", 0, 'job="node", instance="b:9100"')]),
    "SluiceBrokerRestarts": Case(
        OF_BROKER, 40,
        fires=[(f"sluice_process_start_time_seconds{{{BROKER}}}", "1x20 2x5 3x5 4x20")],
        quiet=[(f"sluice_process_start_time_seconds{{{BROKER}}}", "1x20 2x10 3x20")]),
    "SluiceLoopStands": Case(
        OF_BROKER, 10, severity="critical",
        fires=[level("sluice_stats_timestamp_seconds", 60)],
        quiet=[slope("sluice_stats_timestamp_seconds", 0, 60)]),
    "SluiceSyncSlow": Case(OF_BROKER, 30, fires=buckets(5), quiet=buckets(1)),
    "SluiceDataDamaged": Case(
        OF_BROKER, 5, severity="critical",
        fires=[level("sluice_wal_corrupt_ranges", 1)],
        quiet=[level("sluice_wal_corrupt_ranges", 0),
               level("sluice_queue_messages_damaged", 0, SUBSCRIPTION)]),
    "SluiceScrubLate": Case(
        OF_BROKER, 90, fires=[level("sluice_scrub_age_seconds", 200_000)],
        quiet=[level("sluice_scrub_age_seconds", 100_000)]),
    "SluiceSnapshotsFail": Case(
        OF_BROKER, 400,
        fires=[slope("sluice_wal_appended_bytes_total", 0, GIB // 10),
               level("sluice_snapshots_total", 3)],
        quiet=[slope("sluice_wal_appended_bytes_total", 0, GIB // 10),
               slope("sluice_snapshots_total", 3, 1)]),
    "SluiceMemoryGrows": Case(
        OF_BROKER, 120,
        fires=[slope("sluice_process_resident_memory_bytes", 600 * MIB, MIB)],
        quiet=[level("sluice_process_resident_memory_bytes", 600 * MIB)]),
    "SluiceFileDescriptorsNearLimit": Case(
        OF_BROKER, 20,
        fires=[level("sluice_process_open_fds", 900), level("sluice_process_max_fds", 1024)],
        quiet=[level("sluice_process_open_fds", 700), level("sluice_process_max_fds", 1024)]),
    "SluiceConnectionChurn": Case(
        OF_BROKER, 30,
        fires=[slope("sluice_connections_opened_total", 0, 120), level("sluice_connections", 10)],
        quiet=[slope("sluice_connections_opened_total", 0, 120),
               level("sluice_connections", 100)]),
    "SluiceGatekeeperSilent": Case(
        OF_BROKER, 10, severity="critical", fires=[level("sluice_gatekeeper_answers", 0)],
        quiet=[level("sluice_gatekeeper_answers", 1)]),
    "SluiceHandshakesFail": Case(
        {**OF_BROKER, "reason": "auth"}, 30,
        fires=[slope("sluice_handshake_failures_total", 0, 10, BROKER + ', reason="auth"')],
        # Probes of a port say nothing.
        quiet=[slope("sluice_handshake_failures_total", 0, 60,
                     BROKER + ', reason="broken_off"')]),
    "SluiceCommandsDenied": Case(
        {**OF_BROKER, "role": "admin"}, 30,
        fires=[slope("sluice_commands_denied_total", 0, 1, BROKER + ', role="admin"')],
        quiet=[level("sluice_commands_denied_total", 5, BROKER + ', role="admin"')]),
    "SluiceKeyRotationUnfinished": Case(
        OF_BROKER, 1500, fires=[level("sluice_server_keys", 2)],
        quiet=[(f"sluice_server_keys{{{BROKER}}}", "2x600 1x1500")]),
    "SluiceDiskLow": Case(
        OF_BROKER, 20, severity="critical",
        # It keeps firing for a while after the last refusal.
        fires=[(f"sluice_storage_low{{{BROKER}}}", "0x10 1x3 0x20")],
        quiet=[level("sluice_storage_low", 0)]),
    "SluiceVolumeNearlyFull": Case(
        OF_BROKER, 20,
        # Others fill a disk that they share.
        fires=storage(GIB, GIB // 10) + volume(size=10 * GIB, low=GIB // 2),
        # A tenth of a large disk is much.
        quiet=storage(100 * GIB, 900 * GIB) + volume(size=1000 * GIB, low=GIB)),
    "SluiceLowDiskPredicted": Case(
        {**OF_BROKER, "kind": "free"}, 500,
        fires=storage(100 * GIB, GIB, -GIB // 10),
        quiet=storage(100 * GIB, GIB, -GIB // 100)),
}

QUEUE_CASES = {
    "SluiceOldestMessageTooOld": Case(
        OF_SUBSCRIPTION, 10,
        fires=[level("sluice_queue_oldest_message_age_seconds", 1000, SUBSCRIPTION),
               level("sluice_queue_paused", 0, QUEUE)],
        quiet=[level("sluice_queue_oldest_message_age_seconds", 1000, SUBSCRIPTION),
               level("sluice_queue_paused", 1, QUEUE)]),
    "SluiceQueueGrowing": Case(
        OF_SUBSCRIPTION, 60,
        fires=[slope("sluice_queue_messages_ready", 0, 100, SUBSCRIPTION)],
        quiet=[level("sluice_queue_messages_ready", 5000, SUBSCRIPTION)]),
    "SluiceQueueHasNoConsumers": Case(
        OF_SUBSCRIPTION, 20,
        fires=[level("sluice_queue_messages_ready", 1, SUBSCRIPTION),
               level("sluice_queue_consumers", 0, SUBSCRIPTION)],
        # A consumer of one shard is enough.
        quiet=[level("sluice_queue_messages_ready", 1, SUBSCRIPTION),
               level("sluice_queue_consumers", 0, SUBSCRIPTION),
               level("sluice_queue_consumers", 1,
                     SUBSCRIPTION.replace("a:7652", "b:7652"))]),
    "SluiceConsumersStuck": Case(
        OF_SUBSCRIPTION, 40,
        fires=[level("sluice_queue_messages_inflight", 10, SUBSCRIPTION),
               level("sluice_queue_messages_ready", 10, SUBSCRIPTION),
               level("sluice_messages_acked_total", 7, SUBSCRIPTION)],
        quiet=[level("sluice_queue_messages_inflight", 10, SUBSCRIPTION),
               level("sluice_queue_messages_ready", 10, SUBSCRIPTION),
               slope("sluice_messages_acked_total", 7, 1, SUBSCRIPTION)]),
    "SluiceQueueNearlyFull": Case(
        OF_QUEUE, 20,
        fires=[level("sluice_queue_messages", 10, QUEUE),
               level("sluice_queue_messages_limit", 1000, QUEUE),
               level("sluice_queue_bytes", 95, QUEUE),
               level("sluice_queue_bytes_limit", 100, QUEUE)],
        quiet=[level("sluice_queue_messages", 800, QUEUE),
               level("sluice_queue_messages_limit", 1000, QUEUE),
               level("sluice_queue_bytes", 80, QUEUE),
               level("sluice_queue_bytes_limit", 100, QUEUE)]),
    "SluicePublishesRefused": Case(
        {**OF_QUEUE, "reason": "QueueFull"}, 20,
        fires=[slope("sluice_publishes_refused_total", 0, 1, QUEUE + ', reason="QueueFull"')],
        quiet=[level("sluice_publishes_refused_total", 9, QUEUE + ', reason="QueueFull"')]),
    "SluiceDeadLettersIncreasing": Case(
        {**OF_SUBSCRIPTION, "reason": "Rejected"}, 15,
        fires=[(f'sluice_messages_dead_lettered_total{{{SUBSCRIPTION}, reason="Rejected"}}',
                "0x10 1x10")],
        quiet=[level("sluice_messages_dead_lettered_total", 9,
                     SUBSCRIPTION + ', reason="Rejected"')]),
    "SluiceDeadLettersFull": Case(
        OF_SUBSCRIPTION, 5, severity="critical",
        fires=[level("sluice_queue_dead_letters_full", 1, SUBSCRIPTION)],
        quiet=[level("sluice_queue_dead_letters_full", 0, SUBSCRIPTION)]),
    "SluiceRedeliveryRatioHigh": Case(
        OF_SUBSCRIPTION, 40,
        fires=[slope("sluice_messages_redelivered_total", 0, 30, SUBSCRIPTION),
               slope("sluice_messages_delivered_total", 0, 100, SUBSCRIPTION)],
        # One of two, but a message a minute.
        quiet=[slope("sluice_messages_redelivered_total", 0, 1, SUBSCRIPTION),
               slope("sluice_messages_delivered_total", 0, 2, SUBSCRIPTION)]),
    "SluiceSettlesTooLate": Case(
        OF_SUBSCRIPTION, 30,
        fires=[slope("sluice_stale_receipts_total", 0, 1, SUBSCRIPTION)],
        quiet=[level("sluice_stale_receipts_total", 4, SUBSCRIPTION)]),
    "SluiceUnsettledRemoved": Case(
        {**OF_SUBSCRIPTION, "cause": "Retention"}, 15,
        fires=[slope("sluice_messages_removed_total", 0, 1, cause("Retention"))],
        # Somebody's own purge.
        quiet=[slope("sluice_messages_removed_total", 0, 1, cause("Purged"))]),
}

OPERATOR_CASES = {
    "SluiceOperatorDown": Case(
        OF_OPERATOR, 60, severity="critical",
        fires=[(f"up{{{OPERATOR}}}", "1x20 0x100"),
               (f"sluice_operator_build_info{{{OPERATOR}}}", "1x20")],
        quiet=[level("up", 1, OPERATOR), operator_info()]),
    "SluiceOperatorLeaders": Case(
        {"job": "operator", "name": "sluice-operator"}, 10, severity="critical",
        fires=[operator_info(),
               level("leader_election_master_status", 0, OPERATOR + ', name="sluice-operator"')],
        quiet=[operator_info(), info(OPERATOR.replace("o:", "p:"), "sluice_operator_build_info"),
               level("leader_election_master_status", 1, OPERATOR + ', name="sluice-operator"'),
               level("leader_election_master_status", 0,
                     OPERATOR.replace("o:", "p:") + ', name="sluice-operator"')]),
    "SluiceReconcileErrors": Case(
        {**OF_OPERATOR, "controller": "queue"}, 30,
        fires=[operator_info(), slope("controller_runtime_reconcile_errors_total", 0, 1,
                                      OPERATOR + ', controller="queue"')],
        # Another operator's business.
        quiet=[slope("controller_runtime_reconcile_errors_total", 0, 1,
                     'job="other", instance="x:1", controller="queue"'), operator_info()]),
    "SluiceReconcileStuck": Case(
        {**OF_OPERATOR, "name": "queue"}, 20,
        fires=[operator_info(), slope("workqueue_longest_running_processor_seconds", 0, 60,
                                      OPERATOR + ', name="queue"')],
        quiet=[operator_info(), level("workqueue_longest_running_processor_seconds", 60,
                                      OPERATOR + ', name="queue"')]),
    "SluiceQueueStalled": Case(
        {"job": "operator"}, 10,
        fires=[level("sluice_operator_queues", 1, state("Stalled"))],
        quiet=[level("sluice_operator_queues", 0, state("Stalled")),
               level("sluice_operator_queues", 1, state("Reconciling"))]),
    "SluiceQueueNotReady": Case(
        {"job": "operator"}, 60,
        fires=[level("sluice_operator_queues", 1, state("Reconciling"))],
        quiet=[(f"sluice_operator_queues{{{state('Reconciling')}}}", "1x20 0x10 1x40")]),
    "SluiceBrokerUnreachable": Case(
        {"job": "operator"}, 20,
        fires=[level("sluice_operator_broker_links", 1, state("waiting"))],
        quiet=[level("sluice_operator_broker_links", 5, state("connected")),
               level("sluice_operator_broker_links", 0, state("waiting"))]),
    "SluiceScalingBlind": Case(
        OF_SUBSCRIPTION, 20,
        fires=[slope("sluice_operator_observation_age_seconds", 0, 60, SCALED)],
        quiet=[level("sluice_operator_observation_age_seconds", 10, SCALED)]),
    "SluiceScalingHeld": Case(
        {**OF_SUBSCRIPTION, "reason": "DrainTimedOut"}, 30,
        fires=[level("sluice_operator_consumers_held", 1, SCALED + ', reason="DrainTimedOut"')],
        quiet=[level("sluice_operator_consumers_held", 1, SCALED + ', reason="QueuePaused"')]),
    "SluiceConsumersAtMaximum": Case(
        OF_SUBSCRIPTION, 60,
        fires=[level("sluice_operator_consumers_desired", 50, SCALED),
               level("sluice_operator_consumers_max", 50, SCALED),
               level("sluice_operator_consumers_limited", 1,
                     SCALED + ', limited_by="MaxReplicas"')],
        # Exactly what it needs.
        quiet=[level("sluice_operator_consumers_desired", 50, SCALED),
               level("sluice_operator_consumers_max", 50, SCALED)]),
    "SluiceConsumersMissing": Case(
        OF_SUBSCRIPTION, 30,
        fires=[level("sluice_operator_consumers_desired", 5, SCALED),
               level("sluice_operator_consumers_current", 2, SCALED)],
        # On the way down consumers drain.
        quiet=[level("sluice_operator_consumers_desired", 0, SCALED),
               level("sluice_operator_consumers_current", 2, SCALED)]),
}

CASES = {"broker.yaml": BROKER_CASES, "queue.yaml": QUEUE_CASES, "operator.yaml": OPERATOR_CASES}
