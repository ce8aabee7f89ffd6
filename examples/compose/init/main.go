// Command init prepares the servers of the compose example and keeps Vault
// unsealed; its image calls it vault-init.
//
//	vault-init               initialises, unseals and configures Vault and the
//	                         database, delivers RoleID and SecretID, then stays and
//	                         unseals Vault again whenever it was restarted
//	vault-init credentials   makes, once, what the servers need when they start:
//	                         the database's root password, Vault's certificate
//	vault-init check         0 when everything is prepared: the health check
//
// It does what people do in production, with the keys in their hands or in a
// key management service: the unseal key and the root token lie in a volume
// here, which only this program mounts.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Where the volumes are in the container. prepared is in memory that is the
// container's own: it is gone when the program is started again.
const (
	keysDir      = "/keys"
	passwordFile = "/database-password/password"
	tlsDir       = "/vault-tls" // certificate and key
	caDir        = "/vault-ca"  // the authority's certificate
	deliverDir   = "/run/renderer"
	prepared     = "/run/vault-init/prepared"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, os.Args[1:], log); err != nil && ctx.Err() == nil {
		log.Error("vault-init ends", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, log *slog.Logger) error {
	switch {
	case len(args) == 0:
		return serve(ctx, log)
	case len(args) == 1 && args[0] == "credentials":
		return makeCredentials()
	case len(args) == 1 && args[0] == "check":
		_, err := os.Stat(prepared)
		return err
	}
	return fmt.Errorf("unknown arguments %q: there are credentials and check", args)
}

// serve prepares everything, then keeps Vault unsealed until ctx ends.
func serve(ctx context.Context, log *slog.Logger) error {
	o, err := readOptions(os.Getenv)
	if err != nil {
		return err
	}
	s, err := newServer(keysDir, log)
	if err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := o.prepare(ctx, s, log); err != nil {
		return err
	}
	if err := os.WriteFile(prepared, nil, 0o600); err != nil {
		return err
	}
	log.Info("prepared: the renderer may log in")
	for pause(ctx) {
		if err := s.open(ctx); err != nil && ctx.Err() == nil {
			log.Error("Vault may be sealed; trying again", "error", err)
		}
	}
	return nil
}
