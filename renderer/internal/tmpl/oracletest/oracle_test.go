// Package oracletest asks consul-template itself whether the answers that are
// recorded in the snippets of tmpl's tests are its own. It builds the module
// testbed/oracle, whose dependencies nothing else here has.
package oracletest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// answer is what a template gave; any error is like any other.
type answer struct {
	Output, Error string
	Missing       bool
	Files         []string
}

// To record the answers anew: go run . -update ../../renderer/internal/tmpl/testdata/oracle
// in testbed/oracle, then look at what changed.
func TestRecordedAnswersAreConsulTemplates(t *testing.T) {
	snippets, err := filepath.Abs(filepath.Join("..", "testdata", "oracle"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", ".", snippets)
	cmd.Dir = filepath.Join("..", "..", "..", "..", "testbed", "oracle")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	count := 0
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v struct {
			Name             string
			Same             bool
			Answer, Recorded answer
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		count++
		if !v.Same {
			t.Errorf("%s: consul-template gives %+v, recorded is %+v", v.Name, v.Answer, v.Recorded)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if count < 300 {
		t.Errorf("only %d snippets", count)
	}
}
