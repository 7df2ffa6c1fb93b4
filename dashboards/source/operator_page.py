"""The operator: whether it reconciles, how it gets on with the API server, what it scales."""

from dashboard import annotation, dashboard, variable
from panel import row, series, stat, table

OPERATOR = 'job=~"$job", instance=~"$instance"'
SCALED = OPERATOR + ', namespace=~"$namespace"'
INFO = "sluice_operator_build_info"
BY = "namespace, queue, subscription"
LEGEND = "{{namespace}} {{queue}} {{subscription}}"


def rate(metric, matchers=OPERATOR):
    return f"rate({metric}{{{matchers}}}[$__rate_interval])"


def quantiles(metric, by="", matchers=OPERATOR):
    labels, legend = (f"{by}, le", f" {{{{{by}}}}}") if by else ("le", "")
    return [(f"histogram_quantile({q}, sum by ({labels}) ({rate(metric + '_bucket', matchers)}))",
             name + legend) for q, name in ((0.5, "p50"), (0.99, "p99"))]


def variables():
    return [
        variable("job", "Job", INFO, "job"),
        variable("instance", "Operator", f'{INFO}{{job=~"$job"}}', "instance"),
        variable("namespace", "Namespace of queues",
                 f"sluice_operator_consumers_desired{{{OPERATOR}}}", "namespace",
                 all_value=".*"),
    ]


def numbers():
    def queues(state):
        return f'sum(sluice_operator_queues{{{OPERATOR}, state="{state}"}})'

    def links(state):
        return f'sum(sluice_operator_broker_links{{{OPERATOR}, state="{state}"}})'
    return [
        stat("Leaders", "Operators that lead: 1 at any time.", "short",
             f"sum(leader_election_master_status{{{OPERATOR}}})"),
        stat("Queues ready", "Queue objects whose condition Ready is True.", "short",
             queues("Ready")),
        stat("Queues reconciling", "Queue objects on their way.", "short",
             queues("Reconciling"), warn=1),
        stat("Queues stalled", "Queue objects that need a person: `kubectl get sq -A`.", "short",
             queues("Stalled"), bad=1),
        stat("Brokers connected", "Shards whose control port the operator is connected to.",
             "short", links("connected")),
        stat("Brokers waited for", "Shards whose control port the operator cannot reach.",
             "short", links("waiting"), warn=1),
        stat("Reconcile errors", "Reconciliations that failed.", "cps",
             f"sum({rate('controller_runtime_reconcile_errors_total')})"),
        stat("Scalings", "Changes of replicas in the last hour.", "short",
             f"sum(increase(sluice_operator_scaling_decisions_total{{{SCALED}}}[1h]))"),
    ]


def reconciling():
    return [
        row("Reconciling"),
        series("Reconciliations", "By result.", "cps",
               (f"sum by (result) ({rate('controller_runtime_reconcile_total')})",
                "{{result}}"), stacked=True),
        series("Time of a reconciliation", "Half of them, and all but one of a hundred.", "s",
               *quantiles("controller_runtime_reconcile_time_seconds")),
        series("Workers", "Busy, and there are.", "short",
               (f"sum(controller_runtime_active_workers{{{OPERATOR}}})", "busy"),
               (f"sum(controller_runtime_max_concurrent_reconciles{{{OPERATOR}}})", "all")),
        series("Work that waits", "Keys in the work queue.", "short",
               (f"sum by (name) (workqueue_depth{{{OPERATOR}}})", "{{name}}")),
        series("Added and retried", "Keys added to the work queue, and added again after a "
               "failure.", "cps",
               (f"sum({rate('workqueue_adds_total')})", "added"),
               (f"sum({rate('workqueue_retries_total')})", "retried")),
        series("Wait for a worker", "From adding a key to a worker that takes it.", "s",
               *quantiles("workqueue_queue_duration_seconds")),
        series("Time with a worker", "How long a worker has a key.", "s",
               *quantiles("workqueue_work_duration_seconds")),
        series("Longest in work", "How long the oldest key has been in work now: it grows where "
               "a worker hangs.", "s",
               (f"max(workqueue_longest_running_processor_seconds{{{OPERATOR}}})", "longest"),
               (f"sum(workqueue_unfinished_work_seconds{{{OPERATOR}}})", "all together")),
        series("Queues", "Queue objects by what their conditions say.", "short",
               (f"sum by (state) (sluice_operator_queues{{{OPERATOR}}})", "{{state}}"),
               stacked=True),
    ]


