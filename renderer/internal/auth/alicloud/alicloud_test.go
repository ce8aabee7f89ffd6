package alicloud

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
)

// network is the metadata server, the token service, and a Vault that checks
// logins as its plugin and the token service do.
type network struct {
	t  *testing.T
	mu sync.Mutex

	hardened bool                  // the metadata want a token
	role     string                // of the instance; "" = none
	instance credential            // of the role
	keys     map[string]credential // by id: what the token service knows
	public   *rsa.PublicKey        // of the key pair "pair-1"
	fail     func(action string) (int, string)
	nonces   map[string]bool
	asked    []string
	offline  bool   // Vault does not reach the token service
	identity string // the id of the key with which the last login was signed
}

func (c *network) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	switch host := r.URL.Hostname(); {
	case host == "100.100.100.200" && r.URL.Scheme == "http":
		c.metadata(w, r)
	case strings.HasSuffix(host, ".aliyuncs.com") && r.URL.Scheme == "https":
		c.asked = append(c.asked, host+" "+r.URL.Query().Get("Action"))
		c.sts(w, r)
	case host == "vault.test":
		c.vault(w, r)
	default:
		return nil, fmt.Errorf("no such host: %s", r.URL)
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func (c *network) metadata(w http.ResponseWriter, r *http.Request) {
	const creds = "/latest/meta-data/ram/security-credentials/"
	switch {
	case r.URL.Path == "/latest/api/token" && r.Method == http.MethodPut && c.hardened:
		if r.Header.Get("X-aliyun-ecs-metadata-token-ttl-seconds") == "" {
			w.WriteHeader(400)
			return
		}
		_, _ = io.WriteString(w, "canary-metadata")
	case c.hardened && r.Header.Get("X-aliyun-ecs-metadata-token") != "canary-metadata":
		w.WriteHeader(403)
	case r.URL.Path == creds && c.role != "":
		_, _ = io.WriteString(w, c.role+"\n")
	case r.URL.Path == creds+c.role && c.role != "":
		_ = json.NewEncoder(w).Encode(map[string]string{
			"Code": "Success", "AccessKeyId": c.instance.id, "AccessKeySecret": c.instance.secret,
			"SecurityToken": c.instance.token, "Expiration": "2030-01-01T00:00:00Z",
		})
	default:
		w.WriteHeader(404)
	}
}

// sts answers signed requests.
func (c *network) sts(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if c.fail != nil {
		if status, body := c.fail(q.Get("Action")); status != 0 {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return
		}
	}
	if err := c.verify(r.Method, r.URL); err != nil {
		w.WriteHeader(400)
		_ = json.NewEncoder(w).Encode(map[string]string{"Code": "SignatureDoesNotMatch", "Message": err.Error()})
		return
	}
	switch action := r.URL.Host + " " + q.Get("Action"); {
	case action == "sts.aliyuncs.com AssumeRole":
		if q.Get("RoleArn") != "acs:ram::1:role/app" || q.Get("RoleSessionName") == "" {
			c.t.Errorf("assume role with %v", q)
		}
		s := credential{"STS.role-" + q.Get("DurationSeconds"), "canary-role-secret", "canary-role-token"}
		c.keys[s.id] = s
		_ = json.NewEncoder(w).Encode(map[string]any{"Credentials": map[string]string{
			"AccessKeyId": s.id, "AccessKeySecret": s.secret, "SecurityToken": s.token,
		}})
	case action == "sts.ap-northeast-1.aliyuncs.com GenerateSessionAccessKey" && q.Get("PublicKeyId") == "pair-1":
		s := credential{id: "TMPSK.pair-" + q.Get("DurationSeconds"), secret: "canary-pair-secret"}
		c.keys[s.id] = s
		_ = json.NewEncoder(w).Encode(map[string]any{"SessionAccessKey": map[string]string{
			"SessionAccessKeyId": s.id, "SessionAccessKeySecret": s.secret,
		}})
	default:
		w.WriteHeader(404)
	}
}

// verify checks a signed URL as the documentation has it, with code of its own.
func (c *network) verify(method string, u *url.URL) error {
	q := u.Query()
	sig, err := base64.StdEncoding.DecodeString(q.Get("Signature"))
	if err != nil {
		return err
	}
	q.Del("Signature")
	var names []string
	for k, v := range q {
		if len(v) != 1 {
			return fmt.Errorf("%s stands twice", k)
		}
		names = append(names, k)
	}
	sort.Strings(names)
	var pairs []string
	for _, k := range names {
		pairs = append(pairs, percent(k)+"="+percent(q.Get(k)))
	}
	text := method + "&" + percent("/") + "&" + percent(strings.Join(pairs, "&"))
	at, err := time.Parse("2006-01-02T15:04:05Z", q.Get("Timestamp"))
	switch {
	case err != nil || time.Since(at).Abs() > 15*time.Minute:
		return fmt.Errorf("InvalidTimeStamp %q", q.Get("Timestamp"))
	case q.Get("SignatureNonce") == "" || c.nonces[q.Get("SignatureNonce")]:
		return errors.New("SignatureNonceUsed")
	case q.Get("Version") != "2015-04-01" || q.Get("SignatureVersion") != "1.0" || q.Get("Format") != "JSON":
		return fmt.Errorf("parameters: %v", q)
	}
	c.nonces[q.Get("SignatureNonce")] = true
	if q.Get("SignatureMethod") == "SHA256withRSA" {
		sum := sha256.Sum256([]byte(text))
		if q.Get("SignatureType") != "PRIVATEKEY" || q.Get("AccessKeyId") != "pair-1" {
			return fmt.Errorf("parameters: %v", q)
		}
		return rsa.VerifyPKCS1v15(c.public, crypto.SHA256, sum[:], sig)
	}
	key, known := c.keys[q.Get("AccessKeyId")]
	mac := hmac.New(sha1.New, []byte(key.secret+"&"))
	mac.Write([]byte(text))
	switch {
	case !known:
		return errors.New("InvalidAccessKeyId.NotFound")
	case q.Get("SecurityToken") != key.token:
		return errors.New("InvalidSecurityToken")
	case q.Get("SignatureMethod") != "HMAC-SHA1" || !hmac.Equal(mac.Sum(nil), sig):
		return errors.New("server string to sign is:" + text)
	}
	return nil
}

// percent is the encoding of RFC 3986.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// vault checks a login as the plugin does, and then as the token service that
// the plugin asks.
func (c *network) vault(w http.ResponseWriter, r *http.Request) {
	refuse := func(text string) {
		w.WriteHeader(500)
		_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {text}})
	}
	var body struct {
		Role    string
		URL     []byte `json:"identity_request_url"`
		Headers []byte `json:"identity_request_headers"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Role != "app" || r.URL.Path != "/v1/auth/ali/login" || r.Method != http.MethodPut {
		c.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	u, err := url.Parse(string(body.URL))
	if err != nil {
		refuse("bad URL")
		return
	}
	var header http.Header
	if err := json.Unmarshal(body.Headers, &header); err != nil || len(header) == 0 {
		refuse("missing identity_request_headers")
		return
	}
	q := u.Query()
	if u.Scheme != "https" || u.Host != "sts."+q.Get("RegionId")+".aliyuncs.com" || q.Get("Action") != "GetCallerIdentity" {
		refuse("not the token service: " + u.Host)
		return
	}
	if c.offline {
		refuse(fmt.Sprintf("error making upstream request: error making request: Post %q: dial tcp: no route to host", u))
		return
	}
	if err := c.verify(http.MethodPost, u); err != nil {
		refuse("error making upstream request: received 400 checking caller identity: " + err.Error())
		return
	}
	c.identity = q.Get("AccessKeyId")
	_, _ = io.WriteString(w, `{"auth":{"client_token":"canary-token","lease_duration":60,"renewable":true}}`)
}

// setup gives a method in a cloud that knows the key "user".
func setup(t *testing.T) (*network, *Method) {
	t.Helper()
	cloudtest.Without(t, "ALICLOUD_")
	c := &network{t: t, nonces: map[string]bool{}, keys: map[string]credential{
		"user":  {id: "user", secret: "canary-user+/secret"},
		"env":   {id: "env", secret: "canary-env", token: "canary-env+token/ *~"},
		"inst1": {id: "inst1", secret: "canary-inst1", token: "canary-inst1-token"},
		"inst2": {id: "inst2", secret: "canary-inst2", token: "canary-inst2-token"},
	}}
	c.instance = c.keys["inst1"]
	return c, &Method{
		Client: cloudtest.Client(t, "http://vault.test", c), MountPath: "auth/ali", Role: "app", Region: "eu-central-1",
		Log: slog.New(slog.DiscardHandler), Transport: c,
	}
}

func TestLogin(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    func(*testing.T, *network, *Method)
		signer string
		asked  string
	}{
		{"key", func(_ *testing.T, _ *network, m *Method) { m.AccessKey, m.AccessSecret = "user", "canary-user+/secret" }, "user", "[]"},
		{"environment wins", func(t *testing.T, _ *network, m *Method) {
			m.AccessKey, m.AccessSecret = "user", "canary-user+/secret"
			t.Setenv("ALICLOUD_ACCESS_KEY", "env")
			t.Setenv("ALICLOUD_SECRET_KEY", "canary-env")
			t.Setenv("ALICLOUD_ACCESS_KEY_STS_TOKEN", "canary-env+token/ *~")
		}, "env", "[]"},
		{"a broken environment does not count", func(t *testing.T, _ *network, m *Method) {
			m.AccessKey, m.AccessSecret = "user", "canary-user+/secret"
			t.Setenv("ALICLOUD_ROLE_SESSION_EXPIRATION", "soon")
		}, "user", "[]"},
		{"assumed role", func(_ *testing.T, _ *network, m *Method) {
			m.AccessKey, m.AccessSecret = "user", "canary-user+/secret"
			m.RoleARN, m.RoleSessionName, m.RoleSessionExpiration = "acs:ram::1:role/app", "name", 15*time.Minute
		}, "STS.role-900", "[sts.aliyuncs.com AssumeRole]"},
		{"assumed role, defaults", func(t *testing.T, _ *network, m *Method) {
			t.Setenv("ALICLOUD_ACCESS_KEY", "user")
			t.Setenv("ALICLOUD_SECRET_KEY", "canary-user+/secret")
			t.Setenv("ALICLOUD_ROLE_ARN", "acs:ram::1:role/app")
		}, "STS.role-3600", "[sts.aliyuncs.com AssumeRole]"},
		{"instance", func(_ *testing.T, c *network, _ *Method) { c.role = "web" }, "inst1", "[]"},
		{"hardened instance", func(_ *testing.T, c *network, _ *Method) { c.role, c.hardened = "web", true }, "inst1", "[]"},
		{"instance's role by name", func(_ *testing.T, c *network, m *Method) { c.role, m.RoleName = "web", "web" }, "inst1", "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, m := setup(t)
			c.set(t, cl, m)
			for range 2 { // a request can be sent once only
				a, err := m.Login(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if a.ClientToken.Reveal() != "canary-token" || cl.identity != c.signer {
					t.Errorf("signed by %q: %+v", cl.identity, a)
				}
			}
			if got := fmt.Sprint(cl.asked[:len(cl.asked)/2]); got != c.asked {
				t.Errorf("asked %s", got)
			}
		})
	}
}

func TestKeyPair(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString(der)
	for name, text := range map[string]string{
		"base64": b64, "broken lines": b64[:64] + "\n" + b64[64:] + "\n",
		"PKCS 8": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"PKCS 1": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	} {
		t.Run(name, func(t *testing.T) {
			c, m := setup(t)
			c.public = &key.PublicKey
			m.PrivateKey, m.PublicKeyID, m.SessionExpiration = text, "pair-1", 20*time.Minute
			if _, err := m.Login(context.Background()); err != nil {
				t.Fatal(err)
			}
			if c.identity != "TMPSK.pair-1200" {
				t.Errorf("signed by %q", c.identity)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	user := func(_ *network, m *Method) {
		m.AccessKey, m.AccessSecret, m.RoleARN = "user", "canary-user+/secret", "acs:ram::1:role/app"
	}
	for _, c := range []struct {
		name, want string
		set        func(*network, *Method)
	}{
		{"nothing", "alicloud: no credentials: environment: it has neither ALICLOUD_ACCESS_KEY and ALICLOUD_SECRET_KEY nor a role or key pair; configuration: it has neither access_key and access_secret nor a role or key pair; instance metadata: meta-data/ram/security-credentials/: status 404", func(*network, *Method) {}},
		{"no such role", "instance metadata: meta-data/ram/security-credentials/web: status 404", func(_ *network, m *Method) { m.RoleName = "web" }},
		{"no credentials for the role", "the answer for the RAM role web holds no credentials", func(c *network, m *Method) { c.role, c.instance = "web", credential{} }},
		{"wrong secret for the role", `assume the role acs:ram::1:role/app: sts.aliyuncs.com answers with status 400, code "SignatureDoesNotMatch"`, func(c *network, m *Method) {
			user(c, m)
			m.AccessSecret = "canary-wrong"
		}},
		{"not allowed", `status 403, code "NoPermission", request "r-1"`, func(c *network, m *Method) {
			user(c, m)
			c.fail = func(string) (int, string) {
				return 403, `{"Code":"NoPermission","RequestId":"r-1","Message":"canary-message"}`
			}
		}},
		{"no JSON", "the answer of sts.aliyuncs.com is no JSON", func(c *network, m *Method) {
			user(c, m)
			c.fail = func(string) (int, string) { return 200, "canary-html" }
		}},
		{"empty", "assume the role acs:ram::1:role/app: the answer holds no credentials", func(c *network, m *Method) {
			user(c, m)
			c.fail = func(string) (int, string) { return 200, "{}" }
		}},
		{"broken key", "private_key is neither PEM nor base64", func(_ *network, m *Method) { m.PrivateKey, m.PublicKeyID = "canary-%%", "pair-1" }},
		{"no key", "private_key is not an RSA key in PKCS #8", func(_ *network, m *Method) { m.PrivateKey, m.PublicKeyID = "Y2FuYXJ5LWRlcg==", "pair-1" }},
		// The token service repeats what was signed, and Vault passes it on.
		{"refused by the service", "log in at auth/ali/login: error making upstream request: received 400 checking caller identity: ", func(_ *network, m *Method) {
			m.AccessKey, m.AccessSecret, m.AccessToken = "env", "canary-wrong", "canary-env+token/ *~"
		}},
		{"Vault offline", `Post "https://sts.eu-central-1.aliyuncs.com/?[redacted]": dial tcp: no route to host`, func(c *network, m *Method) {
			m.AccessKey, m.AccessSecret, m.AccessToken, c.offline = "env", "canary-env", "canary-env+token/ *~", true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, m := setup(t)
			c.set(cl, m)
			_, err := m.Login(context.Background())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if s := fmt.Sprint(err); strings.Contains(s, "canary-") || strings.Contains(s, "canary%") || strings.Contains(s, "\n") {
				t.Errorf("a secret or a new line in %q", s)
			}
		})
	}
}

// TestNetwork: an error of the network holds no URL, for the URL is signed.
func TestNetwork(t *testing.T) {
	_, m := setup(t)
	m.AccessKey, m.AccessSecret, m.AccessToken, m.RoleARN = "user", "canary-secret", "canary-token", "acs:ram::1:role/app"
	m.Transport = broken{}
	_, err := m.Login(context.Background())
	if err == nil || err.Error() != "alicloud: assume the role acs:ram::1:role/app: connection refused" {
		t.Errorf("got %v", err)
	}
}

type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

func TestWatch(t *testing.T) {
	c, m := setup(t)
	c.role = "web"
	m.CredentialPollInterval = 20 * time.Second
	synctest.Test(t, func(t *testing.T) {
		if _, err := m.Login(context.Background()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var calls []time.Duration
		start := time.Now()
		go m.Watch(ctx, func() { calls = append(calls, time.Since(start)) })
		set := func(role, key string) {
			c.mu.Lock()
			c.role, c.instance = role, c.keys[key]
			c.mu.Unlock()
		}
		time.Sleep(50 * time.Second)
		set("web", "inst2")
		time.Sleep(50 * time.Second)
		set("", "inst2") // the metadata server has nothing for a while
		time.Sleep(50 * time.Second)
		set("web", "inst1")
		time.Sleep(50 * time.Second)
		cancel()
		synctest.Wait()
		if got := fmt.Sprint(calls); got != "[1m0s 2m40s]" {
			t.Errorf("changed at %s", got)
		}
	})
}
