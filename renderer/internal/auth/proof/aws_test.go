package proof

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth/aws"
	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
	"vault-renderer/renderer/internal/vault"
)

const serverID = "vault.example.com"

// aws: Vault sends the signed request on to STS, which knows one key.
func (s *suite) aws(t *testing.T, n *internet) {
	s.mount(t, "aws")
	s.put(t, "auth/aws/config/client", map[string]any{
		"iam_server_id_header_value": serverID,
	})
	s.put(t, "auth/aws/role/app", map[string]any{
		"auth_type": "iam", "bound_iam_principal_arn": "arn:aws:iam::123456789012:role/app",
		"resolve_aws_unique_ids": false, "token_policies": "proof", "token_ttl": "1h",
	})
	s.put(t, "auth/aws/role/other", map[string]any{
		"auth_type": "iam", "bound_iam_principal_arn": "arn:aws:iam::123456789012:role/other", "resolve_aws_unique_ids": false,
	})
	n.add(t, "sts.amazonaws.com", sts)
	log, _ := logger(t)
	method := func() *aws.Method {
		return &aws.Method{
			Client: s.client(t, vault.Options{}), MountPath: "auth/aws", Type: "iam", Role: "app", Region: "us-east-1",
			AccessKey: "AKAPP", SecretKey: "canary-app", SessionToken: "canary-session", HeaderValue: serverID, Log: log,
		}
	}
	a := s.works(t, method())
	if a.Metadata["account_id"] != "123456789012" {
		t.Errorf("metadata %v", a.Metadata)
	}
	for name, tc := range map[string]struct {
		spoil func(*aws.Method)
		words string
	}{
		"wrong key":       {func(m *aws.Method) { m.SecretKey = "canary-wrong" }, "SignatureDoesNotMatch"},
		"wrong server":    {func(m *aws.Method) { m.HeaderValue = "another.example.com" }, serverID},
		"no server":       {func(m *aws.Method) { m.HeaderValue = "" }, "missing header"},
		"another region":  {func(m *aws.Method) { m.Region = "eu-west-1" }, "SignatureDoesNotMatch"},
		"another's role":  {func(m *aws.Method) { m.Role = "other" }, `does not belong to the role "other"`},
		"no such role":    {func(m *aws.Method) { m.Role = "gone" }, "gone"},
		"no such a mount": {func(m *aws.Method) { m.MountPath = "auth/gone" }, "auth/gone"},
	} {
		t.Run(name, func(t *testing.T) {
			m := method()
			tc.spoil(m)
			s.refused(t, m, tc.words)
		})
	}
	t.Run("ec2", s.ec2)
}

// sts answers GetCallerIdentity as Amazon's does: it takes the key's secret,
// computes the signature itself, and compares.
func sts(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	key, err := verifySigV4(r, string(body), map[string]string{"AKAPP": "canary-app", "AKVAULT": "canary-vault"}, "us-east-1/sts")
	w.Header().Set("Content-Type", "text/xml")
	if err != nil || string(body) != "Action=GetCallerIdentity&Version=2011-06-15" {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>%v</Message></Error></ErrorResponse>`, err)
		return
	}
	fmt.Fprintf(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::123456789012:assumed-role/app/session</Arn><UserId>%s:session</UserId><Account>123456789012</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>`, key)
}

