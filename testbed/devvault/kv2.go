package devvault

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// kv2 is a KV version 2 mount.
type kv2 struct {
	s       *Server
	secrets map[string]*kv2Secret
	config  kv2Settings
}

type kv2Settings struct {
	maxVersions int
	casRequired bool
}

type kv2Secret struct {
	kv2Settings
	versions         map[int]*kv2Version
	current, oldest  int
	created, updated time.Time
	custom           map[string]any
}

type kv2Version struct {
	data             map[string]any
	created, deleted time.Time
	destroyed        bool
}

// defaultVersions is how many versions a secret keeps by default.
const defaultVersions = 10

func (s *Server) newKV2() []route {
	k := &kv2{s: s, secrets: map[string]*kv2Secret{}}
	exists := func(r *request) bool { return k.secrets[r.args[0]] != nil }
	return []route{
		{pattern: "config", read: k.readConfig, write: k.writeConfig},
		{pattern: "data", read: k.rootOnly, write: k.rootOnly, list: k.wrongPath("list")},
		{
			pattern: "data/*", read: k.read, write: k.write, patch: k.patch, remove: k.removeLatest,
			list: k.wrongPath("list"), exists: exists,
		},
		{pattern: "metadata", list: k.list},
		{pattern: "metadata/*", read: k.readMeta, write: k.writeMeta, list: k.list, remove: k.removeAll, exists: exists},
		{pattern: "delete/*", write: k.each(func(v *kv2Version) { v.deleted = time.Now() })},
		{pattern: "undelete/*", write: k.each(func(v *kv2Version) { v.deleted = time.Time{} })},
		{pattern: "destroy/*", write: k.each(func(v *kv2Version) { v.destroyed, v.data = true, nil })},
		{pattern: "*", read: k.wrongPath("get"), write: k.wrongPath("put"), list: k.wrongPath("list"), remove: k.wrongPath("delete")},
	}
}

// wrongPath answers somebody who takes the mount for version 1.
func (k *kv2) wrongPath(verb string) handler {
	text := "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. " +
		"If using the Vault CLI, use 'vault kv " + verb + "' for this operation."
	return func(*request) (*response, error) {
		return &response{status: http.StatusNotFound, warnings: []string{text}, noMount: true}, nil
	}
}

func (k *kv2) rootOnly(*request) (*response, error) {
	return &response{
		status: http.StatusNotFound, noMount: true,
		warnings: []string{"Non-listing operations on the root of a K/V v2 mount are not supported."},
	}, nil
}

func (v *kv2Version) meta(n int, custom map[string]any) map[string]any {
	m := map[string]any{
		"created_time": stamp(v.created), "custom_metadata": nil, "deletion_time": "", "destroyed": v.destroyed, "version": n,
	}
	if custom != nil {
		m["custom_metadata"] = custom
	}
	if !v.deleted.IsZero() {
		m["deletion_time"] = stamp(v.deleted)
	}
	return m
}

func (v *kv2Version) gone() bool { return v.destroyed || !v.deleted.IsZero() }

func (k *kv2) read(r *request) (*response, error) {
	sec := k.secrets[r.args[0]]
	if sec == nil {
		return nil, errNotFound
	}
	n := sec.current
	if q := r.query.Get("version"); q != "" {
		asked, err := strconv.Atoi(q)
		if err != nil {
			return nil, badRequest("Field validation failed: error converting input for field \"version\": cannot parse '' as int: "+
				"strconv.ParseInt: parsing %q: invalid syntax", q)
		}
		if asked != 0 {
			n = asked
		}
	}
	v := sec.versions[n]
	if v == nil {
		return nil, errNotFound
	}
	data := map[string]any{"data": nil, "metadata": v.meta(n, sec.custom)}
	if v.gone() {
		return &response{status: http.StatusNotFound, data: data, noMount: true}, nil
	}
	data["data"] = v.data
	return &response{data: data}, nil
}

func (k *kv2) secret(path string) *kv2Secret {
	sec := k.secrets[path]
	if sec == nil {
		now := time.Now()
		sec = &kv2Secret{versions: map[int]*kv2Version{}, created: now, updated: now}
		k.secrets[path] = sec
	}
	return sec
}

func (k *kv2) write(r *request) (*response, error) {
	data, ok := r.body["data"].(map[string]any)
	if !ok {
		return nil, badRequest("no data provided")
	}
	if err := k.checkCAS(r, k.secrets[r.args[0]]); err != nil {
		return nil, err
	}
	return k.put(k.secret(r.args[0]), data), nil
}

