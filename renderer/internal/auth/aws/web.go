package aws

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
)

// webIdentity is a token of another identity provider (a Kubernetes service
// account's, for example) and the role that it stands for.
type webIdentity struct{ tokenFile, roleARN, session string }

func (w webIdentity) token() (string, error) {
	raw, err := os.ReadFile(w.tokenFile)
	if err != nil {
		return "", fmt.Errorf("web identity token file: %w", err)
	}
	t := strings.TrimSpace(string(raw))
	if t == "" {
		return "", fmt.Errorf("web identity token file %s is empty", w.tokenFile)
	}
	return t, nil
}

// print is that of the token as it is now; a token that can't be read differs
// from every other one.
func (w webIdentity) print() fingerprint {
	t, _ := w.token()
	return printOf(w.roleARN, t)
}

// webIdentityOfEnvironment is what Amazon's Kubernetes gives its pods.
func webIdentityOfEnvironment(ctx context.Context, exchange exchanger) (*found, error) {
	w := webIdentity{
		tokenFile: os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), roleARN: os.Getenv("AWS_ROLE_ARN"),
		session: os.Getenv("AWS_ROLE_SESSION_NAME"),
	}
	if w.tokenFile == "" {
		return nil, errNotThere{"AWS_WEB_IDENTITY_TOKEN_FILE is not set"}
	}
	if w.roleARN == "" {
		return nil, fmt.Errorf("AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not")
	}
	return exchange(ctx, w)
}

// exchangeToken has STS give credentials for the token.
func (m *Method) exchangeToken(ctx context.Context, w webIdentity) (*found, error) {
	token, err := w.token()
	if err != nil {
		return nil, err
	}
	if w.session == "" {
		w.session = "vault-renderer"
	}
	form := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"},
		"RoleArn": {w.roleARN}, "RoleSessionName": {w.session}, "WebIdentityToken": {token},
	}
	endpoint, err := m.stsEndpoint()
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("role %s with the token in %s at %s", w.roleARN, w.tokenFile, endpoint)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("%s: not an address", what)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := cloud.Send(r, cloud.Public, m.Transport)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if a.Status != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", what, stsError(a.Status, a.Body, token))
	}
	var says struct {
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		} `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
	}
	if err := xml.Unmarshal(a.Body, &says); err != nil || says.Credentials.SecretAccessKey == "" {
		return nil, fmt.Errorf("%s: the answer holds no credentials", what)
	}
	c := says.Credentials
	f := foundIn("STS", credentials{c.AccessKeyID, c.SecretAccessKey, c.SessionToken}, c.Expiration)
	f.print = printOf(w.roleARN, token)
	return f, nil
}

// stsEndpoint is where tokens are exchanged: in the pod's own region, which a
// private network reaches. A token goes over TLS, or stays on the machine.
func (m *Method) stsEndpoint() (string, error) {
	e := firstEnv("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL")
	if e == "" {
		region := firstEnv("AWS_REGION", "AWS_DEFAULT_REGION")
		if region == "" {
			region = m.region()
		}
		return "https://" + regionalHost(region) + "/", nil
	}
	u, err := url.Parse(e)
	if err != nil || u.Scheme != "https" && !cloud.IsLoopback(u.Hostname()) {
		return "", fmt.Errorf("AWS_ENDPOINT_URL_STS is not an https address")
	}
	return e, nil
}

// stsError is what STS says of a refused request.
func stsError(status int, raw []byte, secret string) string {
	var e struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	if xml.Unmarshal(raw, &e) != nil || e.Code == "" {
		return fmt.Sprintf("status %d", status)
	}
	return strings.ReplaceAll(fmt.Sprintf("%s (%s)", e.Code, e.Message), secret, "[redacted]")
}
