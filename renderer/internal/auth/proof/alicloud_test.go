package proof

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"vault-renderer/renderer/internal/auth/alicloud"
	"vault-renderer/renderer/internal/vault"
)

// aliyun is Alibaba Cloud's token service, which Vault asks for the caller's
// identity, and the metadata server of an instance.
type aliyun struct {
	mu      sync.Mutex
	secrets map[string]string // by AccessKeyId
	tokens  map[string]string // by AccessKeyId, of sessions
	arns    map[string]string // by AccessKeyId
	nonces  map[string]bool
	asked   []string // who asked for what
}

func (a *aliyun) sts(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := r.URL.Query()
	id, action := q.Get("AccessKeyId"), q.Get("Action")
	a.asked = append(a.asked, r.Host+" "+action)
	reply := func(status int, body map[string]any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	switch {
	case r.Method != http.MethodPost || a.nonces[q.Get("SignatureNonce")]:
		reply(400, map[string]any{"Code": "SignatureNonceUsed"})
		return
	case a.secrets[id] == "":
		reply(404, map[string]any{"Code": "InvalidAccessKeyId.NotFound"})
		return
	case q.Get("SecurityToken") != a.tokens[id] || q.Get("Signature") != aliSignature(q, a.secrets[id]):
		reply(400, map[string]any{"Code": "SignatureDoesNotMatch", "Message": "server string to sign is:POST&%2F&" + url.QueryEscape(r.URL.RawQuery)})
		return
	}
	a.nonces[q.Get("SignatureNonce")] = true
	switch action {
	case "AssumeRole":
		id := "STS." + q.Get("RoleSessionName")
		a.secrets[id], a.tokens[id] = "canary-session", "canary-session-token"
		a.arns[id] = strings.Replace(q.Get("RoleArn"), ":role/", ":assumed-role/", 1) + "/" + q.Get("RoleSessionName")
		reply(200, map[string]any{"Credentials": map[string]string{
			"AccessKeyId": id, "AccessKeySecret": a.secrets[id], "SecurityToken": a.tokens[id],
		}})
	case "GetCallerIdentity":
		reply(200, map[string]any{"Arn": a.arns[id], "AccountId": "1", "PrincipalId": "p:" + id, "IdentityType": "AssumedRoleUser"})
	default:
		reply(404, map[string]any{"Code": "InvalidAction"})
	}
}

// aliSignature signs a query as the documentation has it.
func aliSignature(q url.Values, secret string) string {
	c := url.Values{}
	for k, v := range q {
		if k != "Signature" {
			c[k] = v
		}
	}
	canonical := strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(c.Encode())
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte("POST&%2F&" + url.QueryEscape(canonical)))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (a *aliyun) metadata(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/latest/meta-data/ram/security-credentials/":
		_, _ = w.Write([]byte("web"))
	case "/latest/meta-data/ram/security-credentials/web":
		_ = json.NewEncoder(w).Encode(map[string]string{
			"Code": "Success", "AccessKeyId": "STS.instance", "AccessKeySecret": "canary-instance", "SecurityToken": "canary-instance-token",
		})
	default:
		w.WriteHeader(404)
	}
}

func (s *suite) alicloud(t *testing.T, n *internet) {
	a := &aliyun{
		secrets: map[string]string{"user": "canary-user", "STS.instance": "canary-instance"},
		tokens:  map[string]string{"STS.instance": "canary-instance-token"},
		arns:    map[string]string{"user": "acs:ram::1:user/ann", "STS.instance": "acs:ram::1:assumed-role/web/vm-1"},
		nonces:  map[string]bool{},
	}
	n.add(t, "sts.eu-central-1.aliyuncs.com", a.sts)
	n.add(t, "sts.aliyuncs.com", a.sts)
	n.add(t, "100.100.100.200", a.metadata)
	s.mount(t, "alicloud")
	s.put(t, "auth/alicloud/role/app", map[string]any{"arn": "acs:ram::1:role/app", "policies": "proof", "token_ttl": "1h"})
	s.put(t, "auth/alicloud/role/web", map[string]any{"arn": "acs:ram::1:role/web", "policies": "proof", "token_ttl": "1h"})
	log, _ := logger(t)
	method := func() *alicloud.Method {
		return &alicloud.Method{
			Client: s.client(t, vault.Options{}), MountPath: "auth/alicloud", Role: "app", Region: "eu-central-1",
			Log: log, Transport: n.transport(),
		}
	}
	assumed := method()
	assumed.AccessKey, assumed.AccessSecret = "user", "canary-user"
	assumed.RoleARN, assumed.RoleSessionName = "acs:ram::1:role/app", "session-1"
	if got := s.works(t, assumed); got.Metadata["arn"] != "acs:ram::1:assumed-role/app/session-1" {
		t.Errorf("metadata %v", got.Metadata)
	}
	s.works(t, assumed)

	instance := method()
	instance.Role = "web"
	s.works(t, instance)
	a.mu.Lock()
	asked := strings.Join(a.asked, "\n")
	a.mu.Unlock()
	if strings.Count(asked, "sts.eu-central-1.aliyuncs.com GetCallerIdentity") != 3 {
		t.Errorf("Vault asked %s", asked)
	}

	// The role check is Vault's, the signature check the token service's.
	instance.Role = "app"
	s.fails(t, instance, "the caller's arn does not match the role's arn")
	user := method()
	user.AccessKey, user.AccessSecret = "user", "canary-user"
	s.fails(t, user, "auth/alicloud/login")
	wrong := method()
	wrong.AccessKey, wrong.AccessSecret, wrong.AccessToken = "STS.instance", "canary-wrong", "canary-instance-token"
	s.fails(t, wrong, "checking caller identity")
	away := method()
	away.AccessKey, away.AccessSecret, away.AccessToken, away.Region = "STS.instance", "canary-instance", "canary-instance-token", "nowhere"
	s.fails(t, away, "https://sts.nowhere.aliyuncs.com/?[redacted]")
}

// fails wants a login to fail in words, without a secret.
func (s *suite) fails(t *testing.T, m loginer, words ...string) {
	t.Helper()
	_, err := m.Login(t.Context())
	if err == nil {
		t.Fatal("logged in")
	}
	s.says(t, err, words...)
	t.Log(err)
}
