package main

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// growClaims does the work of an external resizer: a claim that asks for more than it has gets it.
// Folders have no size of their own, so that only the numbers change.
func growClaims(ctx context.Context, client kubernetes.Interface) {
	claims := client.CoreV1()
	watch := cache.NewListWatchFromClient(claims.RESTClient(), "persistentvolumeclaims",
		metav1.NamespaceAll, fields.Everything())
	grow := func(object any) {
		claim := object.(*v1.PersistentVolumeClaim)
		if err := growClaim(ctx, client, claim); err != nil {
			klog.ErrorS(err, "cannot grow", "claim", klog.KObj(claim))
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: watch,
		ObjectType:    &v1.PersistentVolumeClaim{},
		ResyncPeriod:  10 * time.Second, // tries again what has failed
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    grow,
			UpdateFunc: func(_, object any) { grow(object) },
		},
	})
	informer.RunWithContext(ctx)
}

func growClaim(
	ctx context.Context, client kubernetes.Interface, claim *v1.PersistentVolumeClaim,
) error {
	volumes := client.CoreV1().PersistentVolumes()
	wanted := claim.Spec.Resources.Requests[v1.ResourceStorage]
	has := claim.Status.Capacity[v1.ResourceStorage]
	if claim.Status.Phase != v1.ClaimBound || claim.Spec.VolumeName == "" || wanted.Cmp(has) <= 0 {
		return nil
	}
	volume, err := volumes.Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if volume.Annotations["pv.kubernetes.io/provisioned-by"] != name {
		return nil
	}
	volume.Spec.Capacity[v1.ResourceStorage] = wanted
	if _, err = volumes.Update(ctx, volume, metav1.UpdateOptions{}); err != nil {
		return err
	}
	changed := claim.DeepCopy()
	changed.Status.Capacity[v1.ResourceStorage] = wanted
	_, err = client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(
		ctx, changed, metav1.UpdateOptions{})
	return err
}
