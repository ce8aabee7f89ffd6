package legacy

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/tied"
)

// image is what a Dockerfile says.
type image struct {
	copies     [][2]string
	env        []string
	entrypoint []string
	cmd        []string
}

func (h *host) image() (*image, error) {
	text, err := h.source("container/Dockerfile")
	if err != nil {
		return nil, err
	}
	img := &image{}
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		var err error
		switch word {
		case "", "#", "FROM", "USER", "STOPSIGNAL", "HEALTHCHECK":
		case "COPY":
			args := strings.Fields(rest)
			img.copies = append(img.copies, [2]string(args[len(args)-2:]))
		case "ENV":
			img.env = append(img.env, strings.Fields(h.local(rest))...)
		case "ENTRYPOINT":
			err = json.Unmarshal([]byte(rest), &img.entrypoint)
		case "CMD":
			err = json.Unmarshal([]byte(h.local(rest)), &img.cmd)
		default:
			err = fmt.Errorf("unknown instruction")
		}
		if err != nil {
			return nil, fmt.Errorf("Dockerfile: %s: %w", word, err)
		}
	}
	return img, nil
}

// installImage does what the Dockerfile says. The agent's program is there
// already; the application is a script.
func installImage(h *host) error {
	img, err := h.image()
	if err != nil {
		return err
	}
	for _, c := range img.copies {
		switch c[0] {
		case h.program:
			if _, err = os.Stat(h.path(c[1])); err != nil {
				return err
			}
			continue
		case "notes":
			err = h.script(c[1], `echo "$* $NOTES_API_URL" >/run/notes/started && exec sleep 600`)
		default:
			var text string
			if text, err = h.source("container/" + c[0]); err != nil {
				return err
			}
			err = h.place(c[1], text, 0o755)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// runEntrypoint runs the container until its application is there, and ends
// the agent in it.
func runEntrypoint(t *testing.T, h *host) *outcome {
	t.Helper()
	img, err := h.image()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	buf := &capture.Buffer{}
	argv := append(img.entrypoint, img.cmd...)
	cmd := exec.Command(h.path("usr/local/bin/"+argv[0]), argv[1:]...)
	cmd.Dir, cmd.Env = h.root, append(h.environ(), img.env...)
	cmd.Stdout, cmd.Stderr = buf, buf
	cmd.WaitDelay = time.Second
	ended, err := tied.Start(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	}()
	out := &outcome{}
	err = func() error {
		if err := h.ready(ctx, ended); err != nil {
			return err
		}
		if out.working, err = h.settled(ctx, ended); err != nil {
			return err
		}
		return h.endAgent(ctx, out)
	}()
	out.output = buf.String()
	if err != nil {
		t.Error(err)
	}
	return out
}

// endAgent ends the agent beside the application. It is the application's
// child, so that its exit code is not to be had; a clean end removes pid_file.
func (h *host) endAgent(ctx context.Context, out *outcome) error {
	b, err := os.ReadFile(h.path("run/notes/agent.pid"))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	err = await(ctx, nil, func() error {
		if h.has("run/notes/agent.pid") {
			return fmt.Errorf("pid_file is still there")
		}
		return nil
	})
	if err != nil {
		return err
	}
	out.ended, err = h.look()
	return err
}
