package aws_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth/aws"
	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
)

// login logs in and gives who signed the request, and for which region.
func login(t *testing.T, m *aws.Method, v *cloudtest.Vault, secret string, mustSign ...string) (accessKey, scope string, s signed) {
	t.Helper()
	a, err := m.Login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.ClientToken.Reveal() != "canary-token" || v.Path != "PUT /v1/auth/aws/login" {
		t.Fatalf("%v at %s", a, v.Path)
	}
	body := v.Last(t)
	if body["role"] != "app" || len(body) != 5 {
		t.Fatalf("body: %v", body)
	}
	s = signedIn(t, body)
	if s.method != "POST" || s.body != "Action=GetCallerIdentity&Version=2011-06-15" {
		t.Fatalf("request: %+v", s)
	}
	accessKey, scope, err = s.verify(secret, mustSign...)
	if err != nil {
		t.Fatal(err)
	}
	return accessKey, scope, s
}

func TestPlaces(t *testing.T) {
	const served = `{"Code":"Success","AccessKeyId":"AKSERVED","SecretAccessKey":"canary-served","Token":"canary-session","Expiration":"2999-01-01T00:00:00Z"}`
	tests := map[string]struct {
		set     func(t *testing.T, m *aws.Method)
		key     string
		secret  string
		session bool
	}{
		"configuration": {func(t *testing.T, m *aws.Method) {
			m.AccessKey, m.SecretKey, m.SessionToken = "AKCONF", "canary-conf", "canary-session"
			t.Setenv("AWS_ACCESS_KEY_ID", "AKENV")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-env")
		}, "AKCONF", "canary-conf", true},
		"environment": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_ACCESS_KEY_ID", "AKENV")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-env")
		}, "AKENV", "canary-env", false},
		"credentials file": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", cloudtest.Write(t, "credentials",
				"[other]\naws_access_key_id=no\naws_secret_access_key=no\n[default]\n# words\naws_access_key_id = AKFILE\r\naws_secret_access_key=canary=file\naws_session_token=canary-session\n"))
		}, "AKFILE", "canary=file", true},
		"profile in the config file": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_PROFILE", "app")
			t.Setenv("AWS_CONFIG_FILE", cloudtest.Write(t, "config",
				"[app]\naws_access_key_id=no\n[profile app]\naws_access_key_id=AKPROFILE\naws_secret_access_key=canary-profile\n"))
		}, "AKPROFILE", "canary-profile", false},
		"container": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", cloudtest.Write(t, "token", "canary-container\n"))
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", cloudtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "canary-container" {
					http.Error(w, "no", http.StatusForbidden)
					return
				}
				_, _ = io.WriteString(w, served)
			}))+"/v1/credentials")
		}, "AKSERVED", "canary-served", true},
		"instance": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloudtest.Serve(t, &imds{role: "app", creds: served}))
		}, "AKSERVED", "canary-served", true},
		"instance without tokens": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloudtest.Serve(t, &imds{role: "app", creds: served, without: true}))
		}, "AKSERVED", "canary-served", true},
		"web identity": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", cloudtest.Write(t, "token", "canary-oidc"))
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app")
			t.Setenv("AWS_ENDPOINT_URL_STS", cloudtest.Serve(t, http.HandlerFunc(sts)))
		}, "AKSTS", "canary-sts", true},
		"web identity of a profile": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_ENDPOINT_URL_STS", cloudtest.Serve(t, http.HandlerFunc(sts)))
			t.Setenv("AWS_CONFIG_FILE", cloudtest.Write(t, "config",
				"[default]\nrole_arn=arn:aws:iam::123456789012:role/app\nweb_identity_token_file="+cloudtest.Write(t, "token", "canary-oidc")))
		}, "AKSTS", "canary-sts", true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m, v, _ := method(t)
			m.HeaderValue = "vault.example.com"
			tc.set(t, m)
			must := []string{"x-vault-aws-iam-server-id", "content-type"}
			if tc.session {
				must = append(must, "x-amz-security-token")
			}
			key, scope, s := login(t, m, v, tc.secret, must...)
			if key != tc.key || !strings.HasSuffix(scope, "/eu-central-1/sts/aws4_request") {
				t.Errorf("signed by %s for %s", key, scope)
			}
			if got := s.header.Get("X-Vault-AWS-IAM-Server-ID"); got != "vault.example.com" {
				t.Errorf("server id %q", got)
			}
			if s.url.String() != "https://sts.amazonaws.com/" {
				t.Errorf("url %s", s.url)
			}
		})
	}
}

