package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

// execRole passes a secret on by descriptor and becomes the command in ARGV.
func execRole() int {
	f, err := SecretFD("secret", []byte(canary))
	if err != nil {
		fmt.Println(err)
		return 90
	}
	fd, err := Inherit(f)
	if err != nil {
		fmt.Println(err)
		return 91
	}
	var argv []string
	if err := json.Unmarshal([]byte(os.Getenv("ARGV")), &argv); err != nil {
		return 92
	}
	err = Exec(argv, merge(withoutRole(), []string{"FD=" + itoa(fd)}), os.Getenv("DIR"))
	fmt.Println(err)
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	return 93
}

func TestExec(t *testing.T) {
	for name, c := range map[string]struct {
		argv      []string
		dir, want string
		code      int
	}{
		"a script":       {[]string{"cat /proc/self/fd/$FD; pwd; exit 5"}, "/", canary + "/\n", 5},
		"arguments":      {[]string{"sh", "-c", `cat <&$FD; echo " $1"; kill -TERM $$`, "sh", "a b"}, "", canary + " a b\n", -1},
		"not found":      {[]string{"no-such-program"}, "", "not found in the directories of PATH", 127},
		"not executable": {[]string{"/etc/passwd"}, "", "not executable", 126},
		"no directory":   {[]string{"true"}, "/no/such", "/no/such: no such file", 93},
	} {
		t.Run(name, func(t *testing.T) {
			argv, err := json.Marshal(c.argv)
			if err != nil {
				t.Fatal(err)
			}
			cmd := as(t, "exec", "ARGV="+string(argv), "DIR="+c.dir)
			out, _ := cmd.Output()
			if !strings.Contains(string(out), c.want) || cmd.ProcessState.ExitCode() != c.code {
				t.Errorf("got code %d and %q", cmd.ProcessState.ExitCode(), out)
			}
		})
	}
}

func TestSecretFD(t *testing.T) {
	f, err := SecretFD("secret", []byte(canary))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if b, err := io.ReadAll(f); err != nil || string(b) != canary {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.EPERM) {
		t.Errorf("writing: %v", err)
	}
	if err := f.Truncate(1); !errors.Is(err, syscall.EPERM) {
		t.Errorf("truncating: %v", err)
	}
}
