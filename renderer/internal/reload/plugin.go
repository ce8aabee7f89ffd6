package reload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// pluginTime is how long a template's plugin may run, as in consul-template.
const pluginTime = 30 * time.Second

// maxPluginOutput is how much of what it prints is taken.
const maxPluginOutput = 64 << 20

// Output runs a program for a template and gives what it prints. Its errors
// say nothing of its arguments, which may be secrets.
func Output(ctx context.Context, name string, args, env []string) (string, error) {
	out := &bounded{left: maxPluginOutput}
	p := &program{argv: append([]string{name}, args...), env: env, stdout: out, stderr: os.Stderr, timeout: pluginTime}
	switch err := p.run(ctx); {
	case errors.Is(err, errNoProgram):
		return "", fmt.Errorf("plugin: %w", err)
	case err != nil:
		return "", fmt.Errorf("plugin: command %s: %w", name, err)
	}
	return out.String(), nil
}

// bounded is a buffer that refuses to grow without end.
type bounded struct {
	bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		return 0, io.ErrShortBuffer
	}
	b.left -= len(p)
	return b.Buffer.Write(p)
}