// verifySigV4 computes what the signature of a request must be.
func verifySigV4(r *http.Request, body string, secrets map[string]string, scope string) (key string, err error) {
	fields := map[string]string{}
	for f := range strings.SplitSeq(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "), ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(f), "=")
		fields[k] = v
	}
	c := strings.SplitN(fields["Credential"], "/", 3)
	names := strings.Split(fields["SignedHeaders"], ";")
	if len(c) != 3 || c[2] != scope+"/aws4_request" || secrets[c[0]] == "" || !slices.Contains(names, "host") {
		return "", fmt.Errorf("credential %q", fields["Credential"])
	}
	var canonical strings.Builder
	// Amazon takes redundant slashes out of the path; Vault's has one.
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", r.Method, path.Clean(r.URL.EscapedPath()), r.URL.RawQuery)
	for _, name := range names {
		v := r.Header.Get(name)
		switch name {
		case "host":
			v = r.Host
		case "content-length":
			v = fmt.Sprint(len(body))
		}
		fmt.Fprintf(&canonical, "%s:%s\n", name, v)
	}
	fmt.Fprintf(&canonical, "\n%s\n%x", fields["SignedHeaders"], sha256.Sum256([]byte(body)))
	sum := []byte("AWS4" + secrets[c[0]])
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s/%s\n%x", r.Header.Get("X-Amz-Date"), c[1], c[2], sha256.Sum256([]byte(canonical.String())))
	for _, part := range append(append([]string{c[1]}, strings.Split(c[2], "/")...), text) {
		h := hmac.New(sha256.New, sum)
		h.Write([]byte(part))
		sum = h.Sum(nil)
	}
	if !hmac.Equal([]byte(fmt.Sprintf("%x", sum)), []byte(fields["Signature"])) {
		return "", fmt.Errorf("the signature does not match")
	}
	return c[0], nil
}

// ec2: Vault checks the identity document's signature with a certificate of
// the region, and asks EC2 whether the machine is there.
func (s *suite) ec2(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ec2/" {
			sts(w, r)
			return
		}
		_, _ = io.WriteString(w, `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><ownerId>123456789012</ownerId><instancesSet><item>
<instanceId>i-0abc</instanceId><imageId>ami-1</imageId><instanceState><code>16</code><name>running</name></instanceState></item></instancesSet></item></reservationSet></DescribeInstancesResponse>`)
	}))
	defer api.Close()
	key := cloudtest.RSAKey(t)
	cert := selfSigned(t, key)
	s.put(t, "sys/auth/machines", map[string]any{"type": "aws"})
	s.put(t, "auth/machines/config/client", map[string]any{
		"access_key": "AKVAULT", "secret_key": "canary-vault", "endpoint": api.URL + "/ec2/", "sts_endpoint": api.URL, "sts_region": "us-east-1",
	})
	s.put(t, "auth/machines/config/certificate/test", map[string]any{"aws_public_cert": base64.StdEncoding.EncodeToString([]byte(cert)), "type": "identity"})
	s.put(t, "auth/machines/role/machine", map[string]any{
		"auth_type": "ec2", "bound_account_id": "123456789012", "bound_region": "eu-west-1", "token_policies": "proof", "token_ttl": "1h",
	})
	document := `{"accountId":"123456789012","region":"eu-west-1","instanceId":"i-0abc","imageId":"ami-1","pendingTime":"` +
		time.Now().Add(-time.Minute).UTC().Format(time.RFC3339) + `"}`
	sum := sha256.Sum256([]byte(document))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]string{
		"/latest/dynamic/instance-identity/document":  document,
		"/latest/dynamic/instance-identity/signature": base64.StdEncoding.EncodeToString(sig),
	}
	imds := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" && r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") != "":
			_, _ = io.WriteString(w, "canary-imds")
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "canary-imds":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			_, _ = io.WriteString(w, served[r.URL.Path])
		}
	}))
	defer imds.Close()
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.URL)
	log, _ := logger(t)
	method := func() *aws.Method {
		return &aws.Method{Client: s.client(t, vault.Options{}), MountPath: "auth/machines", Type: "ec2", Role: "machine", Region: "us-east-1", Log: log}
	}
	m := method()
	a := s.works(t, m)
	if a.Metadata["role"] != "machine" {
		t.Errorf("metadata %v", a.Metadata)
	}
	s.works(t, m) // the same nonce
	s.refused(t, method(), "client nonce mismatch")
	served["/latest/dynamic/instance-identity/document"] = strings.Replace(document, "i-0abc", "i-0def", 1)
	s.fails(t, m, "signature is unsuccessful") // Vault answers with status 500
}
