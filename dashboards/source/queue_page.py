"""One queue: each subscription's lag, what flows, what fails, who consumes, and the disk below."""

from dashboard import annotation, dashboard, variable
from panel import row, series, stat

SCRAPED = 'job=~"$job", instance=~"$instance", namespace=~"$namespace"'
QUEUE = SCRAPED + ', queue=~"$queue"'
SUBSCRIPTION = QUEUE + ', subscription=~"$subscription"'
BY_SUBSCRIPTION = "sum by (subscription)"
LEGEND = "{{subscription}}"
BOTH = '__name__=~"sluice_build_info|sluice_operator_build_info"'
# The brokers that have a shard of the queue.
HOSTS = f"and on (namespace, job, instance) sluice_queue_messages{{{QUEUE}}}"


def rate(metric, matchers=SUBSCRIPTION):
    return f"rate({metric}{{{matchers}}}[$__rate_interval])"


def quantile(q, metric, matchers=SUBSCRIPTION, by="subscription"):
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) ({rate(metric + '_bucket', matchers)}))"


def variables():
    return [
        variable("namespace", "Namespace", "sluice_build_info", "namespace", all_value=".*"),
        # Brokers and the operator, which is scraped by another job and lives elsewhere.
        variable("job", "Job", f"{{{BOTH}}}", "job"),
        variable("instance", "Broker or operator", f'{{{BOTH}, job=~"$job"}}', "instance"),
        variable("queue", "Queue", f"sluice_queue_messages{{{SCRAPED}}}", "queue", many=False),
        variable("subscription", "Subscription", f"sluice_queue_messages_ready{{{QUEUE}}}",
                 "subscription"),
    ]


def numbers():
    def total(metric, matchers=SUBSCRIPTION):
        return f"sum({metric}{{{matchers}}})"
    return [
        stat("Ready", "Messages that wait for a consumer.", "short",
             total("sluice_queue_messages_ready")),
        stat("In flight", "Messages that consumers have leased.", "short",
             total("sluice_queue_messages_inflight")),
        stat("Oldest message", "Age of the oldest message that is ready or leased.", "s",
             f"max(sluice_queue_oldest_message_age_seconds{{{SUBSCRIPTION}}})", warn=60, bad=300),
        stat("Dead letters", "Dead letters kept: look with `sluice peek QUEUE --dlq`.", "short",
             total("sluice_queue_messages_dead_lettered"), warn=1),
        stat("Bytes", "Bodies of messages that are not settled.", "bytes",
             total("sluice_queue_bytes", QUEUE)),
        stat("Publishers", "Publishers that are connected.", "short",
             total("sluice_queue_publishers", QUEUE)),
        stat("Consumers", "Consumers that are connected.", "short",
             total("sluice_queue_consumers"), warn=None),
        stat("Deliveries", "Whether spec.paused holds deliveries back.", "short",
             f"max(sluice_queue_paused{{{QUEUE}}})", bad=1,
             mappings={"0": "running", "1": "paused"}),
    ]


def backlog():
    def of(metric):
        return f"{BY_SUBSCRIPTION} ({metric}{{{SUBSCRIPTION}}})"
    return [
        row("Backlog"),
        series("Ready", "Messages that wait for a consumer.", "short",
               (of("sluice_queue_messages_ready"), LEGEND)),
        series("In flight", "Messages that are leased.", "short",
               (of("sluice_queue_messages_inflight"), LEGEND)),
        series("Lag", "What a subscription has still to settle: ready, in flight and delayed.",
               "short",
               (f"{of('sluice_queue_messages_ready')} + {of('sluice_queue_messages_inflight')} + "
                f"{of('sluice_queue_messages_delayed')}", LEGEND)),
        series("Oldest message", "Age of the oldest message that is ready or leased.", "s",
               ("max by (subscription) "
                f"(sluice_queue_oldest_message_age_seconds{{{SUBSCRIPTION}}})", LEGEND)),
        series("Delayed", "Messages that are not due yet, by their publisher's wish or after a "
               "failure.", "short", (of("sluice_queue_messages_delayed"), LEGEND)),
        series("Limits", "Share of limits.messages and limits.bytes in use.", "percentunit",
               (f"sum(sluice_queue_messages{{{QUEUE}}}) / "
                f"sum(sluice_queue_messages_limit{{{QUEUE}}})", "messages"),
               (f"sum(sluice_queue_bytes{{{QUEUE}}}) / sum(sluice_queue_bytes_limit{{{QUEUE}}})",
                "bytes"), bad=0.9),
    ]


