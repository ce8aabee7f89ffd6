package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/vault/api"
)

// server is Vault, and what opens it.
type server struct {
	*api.Client
	keys string // file; holds the unseal key and the root token
	log  *slog.Logger
}

// keys are what Vault says once, when it is initialised.
type keys struct {
	Unseal string `json:"unseal_key"`
	Root   string `json:"root_token"`
}

// newServer takes the address from VAULT_ADDR.
func newServer(dir string, log *slog.Logger) (*server, error) {
	c, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		return nil, err
	}
	return &server{Client: c, keys: filepath.Join(dir, "keys.json"), log: log}, nil
}

// open initialises Vault if it is new and unseals it if it is sealed. It waits
// for a Vault that does not answer.
func (s *server) open(ctx context.Context) error {
	status, err := s.Sys().SealStatusWithContext(ctx)
	for told := false; err != nil; status, err = s.Sys().SealStatusWithContext(ctx) {
		if !told {
			s.log.Info("waiting for Vault", "address", s.Address(), "error", err)
			told = true
		}
		if !pause(ctx) {
			return ctx.Err()
		}
	}
	if !status.Initialized {
		if err := s.initialise(ctx); err != nil {
			return fmt.Errorf("initialise Vault: %w", err)
		}
	}
	if status.Initialized && !status.Sealed && s.Token() != "" {
		return nil
	}
	k, err := s.load()
	if err != nil {
		return err
	}
	s.SetToken(k.Root)
	if _, err := s.Sys().UnsealWithContext(ctx, k.Unseal); err != nil {
		return fmt.Errorf("unseal Vault: %w", err)
	}
	s.log.Info("Vault is unsealed")
	return s.active(ctx)
}

// initialise makes one key for one person, which is enough to look at.
func (s *server) initialise(ctx context.Context) error {
	r, err := s.Sys().InitWithContext(ctx, &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		return err
	}
	raw, err := json.Marshal(keys{Unseal: r.KeysB64[0], Root: r.RootToken})
	if err != nil {
		return err
	}
	return writeFile(s.keys, raw, 0o600)
}

func (s *server) load() (k keys, err error) {
	raw, err := os.ReadFile(s.keys)
	if errors.Is(err, fs.ErrNotExist) {
		return k, errors.New("this Vault was initialised before, and its keys are gone with their volume: docker-compose down -v begins anew")
	}
	if err == nil {
		err = json.Unmarshal(raw, &k)
	}
	return k, err
}

// active waits until an unsealed Vault does its work.
func (s *server) active(ctx context.Context) error {
	for {
		h, err := s.Sys().HealthWithContext(ctx)
		if err == nil && h.Initialized && !h.Sealed && !h.Standby {
			return nil
		}
		if !pause(ctx) {
			return ctx.Err()
		}
	}
}

// pause waits a second, or says that ctx ended.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Second):
		return true
	}
}
