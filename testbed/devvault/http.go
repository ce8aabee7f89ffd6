package devvault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-secure-stdlib/parseutil"
)

type operation string

const (
	opRead   operation = "read"
	opWrite  operation = "update" // "create" where the path does not exist yet
	opCreate operation = "create"
	opDelete operation = "delete"
	opList   operation = "list"
	opPatch  operation = "patch"
)

// request is one API call, decoded.
type request struct {
	ctx      context.Context
	op       operation
	path     string   // without "/v1/" and without a trailing slash
	rel      string   // path inside the mount
	args     []string // what the wildcards of the route matched
	body     map[string]any
	query    url.Values
	clientID string // the token that came in the header
	tok      *token // set once it was checked
	mount    *mount
	wrapTTL  time.Duration
}

// response is what a handler answers. A nil response is 204.
type response struct {
	status   int  // 0 = 200
	empty    bool // nothing but the status
	raw      any  // instead of the usual envelope
	data     map[string]any
	auth     *token
	lease    *lease
	leaseTTL time.Duration // with or without a lease
	warnings []string
	inject   bool // repeat data at the top level, as some sys paths do
	noMount  bool // answer an empty mount_type
	wrapped  json.RawMessage
}

// apiError is an answer with an "errors" list.
type apiError struct {
	status int
	errs   []string
}

func (e *apiError) Error() string { return strings.Join(e.errs, "; ") }

func fail(status int, errs ...string) error { return &apiError{status, errs} }

func badRequest(format string, args ...any) error {
	return fail(http.StatusBadRequest, fmt.Sprintf(format, args...))
}

// listed is the text of an error that passed through the real server's
// multi-error type.
func listed(msgs ...string) string {
	noun := "error"
	if len(msgs) != 1 {
		noun = "errors"
	}
	return fmt.Sprintf("%d %s occurred:\n\t* %s\n\n", len(msgs), noun, strings.Join(msgs, "\n\t* "))
}

var (
	errNotFound     = fail(http.StatusNotFound)
	errSealed       = fail(http.StatusServiceUnavailable, "Vault is sealed")
	errNoToken      = fail(http.StatusForbidden, "permission denied")
	errDenied       = fail(http.StatusForbidden, listed("permission denied"))
	errInvalidToken = fail(http.StatusForbidden, listed("permission denied", "invalid token"))
	errBadOperation = fail(http.StatusMethodNotAllowed, listed("unsupported operation"))
	errBadPath      = fail(http.StatusNotFound, listed("unsupported path"))
)

// ServeHTTP answers one API request.
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	var fault Fault
	if f := s.noteRequest(hr); f != nil {
		fault = f(hr)
	}
	if fault.before(w, hr) {
		return
	}
	path, isAPI := strings.CutPrefix(hr.URL.Path, "/v1/")
	if !isAPI {
		http.NotFound(w, hr)
		return
	}
	status, body := s.work(hr, path)
	fault.write(w, status, body)
}

// work does what one request asks for.
func (s *Server) work(hr *http.Request, path string) (status int, body []byte) {
	r, err := decode(hr, path)
	if err != nil {
		return errorAnswer(err)
	}
	status, body, err = s.locked(r)
	if err != nil {
		return errorAnswer(err)
	}
	if len(body) > 0 {
		body = append(body, '\n')
	}
	return status, body
}

// locked does the work of one request under the lock.
func (s *Server) locked(r *request) (status int, body []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resp, err := s.answer(r)
	if err != nil || resp == nil {
		return http.StatusNoContent, nil, err
	}
	return s.encode(r, resp)
}

func decode(hr *http.Request, path string) (*request, error) {
	r := &request{ctx: hr.Context(), query: hr.URL.Query(), body: map[string]any{}}
	list := strings.HasSuffix(path, "/")
	r.path = strings.TrimRight(path, "/")
	switch hr.Method {
	case http.MethodGet, http.MethodHead:
		r.op = opRead
		if r.query.Get("list") == "true" {
			r.op = opList
		}
	case "LIST":
		r.op = opList
	case http.MethodPut, http.MethodPost:
		r.op = opWrite
	case http.MethodPatch:
		r.op = opPatch
	case http.MethodDelete:
		r.op = opDelete
	default:
		return nil, fail(http.StatusMethodNotAllowed)
	}
	if list && r.op != opList {
		r.path += "/"
	}
	r.clientID = hr.Header.Get("X-Vault-Token")
	if b, ok := strings.CutPrefix(hr.Header.Get("Authorization"), "Bearer "); ok && r.clientID == "" {
		r.clientID = b
	}
	if h := hr.Header.Get("X-Vault-Wrap-TTL"); h != "" {
		d, err := parseutil.ParseDurationSecond(h)
		if err != nil {
			return nil, badRequest("error parsing X-Vault-Wrap-TTL header: %v", err)
		}
		r.wrapTTL = d
	}
	return r, r.readBody(hr.Body)
}

