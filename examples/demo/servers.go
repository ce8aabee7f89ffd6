package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/testbed/bootstrap"
	"vault-renderer/testbed/devvault"
	"vault-renderer/testbed/mariadb"
	"vault-renderer/testbed/vaultserver"
)

// vault is a running Vault of either kind.
type vault struct {
	name   string // for the summary
	addr   string
	client *api.Client // may do everything
	stop   func() error
}

// startMariaDB leaves a private server in d.db.
func (d *demo) startMariaDB(ctx context.Context) (err error) {
	if err := d.needMariaDB(ctx); err != nil {
		return err
	}
	d.db, err = mariadb.Start(ctx, mariadb.Options{})
	if err != nil {
		return err
	}
	d.say(fromDemo, "MariaDB listens on %s", d.db.Addr())
	return nil
}

// startVault leaves a real or the built-in Vault in d.vault.
func (d *demo) startVault(ctx context.Context) error {
	binary, err := d.vaultBinary(ctx)
	switch {
	case err != nil:
		return err
	case binary != "":
		d.vault, err = d.startReal(ctx, binary)
	default:
		if d.o.vault != "dev" {
			d.say(fromDemo, "no real Vault at hand: using devvault, a small one in memory that makes real MySQL accounts too")
			d.say(fromDemo, "for the real one: make demo VAULT=real (builds it first: about 10 minutes, once)")
		}
		d.vault, err = startDev()
	}
	if err != nil {
		return err
	}
	d.say(fromDemo, "%s listens on %s", d.vault.name, strings.TrimPrefix(d.vault.addr, "http://"))
	return nil
}

// vaultBinary is the real Vault to use; "" means the built-in one.
func (d *demo) vaultBinary(ctx context.Context) (string, error) {
	if d.o.vault == "dev" {
		return "", nil
	}
	progress := &lines{each: func(s string) { d.say(fromDemo, "%s", s) }}
	binary, err := vaultserver.Binary(ctx, vaultserver.BinaryOptions{NoBuild: d.o.vault != "real", Progress: progress})
	if errors.Is(err, vaultserver.ErrNotFound) {
		return "", nil
	}
	return binary, err
}

func (d *demo) startReal(ctx context.Context, binary string) (*vault, error) {
	name := "Vault (real)"
	if out, err := exec.CommandContext(ctx, binary, "version").Output(); err == nil {
		if f := strings.Fields(string(out)); len(f) > 1 {
			name = fmt.Sprintf("%s %s (real)", f[0], strings.Trim(f[1], "v,"))
		}
	}
	// In memory: its directory holds the key that unseals it.
	s, err := vaultserver.Start(ctx, vaultserver.Options{Binary: binary, Dir: d.w.mem + "/vault"})
	if err != nil {
		return nil, err
	}
	return &vault{name: name, addr: s.Addr(), client: s.Client(), stop: s.Stop}, nil
}

// startDev serves the built-in Vault on loopback.
func startDev() (*vault, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := devvault.New(devvault.Options{Database: devvault.MySQL{}})
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	v := &vault{name: "devvault (in memory)", addr: "http://" + l.Addr().String()}
	v.stop = func() error {
		err := srv.Close()
		s.Close()
		if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
			err = errors.Join(err, serr)
		}
		return err
	}
	conf := api.DefaultConfig()
	conf.Address, conf.AgentAddress, conf.MaxRetries = v.addr, "", 0
	if v.client, err = api.NewClient(conf); err != nil {
		return nil, errors.Join(err, v.stop())
	}
	v.client.SetToken(s.RootToken())
	v.client.ClearNamespace()
	return v, nil
}

// bootstrap prepares both servers and delivers role_id and secret_id.
func (d *demo) bootstrap(ctx context.Context) error {
	_, err := bootstrap.Run(ctx, bootstrap.Options{
		Client:    d.vault.client,
		MySQLAddr: d.db.Addr(), MySQLRootUser: "root", MySQLRootPassword: d.db.RootPassword(),
		DeliverDir: d.w.run(),
		TokenTTL:   d.o.tokenTTL, TokenMaxTTL: d.o.tokenMax,
		LeaseTTL: d.o.leaseTTL, LeaseMaxTTL: d.o.leaseMax,
	})
	if err != nil {
		return err
	}
	d.say(fromDemo, "Vault is set up: credentials live %v, %v at most; tokens %v, %v at most",
		d.o.leaseTTL, d.o.leaseMax, d.o.tokenTTL, d.o.tokenMax)
	return nil
}

// freePort prefers a port.
func freePort(want int) (string, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", want))
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// rendererArgs: the log is for the timeline, so flags change its format and
// level; all else is the project's configuration.
func rendererArgs() []string {
	return []string{"agent", "-config=config.hcl", "-config=hook.hcl", "-log-format=json", "-log-level=debug"}
}

func (d *demo) rendererCommand() (*exec.Cmd, error) {
	host, port, err := net.SplitHostPort(d.db.Addr())
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(d.w.mem+"/hook.hcl", []byte(hookConfig), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(d.w.bin("vault-renderer"), rendererArgs()...)
	cmd.Dir = d.w.mem
	cmd.Env = cleanEnv("VAULT_ADDR="+d.vault.addr, "MYSQL_HOST="+host, "MYSQL_PORT="+port)
	return cmd, nil
}

// hookConfig adds to config.hcl, whose application needs no hook, a file for
// one that does. It shares the lease, so both files change together.
const hookConfig = `
template "current-user" {
  contents    = "{{ with secret \"database/creds/mysql-role\" }}{{ .Data.username }}{{ end }}"
  destination = "run/current-user"
  perms       = 0600

  exec {
    command = ["sh", "-c", "echo \"told that the user is now $(cat run/current-user)\""]
    timeout = "10s"
  }
}
`

func (d *demo) webappCommand() *exec.Cmd {
	cmd := exec.Command(d.w.bin("webapp"), "-config=run/config.ini", "-ack=run/webapp.ack", "-listen="+d.page, "-log-format=json")
	cmd.Dir = d.w.mem
	cmd.Env = cleanEnv()
	return cmd
}
