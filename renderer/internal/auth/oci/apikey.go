package oci

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// apiKey finds a user's signing key where the cloud's own tools look for it:
// the profile DEFAULT of ~/.oci/config, else of the file that OCI_CONFIG_FILE
// names, else of ~/.obmcs/config, else the environment (TF_VAR_...).
func (m *Method) apiKey() (signer, error) {
	for _, path := range []string{m.inHome(".oci/config"), os.Getenv("OCI_CONFIG_FILE"), m.inHome(".obmcs/config")} {
		raw, err := os.ReadFile(path)
		switch {
		case path == "" || errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return signer{}, fmt.Errorf("configuration file: %w", err)
		}
		s, err := m.fromProfile(raw)
		if err != nil {
			return signer{}, fmt.Errorf("configuration file %s: %w", path, err)
		}
		return s, nil
	}
	s, err := m.fromEnv()
	if err != nil {
		return signer{}, fmt.Errorf("no configuration file (~/.oci/config, or what OCI_CONFIG_FILE names), and %w", err)
	}
	return s, nil
}

// inHome gives a path below the home directory that the system has for the
// user, whatever HOME says.
func (m *Method) inHome(path string) string {
	home := m.home
	if home == "" {
		if u, err := user.Current(); err == nil {
			home = u.HomeDir
		} else {
			home = os.Getenv("HOME")
		}
	}
	if home == "" {
		return ""
	}
	return filepath.Join(home, path)
}

// expand gives a path that may begin with ~.
func (m *Method) expand(path string) string {
	if rest, found := strings.CutPrefix(path, "~/"); found {
		return m.inHome(rest)
	}
	return path
}

// fromProfile reads the profile DEFAULT of a configuration file.
func (m *Method) fromProfile(raw []byte) (signer, error) {
	p, found := profile(raw, "DEFAULT")
	if !found {
		return signer{}, errors.New("it has no profile [DEFAULT]")
	}
	if p["key_file"] == "" {
		return signer{}, errors.New("profile [DEFAULT] has no key_file")
	}
	key, err := readKey(m.expand(p["key_file"]), p["pass_phrase"])
	if err != nil {
		return signer{}, fmt.Errorf("key_file: %w", err)
	}
	if p["user"] == "" && p["security_token_file"] != "" {
		path := m.expand(p["security_token_file"])
		token, err := os.ReadFile(path)
		if err != nil {
			return signer{}, fmt.Errorf("security_token_file: %w", err)
		}
		return signer{"ST$" + strings.TrimSpace(string(token)), key}, nil
	}
	for _, k := range []string{"tenancy", "user", "fingerprint"} {
		if p[k] == "" {
			return signer{}, fmt.Errorf("profile [DEFAULT] has no %s", k)
		}
	}
	return signer{p["tenancy"] + "/" + p["user"] + "/" + p["fingerprint"], key}, nil
}

// profile reads the keys and values of one section.
func profile(raw []byte, name string) (values map[string]string, found bool) {
	values = map[string]string{}
	in := false
	for sc := bufio.NewScanner(bytes.NewReader(raw)); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		if strings.HasPrefix(line, "[") {
			if in {
				break
			}
			section, _, _ := strings.Cut(line[1:], "]")
			in = section == name
			found = found || in
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if !in || !ok {
			continue
		}
		k = strings.ToLower(strings.TrimSpace(k))
		if k == "passphrase" {
			k = "pass_phrase"
		}
		values[k] = strings.TrimSpace(v)
	}
	return values, found
}

// fromEnv reads the variables that Terraform has for the cloud.
func (m *Method) fromEnv() (signer, error) {
	env := func(name string) string { return os.Getenv("TF_VAR_" + name) }
	for _, name := range []string{"tenancy_ocid", "user_ocid", "fingerprint", "private_key_path"} {
		if env(name) == "" {
			return signer{}, fmt.Errorf("the environment variable TF_VAR_%s is not set", name)
		}
	}
	key, err := readKey(m.expand(env("private_key_path")), env("private_key_password"))
	if err != nil {
		return signer{}, fmt.Errorf("TF_VAR_private_key_path: %w", err)
	}
	return signer{env("tenancy_ocid") + "/" + env("user_ocid") + "/" + env("fingerprint"), key}, nil
}