func (r *request) readBody(body io.Reader) error {
	if r.op != opWrite && r.op != opPatch {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(body, 32<<20))
	if err != nil {
		return badRequest("error reading the body: %v", err)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&r.body); err != nil {
		return fail(http.StatusInternalServerError, err.Error())
	}
	return nil
}

// envelope is the usual shape of an answer.
type envelope struct {
	RequestID     string         `json:"request_id"`
	LeaseID       string         `json:"lease_id"`
	Renewable     bool           `json:"renewable"`
	LeaseDuration int            `json:"lease_duration"`
	Data          map[string]any `json:"data"`
	WrapInfo      any            `json:"wrap_info"`
	Warnings      []string       `json:"warnings"`
	Auth          any            `json:"auth"`
	MountType     string         `json:"mount_type"`
}

// encode makes the JSON of an answer, wrapped if the request asks for it.
func (s *Server) encode(r *request, resp *response) (status int, body []byte, err error) {
	status = resp.status
	if status == 0 {
		status = http.StatusOK
	}
	switch {
	case resp.empty:
		return status, nil, nil
	case resp.wrapped != nil:
		return status, resp.wrapped, nil
	}
	if resp.raw != nil {
		body, err = json.Marshal(resp.raw)
		return status, body, err
	}
	e := s.envelope(r, resp)
	if r.wrapTTL > 0 && status == http.StatusOK && (resp.data != nil || resp.auth != nil) {
		e = s.wrap(r, resp, e)
	}
	if !resp.inject || e.WrapInfo != nil {
		body, err = json.Marshal(e)
		return status, body, err
	}
	top := map[string]any{
		"request_id": e.RequestID, "lease_id": "", "renewable": false, "lease_duration": 0, "data": e.Data,
		"wrap_info": nil, "warnings": e.Warnings, "auth": nil, "mount_type": e.MountType,
	}
	for k, v := range e.Data {
		if _, taken := top[k]; !taken {
			top[k] = v
		}
	}
	body, err = json.Marshal(top)
	return status, body, err
}

func (s *Server) envelope(r *request, resp *response) *envelope {
	e := &envelope{
		RequestID: s.uuid(), Data: resp.data, Warnings: resp.warnings,
		LeaseDuration: int(resp.leaseTTL / time.Second),
	}
	if r.mount != nil && !resp.noMount {
		e.MountType = r.mount.kind
	}
	if resp.lease != nil {
		e.LeaseID, e.Renewable = resp.lease.id, resp.lease.renewable
	}
	if resp.auth != nil {
		e.Auth = resp.auth.authBlock(resp.leaseTTL)
		e.LeaseDuration = 0
	}
	return e
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func errorAnswer(err error) (status int, body []byte) {
	var e *apiError
	if !errors.As(err, &e) {
		e = &apiError{http.StatusInternalServerError, []string{listed(err.Error())}}
	}
	if e.errs == nil {
		e = &apiError{e.status, []string{}}
	}
	body, _ = json.Marshal(map[string]any{"errors": e.errs}) // strings always encode
	return e.status, append(body, '\n')
}

// str, num, duration and list read fields of the body the way the real server
// does: leniently.

func (r *request) str(key string) string {
	if v, ok := r.body[key]; ok {
		s, err := parseutil.ParseString(v)
		if err == nil {
			return s
		}
	}
	return ""
}

func (r *request) has(key string) bool { _, ok := r.body[key]; return ok }

func (r *request) num(key string) (int, error) {
	v, ok := r.body[key]
	if !ok || v == nil {
		return 0, nil
	}
	n, err := parseutil.ParseInt(v)
	if err != nil {
		return 0, badRequest("Field validation failed: error converting input for field %q: %v", key, err)
	}
	return int(n), nil
}

func (r *request) duration(key string) (time.Duration, error) {
	v, ok := r.body[key]
	if !ok || v == nil {
		return 0, nil
	}
	d, err := parseutil.ParseDurationSecond(v)
	if err != nil {
		return 0, badRequest("Field validation failed: error converting input for field %q: %v", key, err)
	}
	return d, nil
}

func (r *request) flag(key string, def bool) bool {
	v, ok := r.body[key]
	if !ok {
		return def
	}
	b, err := parseutil.ParseBool(v)
	return err == nil && b
}

func (r *request) list(key string) []string {
	v, ok := r.body[key]
	if !ok {
		return nil
	}
	l, err := parseutil.ParseCommaStringSlice(v)
	if err != nil {
		return nil
	}
	return l
}

func (r *request) object(key string) map[string]any {
	m, _ := r.body[key].(map[string]any)
	return m
}
