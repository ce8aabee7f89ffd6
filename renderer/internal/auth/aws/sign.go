package aws

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// request is one to STS, with all that a signature covers. It has no query.
type request struct {
	method, host, region string
	body                 string
	header               http.Header
}

func (r request) url() string { return "https://" + r.host + "/" }

// callerIdentity is the request that tells its sender's identity. serverID
// makes it worthless for another Vault server.
func callerIdentity(region, serverID string) request {
	r := request{
		method: http.MethodPost, region: region, host: stsHost(region),
		body:   "Action=GetCallerIdentity&Version=2011-06-15",
		header: http.Header{},
	}
	r.header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.header.Set("Content-Length", strconv.Itoa(len(r.body)))
	if serverID != "" {
		r.header.Set("X-Vault-AWS-IAM-Server-ID", serverID)
	}
	return r
}

// sign adds the headers of AWS's signature, version 4, to the request. Every
// header that is there is signed.
func (r request) sign(c credentials, now time.Time) {
	now = now.UTC()
	r.header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	if c.sessionToken != "" {
		r.header.Set("X-Amz-Security-Token", c.sessionToken)
	}
	names, canonical := r.canonical()
	scope := now.Format("20060102") + "/" + r.region + "/sts/aws4_request"
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", now.Format("20060102T150405Z"), scope, hexSHA256(canonical)}, "\n")

	key := []byte("AWS4" + c.secretKey)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	r.header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.accessKey+"/"+scope+
		", SignedHeaders="+names+", Signature="+hex.EncodeToString(mac(key, toSign)))
}

// canonical gives the signed headers' names and the form of the request that
// both sides compute the signature of.
func (r request) canonical() (names, form string) {
	lines := map[string]string{"host": r.host}
	sorted := []string{"host"}
	for k, v := range r.header {
		k = strings.ToLower(k)
		lines[k] = strings.Join(strings.Fields(strings.Join(v, ",")), " ")
		sorted = append(sorted, k)
	}
	slices.Sort(sorted)
	var b strings.Builder
	for _, k := range sorted {
		b.WriteString(k + ":" + lines[k] + "\n")
	}
	names = strings.Join(sorted, ";")
	return names, strings.Join([]string{r.method, "/", "", b.String(), names, hexSHA256(r.body)}, "\n")
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// stsHost is the host that Vault Agent names in the request: the global one in
// the regions that are older than regional ones, unless the environment asks
// for the region's own. The signature's region is always the configured one.
func stsHost(region string) string {
	if os.Getenv("AWS_STS_REGIONAL_ENDPOINTS") != "regional" && oldRegion(region) {
		return "sts.amazonaws.com"
	}
	return regionalHost(region)
}

func oldRegion(region string) bool {
	switch region {
	case "ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "aws-global", "ca-central-1",
		"eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
		"us-east-1", "us-east-2", "us-west-1", "us-west-2":
		return true
	}
	return false
}

func regionalHost(region string) string {
	if region == "aws-global" {
		return "sts.amazonaws.com"
	}
	domain := "amazonaws.com"
	for _, p := range [...][2]string{
		{"cn-", "amazonaws.com.cn"},
		{"us-iso-", "c2s.ic.gov"},
		{"us-isob-", "sc2s.sgov.gov"},
		{"eu-isoe-", "cloud.adc-e.uk"},
		{"us-isof-", "csp.hci.ic.gov"},
	} {
		if strings.HasPrefix(region, p[0]) {
			domain = p[1]
		}
	}
	return "sts." + region + "." + domain
}
