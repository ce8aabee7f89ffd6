// Command vault-renderer logs in to HashiCorp Vault, renders templates from
// its secrets into files, keeps both fresh, and tells the application, so that
// credentials change under it and nothing breaks.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"vault-renderer/renderer/internal/report"
)

// version is set by the Makefile.
var version = "dev"

func main() {
	// A core dump would write secrets to a disk.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `Usage: vault-renderer <command> [options]

Commands:
  agent     log in, render templates, keep them fresh, tell the application
  version   print the version
  help      print this

Start with:  vault-renderer agent -config=config.hcl
"vault-renderer agent -h" explains the options.
`

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 1
	}
	switch args[0] {
	case "agent":
		return runAgent(args[1:], stdout, stderr)
	case "version", "-version", "--version", "-v":
		fmt.Fprintln(stdout, "vault-renderer "+version+goVersion())
		return 0
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return 0
	}
	report.Error(stderr, report.WithHint(fmt.Errorf("unknown command %q", args[0]), `the commands are agent, version and help; try "vault-renderer agent -h"`))
	return 1
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return " (" + info.GoVersion + ")"
	}
	return ""
}

// signals gives a context that ends with the first SIGINT or SIGTERM, and
// calls reload for every SIGHUP. A second SIGINT or SIGTERM exits at once.
func signals(reload func()) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		ending := false
		for s := range ch {
			switch {
			case s == syscall.SIGHUP:
				reload()
			case ending:
				os.Exit(128 + int(s.(syscall.Signal)))
			default:
				ending = true
				cancel()
			}
		}
	}()
	return ctx, func() { signal.Stop(ch); close(ch); cancel() }
}

// flagError tells a flag mistake from a cry for help.
func flagError(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	return 1
}
