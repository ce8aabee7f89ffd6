package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// secrecy looks for every secret of the running stack in what the containers
// have said and in what the engine tells of them.
func (t *trial) secrecy(ctx context.Context) error {
	secrets, err := t.secrets(ctx)
	if err != nil {
		return err
	}
	ids, err := t.compose(ctx, "ps", "-q")
	if err != nil {
		return err
	}
	settings, err := t.output(ctx, append([]string{"docker", "inspect"}, strings.Fields(ids)...)...)
	if err != nil {
		return err
	}
	logs, err := t.compose(ctx, "logs", "--no-color")
	if err != nil {
		return err
	}
	if !strings.Contains(logs, "rendered") || !strings.Contains(settings, t.project) {
		return errors.New("logs or settings are incomplete")
	}
	for what, secret := range secrets {
		if strings.Contains(logs, secret) {
			err = errors.Join(err, fmt.Errorf("the logs hold %s", what))
		}
		if strings.Contains(settings, secret) {
			err = errors.Join(err, fmt.Errorf("the settings of the containers hold %s", what))
		}
	}
	return err
}

// secrets are those that lie in volumes.
func (t *trial) secrets(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	for what, at := range map[string][2]string{
		"the database's root password": {"database", "/database-password/password"},
		"the wrapping token":           {"renderer", "/run/renderer/secret_id"},
		"the account's password":       {"renderer", "/run/notes/config.ini"},
		"Vault's keys":                 {"vault-init", "/keys/keys.json"},
	} {
		text, err := t.file(ctx, at[0], at[1])
		if err != nil {
			return nil, err
		}
		out[what] = strings.TrimSpace(text)
	}
	password := regexp.MustCompile(`(?m)^MYSQL_PASSWORD = (.+)$`).FindStringSubmatch(out["the account's password"])
	var keys map[string]string
	if err := json.Unmarshal([]byte(out["Vault's keys"]), &keys); err != nil || password == nil {
		return nil, errors.Join(errors.New("no password or no keys"), err)
	}
	delete(out, "Vault's keys")
	out["the account's password"] = password[1]
	out["the unseal key"], out["the root token"] = keys["unseal_key"], keys["root_token"]
	for what, secret := range out {
		if len(secret) < 10 {
			return nil, fmt.Errorf("%s is no secret: %d characters", what, len(secret))
		}
	}
	return out, nil
}

// file reads a file of a container that may have no program to do so.
func (t *trial) file(ctx context.Context, service, path string) (string, error) {
	id, err := t.compose(ctx, "ps", "-q", service)
	if err != nil {
		return "", err
	}
	archive, err := t.output(ctx, "docker", "cp", strings.TrimSpace(id)+":"+path, "-")
	if err != nil {
		return "", err
	}
	r := tar.NewReader(strings.NewReader(archive))
	if _, err := r.Next(); err != nil {
		return "", err
	}
	content, err := io.ReadAll(r)
	return string(content), err
}