func (k *kv2) checkCAS(r *request, sec *kv2Secret) error {
	current, required := 0, k.config.casRequired
	if sec != nil {
		current, required = sec.current, required || sec.casRequired
	}
	cas, given := r.object("options")["cas"]
	if !given {
		if required {
			return badRequest("check-and-set parameter required for this call")
		}
		return nil
	}
	asked, err := (&request{body: map[string]any{"cas": cas}}).num("cas")
	if err != nil {
		return err
	}
	if asked != current {
		return badRequest("check-and-set parameter did not match the current version")
	}
	return nil
}

func (k *kv2) put(sec *kv2Secret, data map[string]any) *response {
	now := time.Now()
	sec.current++
	sec.updated = now
	if sec.current == 1 {
		sec.created = now
	}
	v := &kv2Version{data: data, created: now}
	sec.versions[sec.current] = v
	keep := defaultVersions
	if k.config.maxVersions > 0 {
		keep = k.config.maxVersions
	}
	if sec.maxVersions > 0 {
		keep = sec.maxVersions
	}
	for n := range sec.versions {
		if n <= sec.current-keep {
			delete(sec.versions, n)
			sec.oldest = sec.current - keep + 1
		}
	}
	return &response{data: v.meta(sec.current, sec.custom)}
}

func (k *kv2) patch(r *request) (*response, error) {
	sec := k.secrets[r.args[0]]
	if sec == nil || sec.versions[sec.current] == nil || sec.versions[sec.current].gone() {
		return nil, errNotFound
	}
	if err := k.checkCAS(r, sec); err != nil {
		return nil, err
	}
	return k.put(sec, mergePatch(sec.versions[sec.current].data, r.object("data"))), nil
}

// mergePatch is RFC 7396.
func mergePatch(old, change map[string]any) map[string]any {
	out := maps.Clone(old)
	if out == nil {
		out = map[string]any{}
	}
	for key, v := range change {
		child, isMap := v.(map[string]any)
		switch {
		case v == nil:
			delete(out, key)
		case isMap:
			oldChild, _ := out[key].(map[string]any)
			out[key] = mergePatch(oldChild, child)
		default:
			out[key] = v
		}
	}
	return out
}

func (k *kv2) removeLatest(r *request) (*response, error) {
	if sec := k.secrets[r.args[0]]; sec != nil {
		if v := sec.versions[sec.current]; v != nil && !v.gone() {
			v.deleted = time.Now()
		}
	}
	return nil, nil
}

// each handles delete, undelete and destroy of listed versions.
func (k *kv2) each(do func(*kv2Version)) handler {
	return func(r *request) (*response, error) {
		numbers := r.list("versions")
		if len(numbers) == 0 {
			return nil, badRequest("No version number provided")
		}
		sec := k.secrets[r.args[0]]
		if sec == nil {
			return nil, errNotFound
		}
		for _, str := range numbers {
			n, _ := strconv.Atoi(str)
			if v := sec.versions[n]; v != nil && !v.destroyed {
				do(v)
			}
		}
		return nil, nil
	}
}

func (k *kv2) list(r *request) (*response, error) {
	prefix := ""
	if len(r.args) > 0 {
		prefix = r.args[0]
	}
	return listing(prefix, slices.Collect(maps.Keys(k.secrets)))
}

func (k *kv2) readMeta(r *request) (*response, error) {
	sec := k.secrets[r.args[0]]
	if sec == nil {
		return nil, errNotFound
	}
	versions := map[string]any{}
	for n, v := range sec.versions {
		m := v.meta(n, nil)
		delete(m, "custom_metadata")
		delete(m, "version")
		versions[strconv.Itoa(n)] = m
	}
	data := map[string]any{
		"cas_required": sec.casRequired, "created_time": stamp(sec.created), "current_version": sec.current,
		"custom_metadata": nil, "delete_version_after": "0s", "max_versions": sec.maxVersions,
		"oldest_version": sec.oldest, "updated_time": stamp(sec.updated), "versions": versions,
	}
	if sec.custom != nil {
		data["custom_metadata"] = sec.custom
	}
	return &response{data: data}, nil
}

func (k *kv2) writeMeta(r *request) (*response, error) {
	sec := k.secret(r.args[0])
	if r.has("custom_metadata") {
		sec.custom = r.object("custom_metadata")
	}
	return nil, sec.update(r)
}

func (c *kv2Settings) update(r *request) (err error) {
	if r.has("max_versions") {
		if c.maxVersions, err = r.num("max_versions"); err != nil {
			return err
		}
	}
	if r.has("cas_required") {
		c.casRequired = r.flag("cas_required", false)
	}
	return nil
}

func (k *kv2) removeAll(r *request) (*response, error) {
	delete(k.secrets, r.args[0])
	return nil, nil
}

func (k *kv2) readConfig(*request) (*response, error) {
	return &response{data: map[string]any{
		"cas_required": k.config.casRequired, "delete_version_after": "0s", "max_versions": k.config.maxVersions,
	}}, nil
}

func (k *kv2) writeConfig(r *request) (*response, error) { return nil, k.config.update(r) }
