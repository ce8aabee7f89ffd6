package tmpl

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // a checksum that configurations ask for
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	sockaddrtmpl "github.com/hashicorp/go-sockaddr/template"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

func trim(cut, s string) string       { return strings.Trim(s, cut) }
func trimPrefix(pre, s string) string { return strings.TrimPrefix(s, pre) }
func trimSuffix(suf, s string) string { return strings.TrimSuffix(s, suf) }

// toTitle makes the first letter of each word a capital and leaves the others.
func toTitle(s string) string { return cases.Title(language.Und, cases.NoLower).String(s) }

var errNoBase64 = errors.New("the value is not of that encoding")

func decode(e *base64.Encoding, s string) (string, error) {
	b, err := e.DecodeString(s)
	if err != nil {
		return "", errNoBase64
	}
	return string(b), nil
}

func base64Decode(s string) (string, error)    { return decode(base64.StdEncoding, s) }
func base64URLDecode(s string) (string, error) { return decode(base64.URLEncoding, s) }
func base64Encode(s string) string             { return base64.StdEncoding.EncodeToString([]byte(s)) }

func base64URLEncode(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) }

func sha256Hex(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func md5sum(s string) string {
	h := md5.Sum([]byte(s)) //nolint:gosec // as above
	return hex.EncodeToString(h[:])
}

func hmacSHA256Hex(message, key string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(message))
	return hex.EncodeToString(h.Sum(nil))
}

// split gives no element for an empty text.
func split(sep, s string) []string {
	s = strings.TrimSpace(s)
	if s == "" {
		return []string{}
	}
	return strings.Split(s, sep)
}

// splitToMap leaves out what has no second separator.
func splitToMap(between, within, s string) map[string]string {
	out := map[string]string{}
	for _, pair := range split(between, s) {
		if k, v, found := strings.Cut(pair, within); found {
			out[k] = v
		}
	}
	return out
}

func compile(re string) (*regexp.Regexp, error) {
	r, err := regexp.Compile(re)
	if err != nil {
		return nil, &libraryError{"the regular expression is not valid", err}
	}
	return r, nil
}

func regexMatch(re, s string) (bool, error) {
	r, err := compile(re)
	if err != nil {
		return false, err
	}
	return r.MatchString(s), nil
}

var errNotParsed = errors.New("the value is not of that form")

// parsed is the rule of parseBool, parseFloat, parseInt and parseUint: nothing
// is zero.
func parsed[T any](s string, parse func(string) (T, error)) (T, error) {
	var zero T
	if s == "" {
		return zero, nil
	}
	v, err := parse(s)
	if err != nil {
		return zero, errNotParsed
	}
	return v, nil
}

func parseBool(s string) (bool, error) { return parsed(s, strconv.ParseBool) }

func parseFloat(s string) (float64, error) {
	return parsed(s, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
}

func parseInt(s string) (int64, error) {
	return parsed(s, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
}

func parseUint(s string) (uint64, error) {
	return parsed(s, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) })
}

func timestamp(layout ...string) (string, error) {
	now := time.Now().UTC()
	switch {
	case len(layout) == 0:
		return now.Format(time.RFC3339), nil
	case len(layout) > 1:
		return "", fmt.Errorf("at most one layout, not %d", len(layout))
	case layout[0] == "unix":
		return strconv.FormatInt(now.Unix(), 10), nil
	}
	return now.Format(layout[0]), nil
}

// sockaddr asks the host's addresses in go-sockaddr's template language.
func sockaddr(words ...string) (string, error) {
	out, err := sockaddrtmpl.Parse("{{ " + strings.Join(words, " ") + " }}")
	if err != nil {
		return "", &libraryError{"the go-sockaddr template is not valid", err}
	}
	return out, nil
}
