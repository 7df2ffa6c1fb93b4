"""For each value of the chart: what to set it to, and what has to become of it.

A case is (values, check): `check` gets the rendered release and returns what has to be true.
test_chart.py runs each, and sees to it that no value is without one.
"""

from chart import NAMESPACE

SCRAPE = {"enabled": True}
PEER = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
TERM = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
    {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]}}}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
          "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "sluice-operator"}}}


def _monitor(release, name="sluice-operator"):
    return release.one("PodMonitor", name)


def _endpoint(monitor, endpoints="podMetricsEndpoints"):
    return monitor["spec"][endpoints][0]


def _role_of_targets(release):
    return [(rule["apiGroups"], rule["resources"], rule["verbs"])
            for rule in release.rules("ClusterRole", "sluice-operator")]


def _argument(release, name):
    return [one.split("=", 1)[1] for one in release.container["args"] if one.startswith(name + "=")]


def _alerts(release):
    return [rule for group in release.one("PrometheusRule")["spec"]["groups"]
            for rule in group["rules"]]


def _annotations_of_crd(release):
    return release.one("CustomResourceDefinition")["metadata"].get("annotations", {})


def _test_pod(release):
    return release.one("Pod", "sluice-test")


CASES = {
    "nameOverride": ({"nameOverride": "queues"},
                     lambda r: r.names("Deployment") == ["sluice-queues-operator"]),
    "fullnameOverride": ({"fullnameOverride": "q"},
                         lambda r: r.names("Deployment") == ["q-operator"]
                         and set(r.names("Queue")) == {"q-test"}),
    "image.repository": ({"image": {"repository": "registry.example/sluice"}},
                         lambda r: r.container["image"] == "registry.example/sluice:0.1.0"
                         and _argument(r, "--broker-image") == ["registry.example/sluice"]),
    "image.tag": ({"image": {"tag": "1.2.3"}},
                  lambda r: r.container["image"] == "sluice:1.2.3"
                  and _argument(r, "--broker-version") == ["1.2.3"]
                  and _test_pod(r)["spec"]["containers"][0]["image"] == "sluice:1.2.3"),
    "image.pullPolicy": ({"image": {"pullPolicy": "Never"}},
                         lambda r: r.container["imagePullPolicy"] == "Never"
                         and _argument(r, "--image-pull-policy") == ["Never"]),
    "image.pullSecrets": ({"image": {"pullSecrets": [{"name": "registry"}]}},
                          lambda r: r.pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
                          and _test_pod(r)["spec"]["imagePullSecrets"] == [{"name": "registry"}]),
    "broker.image": ({"broker": {"image": "other/sluice"}},
                     lambda r: _argument(r, "--broker-image") == ["other/sluice"]
                     and r.container["image"] == "sluice:0.1.0"),
    "broker.version": ({"broker": {"version": "0.0.9"}},
                       lambda r: _argument(r, "--broker-version") == ["0.0.9"]),
    "broker.upgrade": ({"broker": {"upgrade": True}},
                       lambda r: "--upgrade-brokers" in r.container["args"]),
    "logLevel": ({"logLevel": "debug"}, lambda r: _argument(r, "--log-level") == ["debug"]),
    "watchNamespace": ({"watchNamespace": "shop"},
                       lambda r: _argument(r, "--namespace") == ["shop"]
                       and not r.of("ClusterRole") and not r.of("ClusterRoleBinding")
                       and r.one("Role", "sluice-operator")["metadata"]["namespace"] == "shop"
                       and r.one("RoleBinding", "sluice-operator")["metadata"]["namespace"]
                       == "shop"
                       and all(one["metadata"]["namespace"] == "shop" for one in r.of("Queue"))),
    "workers": ({"workers": 9}, lambda r: _argument(r, "--workers") == ["9"]),
    "extraArgs": ({"extraArgs": ["--log-format=human"]},
                  lambda r: r.container["args"][-1] == "--log-format=human"),
    "replicas": ({"replicas": 3}, lambda r: r.one("Deployment")["spec"]["replicas"] == 3),
    "resources": ({"resources": {"limits": {"cpu": "2"}}},
                  lambda r: r.container["resources"]["limits"] == {"cpu": "2", "memory": "256Mi"}),
    "podDisruptionBudget.enabled": ({"replicas": 3, "podDisruptionBudget": {"enabled": False}},
                                    lambda r: not r.of("PodDisruptionBudget")),
    "podDisruptionBudget.maxUnavailable": (
        {"replicas": 3, "podDisruptionBudget": {"maxUnavailable": 2}},
        lambda r: r.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 2),
    "priorityClassName": ({"priorityClassName": "system-cluster-critical"},
                          lambda r: r.pod["spec"]["priorityClassName"]
                          == "system-cluster-critical"),
    "nodeSelector": ({"nodeSelector": {"disk": "ssd"}},
                     lambda r: r.pod["spec"]["nodeSelector"] == {"disk": "ssd"}),
    "tolerations": ({"tolerations": [{"key": "a", "operator": "Exists"}]},
                    lambda r: r.pod["spec"]["tolerations"] == [{"key": "a", "operator": "Exists"}]),
    "affinity": ({"affinity": TERM}, lambda r: r.pod["spec"]["affinity"] == TERM),
    "topologySpreadConstraints": ({"topologySpreadConstraints": [SPREAD]},
                                  lambda r: r.pod["spec"]["topologySpreadConstraints"] == [SPREAD]),
    "podAnnotations": ({"podAnnotations": {"a/b": "c"}},
                       lambda r: r.pod["metadata"]["annotations"]["a/b"] == "c"),
    "podLabels": ({"podLabels": {"team": "queues", "app.kubernetes.io/name": "other"}},
                  lambda r: r.pod["metadata"]["labels"]["team"] == "queues"
                  # Brokers know the operator by this one.
                  and r.pod["metadata"]["labels"]["app.kubernetes.io/name"] == "sluice-operator"),
    "podSecurityContext": ({"podSecurityContext": {"runAsUser": 1000}},
                           lambda r: r.pod["spec"]["securityContext"]["runAsUser"] == 1000),
    "securityContext": ({"securityContext": {"runAsUser": 1000}},
                        lambda r: r.container["securityContext"]["runAsUser"] == 1000),
    "serviceAccount.create": ({"serviceAccount": {"create": False}},
                              lambda r: not r.of("ServiceAccount")
                              and r.pod["spec"]["serviceAccountName"] == "default"),
    "serviceAccount.name": ({"serviceAccount": {"name": "queues"}},
                            lambda r: r.names("ServiceAccount") == ["queues"]
                            and r.pod["spec"]["serviceAccountName"] == "queues"
                            and all(one["subjects"][0]["name"] == "queues"
                                    for one in r.of("ClusterRoleBinding") + r.of("RoleBinding"))),
    "serviceAccount.annotations": ({"serviceAccount": {"annotations": {"a": "b"}}},
                                   lambda r: r.one("ServiceAccount")["metadata"]["annotations"]
                                   == {"a": "b"}),
    "rbac.create": ({"rbac": {"create": False}},
                    lambda r: not r.of("Role") and not r.of("RoleBinding")
                    and not r.of("ClusterRoleBinding")
                    and r.names("ClusterRole") == ["sluice-queues-edit", "sluice-queues-view"]),
    "rbac.aggregate": ({"rbac": {"aggregate": False}},
                       lambda r: r.names("ClusterRole") == ["sluice-operator"]),
    "rbac.scaleTargets": (
        {"rbac": {"scaleTargets": [{"apiGroup": "argoproj.io", "resources": ["rollouts"]}]}},
        lambda r: (["argoproj.io"], ["rollouts"], ["get"]) in _role_of_targets(r)
        and (["argoproj.io"], ["rollouts/scale"], ["get", "patch"]) in _role_of_targets(r)
        and not any("deployments/scale" in rule[1] for rule in _role_of_targets(r))),
    "crds.install": ({"crds": {"install": False}},
                     lambda r: not r.of("CustomResourceDefinition")),
    "crds.keep": ({"crds": {"keep": False}}, lambda r: not _annotations_of_crd(r)),
    "crds.annotations": ({"crds": {"annotations": {"a": "b"}}},
                         lambda r: _annotations_of_crd(r)
                         == {"a": "b", "helm.sh/resource-policy": "keep"}),
    "networkPolicy.enabled": ({"networkPolicy": {"enabled": False}},
                              lambda r: not r.of("NetworkPolicy")),
    "networkPolicy.metricsFrom": ({"networkPolicy": {"metricsFrom": [PEER]}},
                                  lambda r: r.one("NetworkPolicy")["spec"]["ingress"][0]["from"]
                                  == [PEER]),
    "networkPolicy.apiServerPorts": ({"networkPolicy": {"apiServerPorts": [7443]}},
                                     lambda r: r.one("NetworkPolicy")["spec"]["egress"][1]
                                     == {"ports": [{"protocol": "TCP", "port": 7443}]}),
    "podMonitor.enabled": ({"podMonitor": SCRAPE},
                           lambda r: r.names("PodMonitor") == ["sluice-operator", "sluice-brokers"]
                           and _endpoint(_monitor(r))["honorLabels"] is True
                           and _monitor(r, "sluice-brokers")["spec"]["namespaceSelector"]
                           == {"any": True}),
    "podMonitor.brokers": ({"podMonitor": {**SCRAPE, "brokers": False}},
                           lambda r: r.names("PodMonitor") == ["sluice-operator"]),
    "podMonitor.interval": ({"podMonitor": {**SCRAPE, "interval": "1m"}},
                            lambda r: all(_endpoint(one)["interval"] == "1m"
                                          for one in r.of("PodMonitor"))),
    "podMonitor.labels": ({"podMonitor": {**SCRAPE, "labels": {"release": "p"}}},
                          lambda r: all(one["metadata"]["labels"]["release"] == "p"
                                        for one in r.of("PodMonitor"))),
    "serviceMonitor.enabled": ({"serviceMonitor": SCRAPE, "podMonitor": SCRAPE},
                               lambda r: r.names("ServiceMonitor") == ["sluice-operator"]
                               and r.names("Service") == ["sluice-operator-metrics"]
                               and r.names("PodMonitor") == ["sluice-brokers"]),
    "serviceMonitor.interval": ({"serviceMonitor": {**SCRAPE, "interval": "1m"}},
                                lambda r: _endpoint(r.one("ServiceMonitor"), "endpoints")
                                == {"port": "metrics", "interval": "1m", "honorLabels": True}),
    "serviceMonitor.labels": ({"serviceMonitor": {**SCRAPE, "labels": {"release": "p"}}},
                              lambda r: r.one("ServiceMonitor")["metadata"]["labels"]["release"]
                              == "p"),
    "prometheusRule.enabled": ({"prometheusRule": SCRAPE},
                               lambda r: len(r.one("PrometheusRule")["spec"]["groups"]) >= 3),
    "prometheusRule.runbookBase": ({"prometheusRule": {**SCRAPE,
                                                       "runbookBase": "https://wiki.example/r"}},
                                   lambda r: all(
                                       rule["annotations"]["runbook_url"]
                                       == f"https://wiki.example/r/{rule['alert']}.md"
                                       for rule in _alerts(r))),
    "prometheusRule.labels": ({"prometheusRule": {**SCRAPE, "labels": {"release": "p"}}},
                              lambda r: r.one("PrometheusRule")["metadata"]["labels"]["release"]
                              == "p"),
    "dashboards.enabled": ({"dashboards": SCRAPE},
                           lambda r: r.names("ConfigMap") == [
                               f"sluice-dashboard-{page}"
                               for page in ("operator", "overview", "queue")]
                           and all(one["metadata"]["namespace"] == NAMESPACE
                                   and one["metadata"]["labels"]["grafana_dashboard"] == "1"
                                   for one in r.of("ConfigMap"))),
    "dashboards.namespace": ({"dashboards": {**SCRAPE, "namespace": "grafana"}},
                             lambda r: all(one["metadata"]["namespace"] == "grafana"
                                           for one in r.of("ConfigMap"))),
    "dashboards.label": ({"dashboards": {**SCRAPE, "label": "board"}},
                         lambda r: all(one["metadata"]["labels"]["board"] == "1"
                                       for one in r.of("ConfigMap"))),
    "dashboards.labelValue": ({"dashboards": {**SCRAPE, "labelValue": "yes"}},
                              lambda r: all(one["metadata"]["labels"]["grafana_dashboard"] == "yes"
                                            for one in r.of("ConfigMap"))),
    "dashboards.annotations": ({"dashboards": {**SCRAPE, "annotations": {"folder": "Q"}}},
                               lambda r: all(one["metadata"]["annotations"] == {"folder": "Q"}
                                             for one in r.of("ConfigMap"))),
    "test.enabled": ({"test": {"enabled": False}},
                     lambda r: not r.of("Queue") and not r.of("Pod")),
    "test.storageClassName": ({"test": {"storageClassName": "fast"}},
                              lambda r: r.of("Queue")[0]["spec"]["broker"]["storage"]
                              == {"size": "1Gi", "storageClassName": "fast"}),
    "test.timeoutSeconds": ({"test": {"timeoutSeconds": 60}},
                            lambda r: _test_pod(r)["spec"]["activeDeadlineSeconds"] == 60),
}
