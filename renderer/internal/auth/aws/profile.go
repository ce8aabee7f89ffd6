package aws

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profile gives the credentials of AWS_PROFILE (default) in the files that
// AWS's tools share. The credentials file wins over the config file.
func profile(ctx context.Context, exchange exchanger) (*found, error) {
	name := firstEnv("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
	named := name != ""
	if !named {
		name = "default"
	}
	keys, file, err := profileKeys(name)
	if err != nil {
		return nil, err
	}
	from := fmt.Sprintf("profile %q in %s", name, file)
	id, secret := keys["aws_access_key_id"], keys["aws_secret_access_key"]
	switch {
	case id != "" && secret != "":
		return foundIn(from, credentials{id, secret, keys["aws_session_token"]}, time.Time{}), nil
	case keys["web_identity_token_file"] != "" && keys["role_arn"] != "":
		return exchange(ctx, webIdentity{tokenFile: keys["web_identity_token_file"], roleARN: keys["role_arn"], session: keys["role_session_name"]})
	case !named && (len(keys) == 0 || !meantForLogin(keys)):
		return nil, errNotThere{"there is no profile \"default\" with keys in the shared files"}
	case len(keys) == 0:
		return nil, fmt.Errorf("profile %q, which AWS_PROFILE names, is in none of the shared files (%s)", name, strings.Join(sharedFiles(), ", "))
	}
	return nil, fmt.Errorf("%s holds no aws_access_key_id with aws_secret_access_key and no web_identity_token_file with role_arn; other ways (source_profile, sso, credential_process) are not supported", from)
}

// meantForLogin tells a profile with settings only from one that names
// credentials in a way that is not supported.
func meantForLogin(keys map[string]string) bool {
	for _, k := range [...]string{"role_arn", "credential_process", "sso_session", "sso_start_url", "aws_access_key_id"} {
		if keys[k] != "" {
			return true
		}
	}
	return false
}

// sharedFiles are the config file and the credentials file.
func sharedFiles() []string {
	home, _ := os.UserHomeDir()
	config, creds := os.Getenv("AWS_CONFIG_FILE"), os.Getenv("AWS_SHARED_CREDENTIALS_FILE")
	if config == "" {
		config = filepath.Join(home, ".aws", "config")
	}
	if creds == "" {
		creds = filepath.Join(home, ".aws", "credentials")
	}
	return []string{config, creds}
}

// profileKeys gives a profile's settings and the last file that has it.
func profileKeys(name string) (map[string]string, string, error) {
	keys, file := map[string]string{}, ""
	for i, path := range sharedFiles() {
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) && i == 0 {
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("shared credentials file: %w", err)
		}
		for k, v := range section(raw, name, i == 0) {
			keys[k], file = v, path
		}
	}
	return keys, file, nil
}

// section reads one section of an INI file. Only the config file writes
// "profile " before a name that is not default.
func section(raw []byte, name string, isConfig bool) map[string]string {
	keys, in := map[string]string{}, false
	for s := bufio.NewScanner(bytes.NewReader(raw)); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if h, ok := strings.CutPrefix(line, "["); ok {
			h, _, _ = strings.Cut(h, "]")
			h = strings.TrimSpace(h)
			if rest, prefixed := strings.CutPrefix(h, "profile "); isConfig && prefixed {
				h = strings.TrimSpace(rest)
			} else if isConfig && h != "default" {
				h = ""
			}
			in = h == name
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if !in || !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		keys[strings.ToLower(strings.TrimSpace(k))] = strings.TrimSpace(v)
	}
	return keys
}
