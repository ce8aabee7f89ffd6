package destination

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Umask is the process's umask; 0 where the system does not tell. Asking the
// kernel by setting it would change it for other goroutines.
func Umask() fs.FileMode {
	raw, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, "Umask:"); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(v), 8, 32)
			return fs.FileMode(n) & fs.ModePerm
		}
	}
	return 0
}
