package alicloud

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
)

// The hosts that give sessions; Vault itself asks the region's.
const (
	hostAssumeRole = "sts.aliyuncs.com"
	hostSessionKey = "sts.ap-northeast-1.aliyuncs.com" // the only one that has RSA key pairs
)

// stsHost is the region's host: Vault accepts requests for no other.
func stsHost(region string) string { return "sts." + region + ".aliyuncs.com" }

// signed gives the URL of a signed request (the cloud's RPC style, signature
// version 1.0).
func signed(method, host, region, action string, params map[string]string, cred credential, now time.Time) (string, error) {
	q, err := common(region, action, params, cred.id, now)
	if err != nil {
		return "", err
	}
	q.Set("SignatureMethod", "HMAC-SHA1")
	if cred.token != "" {
		q.Set("SecurityToken", cred.token)
	}
	mac := hmac.New(sha1.New, []byte(cred.secret+"&"))
	mac.Write([]byte(toSign(method, q)))
	q.Set("Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return "https://" + host + "/?" + q.Encode(), nil
}

// signedRSA is signed with a key pair.
func signedRSA(method, host, region, action string, params map[string]string, keyID string, key *rsa.PrivateKey, now time.Time) (string, error) {
	q, err := common(region, action, params, keyID, now)
	if err != nil {
		return "", err
	}
	q.Set("SignatureMethod", "SHA256withRSA")
	q.Set("SignatureType", "PRIVATEKEY")
	sum := sha256.Sum256([]byte(toSign(method, q)))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign with private_key: %w", err)
	}
	q.Set("Signature", base64.StdEncoding.EncodeToString(sig))
	return "https://" + host + "/?" + q.Encode(), nil
}

// common are the parameters of every request.
func common(region, action string, params map[string]string, keyID string, now time.Time) (url.Values, error) {
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	q := url.Values{
		"Action": {action}, "Version": {"2015-04-01"}, "Format": {"JSON"}, "RegionId": {region},
		"AccessKeyId": {keyID}, "SignatureVersion": {"1.0"}, "SignatureNonce": {hex.EncodeToString(nonce)},
		"Timestamp": {now.UTC().Format("2006-01-02T15:04:05Z")},
	}
	for k, v := range params {
		q.Set(k, v)
	}
	return q, nil
}

// toSign is what is signed: Values.Encode sorts by key, as the protocol wants.
func toSign(method string, q url.Values) string {
	return method + "&%2F&" + url.QueryEscape(strings.NewReplacer("+", "%20", "*", "%2A").Replace(q.Encode()))
}

// assumeRole gives a session of the source's role.
func (m *Method) assumeRole(ctx context.Context, s source) (credential, error) {
	name := s.sessionName
	if name == "" {
		name = "vault-renderer"
	}
	params := map[string]string{"RoleArn": s.roleARN, "RoleSessionName": name, "DurationSeconds": seconds(s.roleFor)}
	u, err := signed(http.MethodPost, hostAssumeRole, m.Region, "AssumeRole", params, s.credential, time.Now())
	if err != nil {
		return credential{}, err
	}
	var out struct {
		Credentials struct{ AccessKeyID, AccessKeySecret, SecurityToken string }
	}
	if err := m.call(ctx, "assume the role "+s.roleARN, u, &out); err != nil {
		return credential{}, err
	}
	c := credential{out.Credentials.AccessKeyID, out.Credentials.AccessKeySecret, out.Credentials.SecurityToken}
	if c.id == "" || c.secret == "" || c.token == "" {
		return credential{}, fmt.Errorf("assume the role %s: the answer holds no credentials", s.roleARN)
	}
	return c, nil
}

// sessionKey gives a session of an RSA key pair.
func (m *Method) sessionKey(ctx context.Context, s source) (credential, error) {
	key, err := parseKey(s.privateKey)
	if err != nil {
		return credential{}, err
	}
	params := map[string]string{"PublicKeyId": s.keyID, "DurationSeconds": seconds(s.keyFor)}
	u, err := signedRSA(http.MethodPost, hostSessionKey, m.Region, "GenerateSessionAccessKey", params, s.keyID, key, time.Now())
	if err != nil {
		return credential{}, err
	}
	var out struct {
		SessionAccessKey struct{ SessionAccessKeyID, SessionAccessKeySecret string }
	}
	what := "get a session of the key pair " + s.keyID
	if err := m.call(ctx, what, u, &out); err != nil {
		return credential{}, err
	}
	c := credential{id: out.SessionAccessKey.SessionAccessKeyID, secret: out.SessionAccessKey.SessionAccessKeySecret}
	if c.id == "" || c.secret == "" {
		return credential{}, fmt.Errorf("%s: the answer holds no credentials", what)
	}
	return c, nil
}

// parseKey reads private_key: PKCS #8 in base64, with or without its PEM lines.
func parseKey(text string) (*rsa.PrivateKey, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if block, _ := pem.Decode([]byte(text)); block != nil {
		der, err = block.Bytes, nil
	}
	if err != nil {
		return nil, errors.New("private_key is neither PEM nor base64")
	}
	key, err := cloud.RSAKey(der)
	if err != nil {
		return nil, fmt.Errorf("private_key %w in PKCS #8", err)
	}
	return key, nil
}

// call sends a signed request of ours and reads the answer into out.
func (m *Method) call(ctx context.Context, what, u string, out any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, cloud.Cause(err))
	}
	r.Header.Set("Accept", "application/json")
	a, err := cloud.Send(r, cloud.Public, m.Transport)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if a.Status != http.StatusOK {
		// The message may repeat what was signed: only the code is told.
		var e struct {
			Code      string
			RequestID string
		}
		_ = json.Unmarshal(a.Body, &e)
		return fmt.Errorf("%s: %s answers with status %d, code %q, request %q", what, r.URL.Host, a.Status, e.Code, e.RequestID)
	}
	if json.Unmarshal(a.Body, out) != nil {
		return fmt.Errorf("%s: the answer of %s is no JSON", what, r.URL.Host)
	}
	return nil
}

func seconds(d time.Duration) string {
	if d <= 0 {
		d = time.Hour
	}
	return strconv.Itoa(int(d / time.Second))
}
