package main

import (
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// external are ConfigMaps that a cluster's owner makes.
var external = map[string]bool{"vault-ca": true}

// check looks at the pods: that what they name is there, that they are
// hardened, and that what is secret stays in memory.
func check(docs []document) (errs error) {
	known := map[string]bool{}
	for _, d := range docs {
		known[d.Kind+"/"+d.Name] = true
	}
	for _, d := range docs {
		spec := podOf(d)
		if spec == nil {
			continue
		}
		for _, err := range append(volumes(spec, known), containers(spec)...) {
			errs = errors.Join(errs, fmt.Errorf("%s, %s %s: %w", d.File, d.Kind, d.Name, err))
		}
		if !known["ServiceAccount/"+spec.ServiceAccountName] {
			errs = errors.Join(errs, fmt.Errorf("%s, %s %s: there is no service account %q", d.File, d.Kind, d.Name, spec.ServiceAccountName))
		}
	}
	return errs
}

func podOf(d document) *corev1.PodSpec {
	switch o := d.object.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template.Spec
	case *batchv1.Job:
		return &o.Spec.Template.Spec
	}
	return nil
}

// volumes are in memory, bounded, or configuration that is there.
func volumes(spec *corev1.PodSpec, known map[string]bool) (errs []error) {
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
		errs = append(errs, errors.New("every container gets the pod's token"))
	}
	for _, v := range spec.Volumes {
		switch {
		case v.EmptyDir != nil:
			if v.EmptyDir.Medium != corev1.StorageMediumMemory || v.EmptyDir.SizeLimit == nil {
				errs = append(errs, fmt.Errorf("volume %s is not in memory, or has no limit", v.Name))
			}
		case v.ConfigMap != nil:
			if !known["ConfigMap/"+v.ConfigMap.Name] && !external[v.ConfigMap.Name] {
				errs = append(errs, fmt.Errorf("volume %s: there is no ConfigMap %q", v.Name, v.ConfigMap.Name))
			}
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				if s.ServiceAccountToken == nil || s.ServiceAccountToken.Audience == "" {
					errs = append(errs, fmt.Errorf("volume %s: a token for everybody", v.Name))
				}
			}
		default:
			errs = append(errs, fmt.Errorf("volume %s is of another kind", v.Name))
		}
	}
	return errs
}

// containers mount volumes that are there, and may do nothing but their work.
func containers(spec *corev1.PodSpec) (errs []error) {
	have := map[string]bool{}
	for _, v := range spec.Volumes {
		have[v.Name] = true
	}
	p := spec.SecurityContext
	if p == nil || p.RunAsNonRoot == nil || !*p.RunAsNonRoot || p.SeccompProfile == nil || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		errs = append(errs, errors.New("the pod may run as root, or without a seccomp profile"))
	}
	for _, c := range append(append([]corev1.Container{}, spec.InitContainers...), spec.Containers...) {
		if err := hardened(c.SecurityContext); err != nil {
			errs = append(errs, fmt.Errorf("container %s: %w", c.Name, err))
		}
		if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
			errs = append(errs, fmt.Errorf("container %s: no bounds of memory, or no request", c.Name))
		}
		for _, m := range c.VolumeMounts {
			if !have[m.Name] {
				errs = append(errs, fmt.Errorf("container %s: there is no volume %q", c.Name, m.Name))
			}
		}
	}
	return errs
}

func hardened(s *corev1.SecurityContext) error {
	switch {
	case s == nil, s.RunAsUser == nil, *s.RunAsUser == 0:
		return errors.New("no user, or root")
	case s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem:
		return errors.New("its root file system can be written to")
	case s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation:
		return errors.New("it may get more rights")
	case s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || len(s.Capabilities.Add) > 0:
		return errors.New("it keeps capabilities")
	}
	return nil
}
