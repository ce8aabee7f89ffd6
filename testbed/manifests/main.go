// Command manifests decodes Kubernetes manifests as strictly as it can be done
// without a cluster: every document must be of a known kind and have known
// fields only, and what a document names must be there. It prints one line of
// JSON for each document; problems go to standard error, and the exit code is 1
// then. It is a module of its own, so that nothing of this is ever linked into
// the product.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	yamlreader "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// document is the line that is printed for each.
type document struct {
	File string            `json:"file"`
	Kind string            `json:"kind"`
	Name string            `json:"name"`
	Data map[string]string `json:"data,omitempty"` // of a ConfigMap

	object runtime.Object
}

func main() {
	docs, err := load(os.Args[1:])
	if err == nil {
		err = check(docs)
	}
	out := json.NewEncoder(os.Stdout)
	for _, d := range docs {
		err = errors.Join(err, out.Encode(d))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// load decodes all documents of the files and says everything that is wrong.
func load(files []string) (docs []document, err error) {
	if len(files) == 0 {
		return nil, errors.New("no file is named")
	}
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, rbacv1.AddToScheme,
	} {
		if err := add(s); err != nil {
			return nil, err
		}
	}
	strict := serializer.NewCodecFactory(s, serializer.EnableStrict).UniversalDeserializer()
	for _, name := range files {
		some, ferr := decode(name, strict)
		docs, err = append(docs, some...), errors.Join(err, ferr)
	}
	return docs, err
}

func decode(name string, strict runtime.Decoder) (docs []document, errs error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := yamlreader.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for n := 1; ; n++ {
		text, err := r.Read()
		if errors.Is(err, io.EOF) {
			return docs, errs
		}
		if err != nil {
			return docs, err
		}
		d, err := one(text, strict)
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("%s, document %d: %w", name, n, err))
			continue
		}
		d.File = name
		docs = append(docs, *d)
	}
}

// one decodes a document. YAML itself is strict too: no key comes twice.
func one(text []byte, strict runtime.Decoder) (*document, error) {
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	o, kind, err := strict.Decode(asJSON, nil, nil)
	if err != nil {
		return nil, err
	}
	m, err := meta.Accessor(o)
	if err != nil {
		return nil, err
	}
	d := &document{Kind: kind.Kind, Name: m.GetName(), object: o}
	if c, ok := o.(*corev1.ConfigMap); ok {
		d.Data = c.Data
	}
	return d, nil
}