// sts exchanges the one token that it knows.
func sts(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodPost || r.FormValue("Action") != "AssumeRoleWithWebIdentity" || r.FormValue("Version") != "2011-06-15",
		r.FormValue("RoleArn") != "arn:aws:iam::123456789012:role/app", !regexp.MustCompile(`^[\w+=,.@-]{2,64}$`).MatchString(r.FormValue("RoleSessionName")):
		http.Error(w, "bad request", http.StatusBadRequest)
	case r.FormValue("WebIdentityToken") != "canary-oidc":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>Not mine: %s</Message></Error></ErrorResponse>`, r.FormValue("WebIdentityToken"))
	default:
		_, _ = io.WriteString(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>AKSTS</AccessKeyId><SecretAccessKey>canary-sts</SecretAccessKey><SessionToken>canary-session</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`)
	}
}

// TestSTSHost: the hosts and scopes that Vault Agent 1.21 was seen to use.
func TestSTSHost(t *testing.T) {
	for _, tc := range []struct{ region, regional, host, scope string }{
		{"", "", "sts.amazonaws.com", "us-east-1"},
		{"us-east-1", "", "sts.amazonaws.com", "us-east-1"},
		{"eu-west-1", "", "sts.amazonaws.com", "eu-west-1"},
		{"eu-west-1", "regional", "sts.eu-west-1.amazonaws.com", "eu-west-1"},
		{"ap-east-1", "", "sts.ap-east-1.amazonaws.com", "ap-east-1"},
		{"us-gov-west-1", "", "sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"},
		{"cn-north-1", "", "sts.cn-north-1.amazonaws.com.cn", "cn-north-1"},
		{"mars-1", "", "sts.mars-1.amazonaws.com", "mars-1"},
	} {
		t.Run(tc.region+tc.regional, func(t *testing.T) {
			m, v, _ := method(t)
			t.Setenv("AWS_REGION", "ap-south-1") // not Vault Agent's business
			t.Setenv("AWS_STS_REGIONAL_ENDPOINTS", tc.regional)
			m.Region, m.AccessKey, m.SecretKey = tc.region, "AK", "canary-secret"
			_, scope, s := login(t, m, v, "canary-secret")
			if s.url.String() != "https://"+tc.host+"/" || strings.Split(scope, "/")[1] != tc.scope {
				t.Errorf("%s %s", s.url, scope)
			}
			if got := s.header.Values("X-Vault-AWS-IAM-Server-ID"); len(got) != 0 {
				t.Errorf("server id %q", got)
			}
		})
	}
}

func TestNoCredentials(t *testing.T) {
	tests := map[string]struct {
		set  func(t *testing.T, m *aws.Method)
		want string
	}{
		"nowhere":  {func(*testing.T, *aws.Method) {}, `no credentials found: access_key and secret_key are not set; AWS_ACCESS_KEY_ID and .* not set; .*instance metadata at http://127.0.0.1:1: .*connection refused.*hop limit`},
		"half":     {func(_ *testing.T, m *aws.Method) { m.SecretKey = "canary-half" }, `access_key and secret_key belong together`},
		"bad type": {func(_ *testing.T, m *aws.Method) { m.Type = "ecs" }, `type "ecs" is unknown: it is iam or ec2`},
		"no role": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloudtest.Serve(t, &imds{}))
		}, `the instance has no role`},
		"metadata disabled": {func(t *testing.T, _ *aws.Method) { t.Setenv("AWS_EC2_METADATA_DISABLED", "true") }, `AWS_EC2_METADATA_DISABLED is set`},
		"ec2, metadata disabled": {func(t *testing.T, m *aws.Method) {
			m.Type = "ec2"
			t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
		}, `AWS_EC2_METADATA_DISABLED is set`},
		"ec2, metadata down": {func(_ *testing.T, m *aws.Method) { m.Type = "ec2" }, `instance metadata at http://127.0.0.1:1: .*refused`},
		"ended": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloudtest.Serve(t, &imds{
				role:  "app",
				creds: `{"Code":"Success","AccessKeyId":"AK","SecretAccessKey":"canary-old","Token":"canary-old","Expiration":"2001-01-01T00:00:00Z"}`,
			}))
		}, `the credentials from the instance's role app ended at 2001-01-01T00:00:00Z`},
		"assume failed": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloudtest.Serve(t, &imds{role: "app", creds: `{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role app"}`}))
		}, `AssumeRoleUnauthorizedAccess EC2 cannot assume the role app`},
		"not JSON": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloudtest.Serve(t, &imds{role: "app", creds: `canary-garbage`}))
		}, `not in the form of credentials`},
		"token refused": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", cloudtest.Write(t, "token", "canary-wrong"))
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app")
			t.Setenv("AWS_ENDPOINT_URL_STS", cloudtest.Serve(t, http.HandlerFunc(sts)))
		}, `role arn:aws:iam::123456789012:role/app .*InvalidIdentityToken \(Not mine: \[redacted\]\)`},
		"no token": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app")
		}, `web identity token file: open /nowhere/token: no such file`},
		"token in the clear": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", cloudtest.Write(t, "token", "canary-oidc"))
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app")
			t.Setenv("AWS_ENDPOINT_URL_STS", "http://192.0.2.1")
		}, `AWS_ENDPOINT_URL_STS is not an https address`},
		"no such profile": {func(t *testing.T, _ *aws.Method) { t.Setenv("AWS_PROFILE", "gone") }, `profile "gone", which AWS_PROFILE names, is in none of the shared files`},
		"unsupported profile": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_PROFILE", "x")
			t.Setenv("AWS_CONFIG_FILE", cloudtest.Write(t, "config", "[profile x]\nsso_session=y\n"))
		}, `other ways \(source_profile, sso, credential_process\) are not supported`},
		"container elsewhere": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/x")
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-container")
		}, `names 192.0.2.1: without https only`},
		"container refuses": {func(t *testing.T, _ *aws.Method) {
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", cloudtest.Serve(t, http.NotFoundHandler()))
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-container")
		}, `the container's endpoint http://127.0.0.1:\d+: status 404`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m, v, _ := method(t)
			tc.set(t, m)
			_, err := m.Login(t.Context())
			if err == nil || !regexp.MustCompile(`^aws: .*`+tc.want).MatchString(err.Error()) {
				t.Fatalf("%v", err)
			}
			if strings.Contains(err.Error(), "canary") || len(v.Bodies) != 0 {
				t.Errorf("%v; Vault was sent %v", err, v.Bodies)
			}
		})
	}
}

