package aws_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/auth/aws"
	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
)

// method gives one that logs in to a fake Vault, in an environment where AWS
// is nowhere.
func method(t *testing.T) (*aws.Method, *cloudtest.Vault, *bytes.Buffer) {
	t.Helper()
	cloudtest.Without(t, "AWS_")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1") // nobody listens
	v := &cloudtest.Vault{}
	var log bytes.Buffer
	return &aws.Method{
		Client: cloudtest.Client(t, "http://vault.test", v), MountPath: "auth/aws", Type: "iam", Role: "app", Region: "eu-central-1",
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	}, v, &log
}

// signed is the request in a login, as STS will get it from Vault.
type signed struct {
	method, body string
	url          *url.URL
	header       http.Header
}

func signedIn(t *testing.T, body map[string]any) signed {
	t.Helper()
	decode := func(k string) []byte {
		s, _ := body[k].(string)
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil || len(raw) == 0 {
			t.Fatalf("%s: %q: %v", k, s, err)
		}
		return raw
	}
	s := signed{method: fmt.Sprint(body["iam_http_request_method"]), body: string(decode("iam_request_body"))}
	if err := json.Unmarshal(decode("iam_request_headers"), &s.header); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(decode("iam_request_url")))
	if err != nil {
		t.Fatal(err)
	}
	s.url = u
	return s
}

// verify is what STS does: it computes the signature from what it got and the
// secret that it knows, and wants the important headers to be under it.
func (s signed) verify(secret string, mustSign ...string) (accessKey, scope string, err error) {
	rest, ok := strings.CutPrefix(s.header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return "", "", fmt.Errorf("no signature")
	}
	parts := map[string]string{}
	for p := range strings.SplitSeq(rest, ", ") {
		k, v, _ := strings.Cut(p, "=")
		parts[k] = v
	}
	accessKey, scope, _ = strings.Cut(parts["Credential"], "/")
	names := strings.Split(parts["SignedHeaders"], ";")
	if !slices.IsSorted(names) {
		return "", "", fmt.Errorf("signed headers out of order: %v", names)
	}
	for _, n := range append(mustSign, "host", "x-amz-date") {
		if !slices.Contains(names, n) {
			return "", "", fmt.Errorf("header %s is not signed", n)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", s.method, s.url.EscapedPath(), s.url.RawQuery)
	for _, n := range names {
		v := s.header.Get(n)
		if n == "host" {
			v = s.url.Host
		}
		fmt.Fprintf(&b, "%s:%s\n", n, v)
	}
	fmt.Fprintf(&b, "\n%s\n%x", parts["SignedHeaders"], sha256.Sum256([]byte(s.body)))
	sum := func(key []byte, v string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(v))
		return h.Sum(nil)
	}
	f := strings.Split(scope, "/")
	if len(f) != 4 || f[2] != "sts" || f[3] != "aws4_request" || !strings.HasPrefix(s.header.Get("X-Amz-Date"), f[0]+"T") {
		return "", "", fmt.Errorf("scope %q at %s", scope, s.header.Get("X-Amz-Date"))
	}
	key := sum(sum(sum(sum([]byte("AWS4"+secret), f[0]), f[1]), f[2]), f[3])
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", s.header.Get("X-Amz-Date"), scope, sha256.Sum256([]byte(b.String())))
	if want := hex.EncodeToString(sum(key, text)); want != parts["Signature"] {
		return "", "", fmt.Errorf("signature %s, computed %s", parts["Signature"], want)
	}
	return accessKey, scope, nil
}

// imds is a machine's metadata service that insists on tokens.
type imds struct {
	role    string
	creds   string // JSON
	without bool   // the old kind, without tokens
	asked   []string
}

// ServeHTTP implements http.Handler.
func (i *imds) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.asked = append(i.asked, r.Method+" "+r.URL.Path)
	if r.URL.Path == "/latest/api/token" {
		switch {
		case i.without:
			http.Error(w, "not found", http.StatusNotFound)
		case r.Method != http.MethodPut || r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") == "":
			http.Error(w, "bad request", http.StatusBadRequest)
		default:
			_, _ = io.WriteString(w, "canary-imds")
		}
		return
	}
	if !i.without && r.Header.Get("X-Aws-Ec2-Metadata-Token") != "canary-imds" {
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	switch p := strings.TrimPrefix(r.URL.Path, "/latest/"); {
	case p == "dynamic/instance-identity/document":
		_, _ = io.WriteString(w, `{"instanceId":"i-1"}`)
	case p == "dynamic/instance-identity/signature":
		_, _ = io.WriteString(w, "line1\nline2")
	case p == "meta-data/iam/security-credentials/" && i.role != "":
		_, _ = io.WriteString(w, i.role)
	case i.role != "" && p == "meta-data/iam/security-credentials/"+i.role:
		_, _ = io.WriteString(w, i.creds)
	default:
		http.NotFound(w, r)
	}
}

// roundTrip is sts without a network.
type roundTrip func(*http.Request)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	w := httptest.NewRecorder()
	sts(w, r)
	return w.Result(), nil
}
