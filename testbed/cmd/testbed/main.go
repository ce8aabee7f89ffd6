// Command testbed prepares and runs the servers that the demo, the tests and
// the benchmarks use: a real MariaDB and a real Vault on loopback.
//
//	testbed deps [mariadb] [chromium] [compiler]   install what is missing from Debian's packages
//	testbed vault-binary                           print the path of a Vault binary, building it if needed
//	testbed start                                  run MariaDB and Vault, prepared for the note application
//
// It never touches servers that were there before, and it is no part of the
// product.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"vault-renderer/testbed/vaultserver"
)

const usage = `usage: testbed deps [mariadb] [chromium] [compiler]
       testbed vault-binary
       testbed start
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	if errors.Is(err, errUsage) {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	fmt.Fprintf(os.Stderr, "testbed: error: %v\n", err)
	os.Exit(1)
}

var errUsage = errors.New("usage")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "deps":
		return deps(ctx, args[1:], stderr)
	case "vault-binary":
		path, err := vaultserver.Binary(ctx, vaultserver.BinaryOptions{Progress: stderr})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(stdout, path)
		return err
	case "start":
		return start(ctx, stdout, stderr)
	}
	return errUsage
}
