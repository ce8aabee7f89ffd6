// Command vault-renderer logs in to HashiCorp Vault, renders templates from
// its secrets into files, keeps both fresh, and tells the application, so that
// credentials change under it and nothing breaks.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"vault-renderer/renderer/internal/child"
	"vault-renderer/renderer/internal/report"
)

// version is set by the Makefile.
var version = "dev"

func main() {
	if code, ran := child.Trampoline(os.Args, os.Stderr); ran {
		os.Exit(code)
	}
	// A core dump would write secrets to a disk.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	collect(whileStarting)
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `Usage: vault-renderer <command> [options]

Commands:
  agent      log in, render templates, keep them fresh, tell the application;
             with an exec block or "-- COMMAND" start and supervise it
  exec       render once, then become the command behind --
  validate   say everything that is wrong with a configuration
  render     render templates from made-up secrets, without Vault: for tests
  plan       show what rendering would change, and write nothing
  policy     print the Vault policy that the templates need, or check it
  status     say how a running agent is, or wait until it is ready
  version    print the version
  help       print this

  agent generate-config   write a configuration from secrets that exist

Start with:  vault-renderer validate -config=config.hcl
             vault-renderer agent -config=config.hcl
"vault-renderer agent -h" explains the options.
`

func command(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 1
	}
	switch args[0] {
	case "agent":
		if len(args) > 1 && args[1] == "generate-config" {
			return runGenerate(args[2:], stdout, stderr)
		}
		return runAgent(args[1:], stdout, stderr)
	case "exec":
		return runExec(args[1:], stdout, stderr)
	case "validate":
		return runValidate(args[1:], stdout, stderr)
	case "render":
		return runRender(args[1:], stdout, stderr)
	case "plan":
		return runPlan(args[1:], stdout, stderr)
	case "policy":
		return runPolicy(args[1:], stdout, stderr)
	case "status":
		return runStatus(args[1:], stdout, stderr)
	case "version", "-version", "--version", "-v":
		fmt.Fprintln(stdout, "vault-renderer "+version+goVersion())
		return 0
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return 0
	}
	report.Error(stderr, unknown(args[0]))
	return 1
}

// unknown explains a command that is not here; by the name of vault the program
// is called with any of Vault's.
func unknown(command string) error {
	err := fmt.Errorf("unknown command %q", command)
	if filepath.Base(os.Args[0]) == "vault" {
		return report.WithHint(err, "this is vault-renderer under the name of vault: of Vault's commands it has agent and version")
	}
	return report.WithHint(err, `the commands are agent, exec, validate, render, plan, policy, status, version and help; try "vault-renderer agent -h"`)
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return " (" + info.GoVersion + ")"
	}
	return ""
}

// refused reports what is wrong with a command's flags and gives the exit code.
// A cry for help has been answered.
func refused(stderr io.Writer, err error) int {
	if !errors.Is(err, flag.ErrHelp) {
		report.Error(stderr, err)
	}
	return flagError(err)
}

// flagError tells a flag mistake from a cry for help.
func flagError(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	return 1
}
