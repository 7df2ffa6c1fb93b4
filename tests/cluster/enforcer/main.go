// Enforcer holds the node of a test cluster to its NetworkPolicies, which the CNI plugin there does
// not know. It is kube-network-policies (a project of Kubernetes) with one difference: what brings
// packets to it is a rule of iptables that whoever starts it makes (enforcer.py), because its own,
// of nftables, needs an expression that not every kernel has.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func run() error {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	node := flag.String("node", "", "whose pods it looks after")
	queue := flag.Int("queue", 0, "number of the queue that has the packets")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	factory := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(client,
		factory.Networking().V1().NetworkPolicies(), factory.Core().V1().Namespaces(),
		factory.Core().V1().Pods(), nil, nil, nil, nil,
		// Without the plugin for the container runtime it would fail at the first packet of a pod
		// whose address the API server does not have yet; that no runtime answers it does not mind.
		networkpolicy.Config{QueueID: *queue, NodeName: *node, NRIdisabled: false})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return controller.Run(ctx)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