func TestEC2(t *testing.T) {
	m, v, _ := method(t)
	m.Type = "ec2"
	md := &imds{}
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloudtest.Serve(t, md)+"/")
	var nonce any
	for range 2 {
		if _, err := m.Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		body := v.Last(t)
		doc, _ := base64.StdEncoding.DecodeString(fmt.Sprint(body["identity"]))
		if !json.Valid(doc) || body["signature"] != "line1\nline2" || body["role"] != "app" || len(body) != 4 {
			t.Fatalf("body: %v", body)
		}
		if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(fmt.Sprint(body["nonce"])) {
			t.Errorf("nonce %v", body["nonce"])
		}
		if nonce != nil && body["nonce"] != nonce {
			t.Error("the nonce changed")
		}
		nonce = body["nonce"]
	}
	m.Nonce = "mine"
	if _, err := m.Login(t.Context()); err != nil || v.Last(t)["nonce"] != "mine" {
		t.Errorf("nonce %v: %v", v.Last(t)["nonce"], err)
	}
	if len(md.asked) != 9 {
		t.Errorf("asked %q", md.asked)
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, log := method(t)
		path := os.Getenv("HOME") + "/creds"
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", path)
		keys := func(secret string) {
			if err := os.WriteFile(path, []byte("[default]\naws_access_key_id=AK\naws_secret_access_key="+secret), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		keys("canary-1")
		if _, err := m.Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		var changes atomic.Int32
		go m.Watch(t.Context(), func() { changes.Add(1) })
		pass := func(d time.Duration, want int32) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if n := changes.Load(); n != want {
				t.Fatalf("%d changes, not %d", n, want)
			}
		}
		pass(10*time.Minute, 0)
		keys("canary-2")
		pass(59*time.Second, 0)
		pass(time.Second, 1)
		if _, err := m.Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(5*time.Minute, 1)
		t.Setenv("AWS_PROFILE", "gone")
		pass(5*time.Minute, 1)
		if n := strings.Count(log.String(), "could not be looked at"); n != 1 || strings.Contains(log.String(), "canary") {
			t.Errorf("log:\n%s", log)
		}
	})
}

// TestWatchWebIdentity: the token counts, and STS is left alone.
func TestWatchWebIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, _ := method(t)
		token := cloudtest.Write(t, "token", "canary-oidc")
		t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
		t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app")
		asked := 0
		m.Transport = roundTrip(func(r *http.Request) { asked++ })
		if _, err := m.Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.CredentialPollInterval = 10 * time.Second
		var changes atomic.Int32
		go m.Watch(t.Context(), func() { changes.Add(1) })
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := changes.Load(); n != 0 || asked != 1 {
			t.Errorf("%d changes, %d exchanges", n, asked)
		}
		if err := os.WriteFile(token, []byte("canary-next"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := changes.Load(); n != 1 || asked != 1 {
			t.Errorf("%d changes, %d exchanges", n, asked)
		}
	})
}

func TestWatchEC2Waits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, _ := method(t)
		m.Type = "ec2"
		go m.Watch(t.Context(), func() { t.Error("changed") })
		time.Sleep(time.Hour)
	})
}