def api_server():
    return [
        row("API server"),
        series("Requests", "By HTTP status.", "cps",
               (f"sum by (code) ({rate('rest_client_requests_total')})", "{{code}}"),
               stacked=True),
        series("Writes", "Everything but reading; in a steady state there are none.", "cps",
               ("sum by (method) (" + rate("rest_client_requests_total",
                                           OPERATOR + ', method!="GET"') + ")",
                "{{method}}"), stacked=True),
        series("Time of a request", "Half of them, and all but one of a hundred.", "s",
               *quantiles("rest_client_request_duration_seconds", by="verb")),
    ]


def scaling():
    def of(name):
        return f"max by ({BY}) (sluice_operator_consumers_{name}{{{SCALED}}})"
    return [
        row("Scaling"),
        series("Desired consumers", "Replicas that the autoscaler wants.", "short",
               (of("desired"), LEGEND)),
        series("Missing consumers", "Desired less current: what the cluster has not started yet; "
               "below zero while consumers drain.", "short",
               (f"{of('desired')} - {of('current')}", LEGEND)),
        series("Decisions", "Changes of replicas, by reason.", "cps",
               (f"sum by (reason) ({rate('sluice_operator_scaling_decisions_total', SCALED)})",
                "{{reason}}"), stacked=True),
        series("From observation to scale write", "The autoscaler's own time.", "s",
               *quantiles("sluice_operator_scaling_latency_seconds")),
        series("Age of observations", "What the autoscaler knows; when it is stale nothing is "
               "scaled in.", "s",
               (f"max by ({BY}) (sluice_operator_observation_age_seconds{{{SCALED}}})", LEGEND),
               bad=30),
        series("Held back by", "What keeps the autoscaler from its answer.", "short",
               (f"sum by (limited_by) (sluice_operator_consumers_limited{{{SCALED}}})",
                "{{limited_by}}"), stacked=True),
        table("Consumers", "Each scaled subscription.", [
            ("Current", "short", of("current")), ("Desired", "short", of("desired")),
            ("Minimum", "short", of("min")), ("Maximum", "short", of("max")),
        ], by=["namespace", "queue", "subscription"]),
    ]


def process():
    return [
        row("Process"),
        series("Memory", "Resident memory of the operator.", "bytes",
               (f"process_resident_memory_bytes{{{OPERATOR}}}", "{{instance}}")),
        series("Processor", "Cores in use.", "short",
               (f"sum by (instance) ({rate('process_cpu_seconds_total')})", "{{instance}}")),
        series("Open files", "Share of the limit of file descriptors.", "percentunit",
               (f"process_open_fds{{{OPERATOR}}} / process_max_fds{{{OPERATOR}}}",
                "{{instance}}"), bad=0.8),
        series("Broker links", "Shards by whether their control port is connected.", "short",
               (f"sum by (state) (sluice_operator_broker_links{{{OPERATOR}}})", "{{state}}"),
               stacked=True),
        series("Leader", "Which operator leads.", "short",
               (f"leader_election_master_status{{{OPERATOR}}}", "{{instance}}"), stacked=True),
        series("Epoch", "The leadership's number, which brokers compare.", "none",
               (f"sluice_operator_leader_epoch{{{OPERATOR}}}", "{{instance}}")),
    ]


def build():
    leader = annotation("New leader", "orange",
                        f"changes(sluice_operator_leader_epoch{{{OPERATOR}}}[1m]) > 0",
                        "Another leadership", "{{instance}}", "instance")
    started = annotation("Operator starts", "blue",
                         f"process_start_time_seconds{{{OPERATOR}}} * 1000",
                         "Operator started", "{{instance}}", "instance", value_is_time=True)
    return dashboard("sluice-operator", "Sluice / Operator",
                     "The operator: reconciling, the API server, scaling, and its process.",
                     variables(),
                     [*numbers(), *reconciling(), *api_server(), *scaling(), *process()],
                     [leader, started])