def flow():
    return [
        row("Flow"),
        series("Published and acknowledged", "Messages accepted, and messages settled as done in "
               "each subscription.", "cps",
               (f"sum({rate('sluice_messages_published_total', QUEUE)})", "published"),
               (f"{BY_SUBSCRIPTION} ({rate('sluice_messages_acked_total')})",
                "acknowledged {{subscription}}")),
        series("Delivered", "Deliveries, also repeated ones.", "cps",
               (f"{BY_SUBSCRIPTION} ({rate('sluice_messages_delivered_total')})", LEGEND)),
        series("Publishes refused", "By error code.", "cps",
               (f"sum by (reason) ({rate('sluice_publishes_refused_total', QUEUE)})",
                "{{reason}}"), stacked=True),
        series("From publish to first delivery", "The time a message waits; half of them and all "
               "but one of a hundred.", "s",
               (quantile(0.5, "sluice_end_to_end_latency_seconds"), "p50 {{subscription}}"),
               (quantile(0.99, "sluice_end_to_end_latency_seconds"), "p99 {{subscription}}")),
        series("From delivery to acknowledgement", "The handler's time; near leaseDuration leases "
               "run out.", "s",
               (quantile(0.5, "sluice_processing_duration_seconds"), "p50 {{subscription}}"),
               (quantile(0.99, "sluice_processing_duration_seconds"), "p99 {{subscription}}")),
        series("Size of messages", "Bodies of accepted messages.", "bytes",
               (quantile(0.5, "sluice_message_size_bytes", QUEUE, by=""), "p50"),
               (quantile(0.99, "sluice_message_size_bytes", QUEUE, by=""), "p99")),
    ]


def failures():
    def of(metric, name):
        return (f"{BY_SUBSCRIPTION} ({rate(metric)})", name + " {{subscription}}")
    return [
        row("Failures"),
        series("Redelivered", "Deliveries of a message that had been delivered before.", "cps",
               (f"{BY_SUBSCRIPTION} ({rate('sluice_messages_redelivered_total')})", LEGEND)),
        series("Why messages come again", "Failed attempts, leases that ran out or lost their "
               "consumer, messages given back, settles that came too late.", "cps",
               of("sluice_messages_failed_total", "failed"),
               of("sluice_messages_stalled_total", "stalled"),
               of("sluice_messages_released_total", "released"),
               of("sluice_stale_receipts_total", "too late")),
        series("Became dead letters", "By reason.", "cps",
               (f"sum by (reason) ({rate('sluice_messages_dead_lettered_total')})",
                "{{reason}}"), stacked=True),
        series("Dead letters", "Dead letters kept in each subscription.", "short",
               (f"{BY_SUBSCRIPTION} (sluice_queue_messages_dead_lettered{{{SUBSCRIPTION}}})",
                LEGEND)),
        series("Removed unsettled", "Messages and dead letters that went without being settled, "
               "by cause.", "cps",
               (f"sum by (cause) ({rate('sluice_messages_removed_total')})", "{{cause}}"),
               stacked=True),
        series("Kept for replay", "Bodies that spec.retention keeps, settled or not.", "bytes",
               (f"sum(sluice_queue_retained_bytes{{{QUEUE}}})", "retained")),
    ]


def consumers():
    def of(name):
        metric = f"sluice_operator_consumers_{name}{{{SUBSCRIPTION}}}"
        return (f"max by (subscription) ({metric})", name + " {{subscription}}")
    return [
        row("Consumers"),
        series("Scaling", "Replicas that the target has and that the autoscaler wants, between "
               "their bounds. Vertical lines are its decisions, with their reason.", "short",
               of("current"), of("desired"), of("min"), of("max"), width=12),
        series("Connected consumers", "Consumers that are attached at the broker.", "short",
               (f"{BY_SUBSCRIPTION} (sluice_queue_consumers{{{SUBSCRIPTION}}})", LEGEND),
               width=12),
        series("Decisions", "Changes of the target's replicas, by reason.", "short",
               ("sum by (subscription, reason) (increase("
                f"sluice_operator_scaling_decisions_total{{{SUBSCRIPTION}}}[$__rate_interval]))",
                "{{subscription}} {{reason}}"), width=12, stacked=True),
        series("Held back by", "What keeps the autoscaler from its answer; nothing where there "
               "is no line.", "short",
               ("max by (subscription, limited_by) "
                f"(sluice_operator_consumers_limited{{{SUBSCRIPTION}}})",
                "{{subscription}} {{limited_by}}"), width=12),
    ]


def disk():
    fsync = f"({rate('sluice_wal_fsync_duration_seconds_bucket', SCRAPED)} {HOSTS})"

    def stored(kind):
        return (f'sum by (instance) (sluice_storage_bytes{{{SCRAPED}, kind="{kind}"}} {HOSTS})',
                kind + " {{instance}}")
    return [
        row("Disk of its brokers"),
        series("Sync of the log", "How long the disk takes to make messages durable.", "s",
               (f"histogram_quantile(0.5, sum by (instance, le) {fsync})", "p50 {{instance}}"),
               (f"histogram_quantile(0.99, sum by (instance, le) {fsync})", "p99 {{instance}}"),
               width=12, bad=0.1),
        series("Disk", "What the log uses, and what the file system has left.", "bytes",
               stored("used"), stored("free"), width=12),
    ]


def build():
    decided = annotation(
        "Scaling decisions", "purple",
        "sum by (subscription, reason) (increase("
        f"sluice_operator_scaling_decisions_total{{{SUBSCRIPTION}}}[$__rate_interval])) > 0",
        "Scaled", "{{subscription}}: {{reason}}", "subscription,reason")
    started = annotation("Broker starts", "blue",
                         f"sluice_process_start_time_seconds{{{SCRAPED}}} * 1000 {HOSTS}",
                         "Broker started", "{{instance}}", "instance", value_is_time=True)
    return dashboard("sluice-queue", "Sluice / Queue",
                     "One queue: lag, flow, failures, consumers and their scaling, and the disk.",
                     variables(),
                     [*numbers(), *backlog(), *flow(), *failures(), *consumers(), *disk()],
                     [decided, started])
