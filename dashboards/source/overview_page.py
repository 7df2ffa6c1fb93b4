"""All queues and all brokers on one page: what is behind, what flows, how the disks are."""

from dashboard import annotation, dashboard, variable
from panel import row, series, stat, table

BROKER = 'job=~"$job", instance=~"$instance", namespace=~"$namespace"'
QUEUE = BROKER + ', queue=~"$queue"'
BY_QUEUE = "sum by (namespace, queue)"
LEGEND = "{{namespace}} {{queue}}"


def rate(metric, matchers=QUEUE):
    return f"rate({metric}{{{matchers}}}[$__rate_interval])"


def variables():
    return [
        # Outside Kubernetes there is no such label: all of it has to match nothing, too.
        variable("namespace", "Namespace", "sluice_build_info", "namespace", all_value=".*"),
        variable("job", "Job", 'sluice_build_info{namespace=~"$namespace"}', "job"),
        variable("instance", "Broker",
                 'sluice_build_info{namespace=~"$namespace", job=~"$job"}', "instance"),
        variable("queue", "Queue", f"sluice_queue_messages{{{BROKER}}}", "queue"),
    ]


def numbers():
    def total(metric):
        return f"sum({metric}{{{QUEUE}}})"
    return [
        stat("Ready", "Messages that wait for a consumer, over all subscriptions.", "short",
             total("sluice_queue_messages_ready")),
        stat("In flight", "Messages that consumers have leased.", "short",
             total("sluice_queue_messages_inflight")),
        stat("Oldest message", "Age of the oldest message that is ready or leased.", "s",
             f"max(sluice_queue_oldest_message_age_seconds{{{QUEUE}}})", warn=60, bad=300),
        stat("Dead letters", "Dead letters kept: look with `sluice peek QUEUE --dlq`.", "short",
             total("sluice_queue_messages_dead_lettered"), warn=1),
        stat("Published", "Messages accepted.", "cps",
             f"sum({rate('sluice_messages_published_total')})"),
        stat("Acknowledged", "Messages settled as done.", "cps",
             f"sum({rate('sluice_messages_acked_total')})"),
        stat("Consumers", "Consumers that are connected.", "short",
             total("sluice_queue_consumers")),
        stat("Brokers down", "Brokers of these jobs that Prometheus cannot scrape.", "short",
             'count(up{job=~"$job", instance=~"$instance", namespace=~"$namespace"} == 0)'
             ' or vector(0)', bad=1),
    ]


def backlog():
    return [
        row("Backlog"),
        series("Ready", "Messages that wait for a consumer.", "short",
               (f"{BY_QUEUE} (sluice_queue_messages_ready{{{QUEUE}}})", LEGEND)),
        series("In flight", "Messages that are leased.", "short",
               (f"{BY_QUEUE} (sluice_queue_messages_inflight{{{QUEUE}}})", LEGEND)),
        series("Oldest message", "Age of the oldest message that is ready or leased: the best "
               "single sign that consumers do not keep up.", "s",
               (f"max by (namespace, queue) "
                f"(sluice_queue_oldest_message_age_seconds{{{QUEUE}}})", LEGEND)),
        series("Delayed", "Messages that are not due yet, by their publisher's wish or after a "
               "failure.", "short",
               (f"{BY_QUEUE} (sluice_queue_messages_delayed{{{QUEUE}}})", LEGEND)),
        series("How full", "Of limits.bytes or limits.messages, whichever is nearer.",
               "percentunit",
               (f"max by (namespace, queue) (sluice_queue_bytes{{{QUEUE}}} / "
                f"sluice_queue_bytes_limit{{{QUEUE}}} > sluice_queue_messages{{{QUEUE}}} / "
                f"sluice_queue_messages_limit{{{QUEUE}}} or sluice_queue_messages{{{QUEUE}}} / "
                f"sluice_queue_messages_limit{{{QUEUE}}})", LEGEND), bad=0.9),
        series("Dead letters", "Dead letters kept.", "short",
               (f"{BY_QUEUE} (sluice_queue_messages_dead_lettered{{{QUEUE}}})", LEGEND)),
    ]


def flow():
    return [
        row("Flow"),
        series("Published", "Messages accepted.", "cps",
               (f"{BY_QUEUE} ({rate('sluice_messages_published_total')})", LEGEND)),
        series("Acknowledged", "Messages settled as done, over all subscriptions.", "cps",
               (f"{BY_QUEUE} ({rate('sluice_messages_acked_total')})", LEGEND)),
        series("Redelivered", "Share of deliveries that were not the first of their message.",
               "percentunit",
               (f"{BY_QUEUE} ({rate('sluice_messages_redelivered_total')}) / "
                f"{BY_QUEUE} ({rate('sluice_messages_delivered_total')} > 0)", LEGEND)),
        series("Publishes refused", "By error code; docs/operations.md says what to do about "
               "each.", "cps",
               (f"sum by (namespace, queue, reason) ({rate('sluice_publishes_refused_total')})",
                LEGEND + " {{reason}}")),
        series("Became dead letters", "By reason.", "cps",
               (f"sum by (reason) ({rate('sluice_messages_dead_lettered_total')})",
                "{{reason}}"), stacked=True),
        series("Removed unsettled", "Messages and dead letters that went without being settled, "
               "by cause.", "cps",
               (f"sum by (cause) ({rate('sluice_messages_removed_total')})", "{{cause}}"),
               stacked=True),
    ]


