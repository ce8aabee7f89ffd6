package tied

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// With this variable the test binary is the parent that is killed.
const parentMode = "TIED_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(parentMode) == "" {
		os.Exit(m.Run())
	}
	child := exec.Command("sleep", "100")
	if _, err := Start(child, nil); err != nil {
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString(strconv.Itoa(child.Process.Pid) + "\n")
	select {}
}

func TestChildEndsWithParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentMode+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	stat := "/proc/" + strings.TrimSpace(line) + "/stat"
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		b, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the child lives on")
		}
	}
}

func TestEndIsReported(t *testing.T) {
	var end error
	done, err := Start(exec.Command("false"), func(err error) { end = err })
	if err != nil {
		t.Fatal(err)
	}
	<-done
	if end == nil {
		t.Error("no error of a program that failed")
	}
	if _, err := Start(exec.Command("/no/such/program"), nil); err == nil {
		t.Error("no error of a program that is not there")
	}
}
