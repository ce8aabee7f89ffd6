package main

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// makeCredentials makes what the servers need when they start: the database's
// root password and Vault's certificate. What is there stays. Each lies in a
// volume that only its server mounts, under a user of its own image: hence the
// modes.
func makeCredentials() error {
	if err := unless(passwordFile, func() error {
		return writeFile(passwordFile, []byte(rand.Text()), 0o444)
	}); err != nil {
		return err
	}
	return unless(filepath.Join(tlsDir, "vault.crt"), func() error {
		c, err := newCertificate("vault-server")
		if err != nil {
			return err
		}
		return errors.Join( // the one that is looked for comes last
			writeFile(filepath.Join(caDir, "ca.crt"), c.authority, 0o444),
			writeFile(filepath.Join(tlsDir, "vault.key"), c.key, 0o444),
			writeFile(filepath.Join(tlsDir, "vault.crt"), c.certificate, 0o444),
		)
	})
}

// unless calls do if there is no such file.
func unless(path string, do func() error) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return do()
	}
	return err
}