def queues():
    def of(metric):
        return f"{BY_QUEUE} ({metric}{{{QUEUE}}})"
    link = ("/d/sluice-queue/?var-datasource=${datasource}"
            "&var-namespace=${__data.fields.namespace}&var-queue=${__value.text}"
            "&${__url_time_range}")
    return [
        row("Queues"),
        table("Queues", "A queue leads to its own page.", [
            ("Ready", "short", of("sluice_queue_messages_ready")),
            ("In flight", "short", of("sluice_queue_messages_inflight")),
            ("Delayed", "short", of("sluice_queue_messages_delayed")),
            ("Dead", "short", of("sluice_queue_messages_dead_lettered")),
            ("Oldest", "s", "max by (namespace, queue) "
                            f"(sluice_queue_oldest_message_age_seconds{{{QUEUE}}})"),
            ("Bytes", "bytes", of("sluice_queue_bytes")),
            ("Publishers", "short", of("sluice_queue_publishers")),
            ("Consumers", "short", of("sluice_queue_consumers")),
            ("Published", "cps", f"{BY_QUEUE} ({rate('sluice_messages_published_total')})"),
            ("Acknowledged", "cps", f"{BY_QUEUE} ({rate('sluice_messages_acked_total')})"),
        ], by=["namespace", "queue"], links=[("queue", "This queue", link)]),
    ]


def brokers():
    def of(metric, extra=""):
        return f"sum by (instance) ({metric}{{{BROKER}{extra}}})"

    def fsync(quantile):
        return (f"histogram_quantile({quantile}, sum by (instance, le) "
                f"({rate('sluice_wal_fsync_duration_seconds_bucket', BROKER)}))")
    return [
        row("Brokers"),
        series("Sync of the log", "How long the disk takes to make messages durable: every "
               "acknowledgement waits for it.", "s",
               (fsync(0.5), "p50 {{instance}}"), (fsync(0.99), "p99 {{instance}}"), bad=0.1),
        series("Disk", "What the log uses, and what the file system has left.", "bytes",
               (of("sluice_storage_bytes", ', kind="used"'), "used {{instance}}"),
               (of("sluice_storage_bytes", ', kind="free"'), "free {{instance}}")),
        series("Low disk", "1 while publishes are refused because the disk is nearly full.",
               "short", (of("sluice_storage_low"), "{{instance}}"), bad=1),
        series("Memory", "Resident memory of the broker.", "bytes",
               (of("sluice_process_resident_memory_bytes"), "{{instance}}")),
        series("Processor", "Cores in use.", "short",
               (f"sum by (instance) ({rate('sluice_process_cpu_seconds_total', BROKER)})",
                "{{instance}}")),
        series("Open files", "Share of the limit of file descriptors.", "percentunit",
               (f"sluice_process_open_fds{{{BROKER}}} / sluice_process_max_fds{{{BROKER}}}",
                "{{instance}}"), bad=0.8),
        series("Connections", "Connections of clients, and their sessions.", "short",
               (of("sluice_connections"), "connections {{instance}}"),
               (of("sluice_sessions"), "sessions {{instance}}")),
        series("Connections that failed", "In their handshake or before their session, by "
               "reason.", "cps",
               (f"sum by (reason) ({rate('sluice_handshake_failures_total', BROKER)})",
                "{{reason}}"), stacked=True),
        series("Commands refused", "By error code; docs/operations.md says what to do about "
               "each.", "cps",
               (f"sum by (reason) ({rate('sluice_frames_refused_total', BROKER)})",
                "{{reason}}"), stacked=True),
        series("Segments of the log", "Files of the log: they follow what waits.", "short",
               (of("sluice_wal_segments"), "{{instance}}")),
        series("Damage", "Ranges of the log in quarantine and messages that the disk has lost: "
               "anything but 0 needs a person.", "short",
               (of("sluice_wal_corrupt_ranges"), "ranges {{instance}}"),
               (of("sluice_queue_messages_damaged"), "messages {{instance}}"), bad=1),
        series("Loop", "Age of the broker's numbers: it grows when its loop stands.", "s",
               (f"time() - sluice_stats_timestamp_seconds{{{BROKER}}}", "{{instance}}"), bad=10),
    ]


def build():
    started = annotation("Broker starts", "blue",
                         f"sluice_process_start_time_seconds{{{BROKER}}} * 1000",
                         "Broker started", "{{instance}}", "instance", value_is_time=True)
    return dashboard("sluice-overview", "Sluice / Overview",
                     "All queues and brokers: what is behind, what flows, how the disks are.",
                     variables(), [*numbers(), *backlog(), *flow(), *queues(), *brokers()],
                     [started])
