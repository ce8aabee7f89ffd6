package e2e

import (
	"os"
	"testing"
	"time"
)

// seedConfig and seedTemplate have the form of the files of the proof of
// concept that this project grew from.
const seedConfig = `
vault {
  address = "http://vault-server:8200"
}

pid_file = "./pidfile"

auto_auth {
  method {
    type = "approle"
    config = {
      role_id_file_path   = "/vault-agent/ids/role_id"
      secret_id_file_path = "/vault-agent/ids/secret_id"
    }
  }
  sink "file" {
    config = { path = "/vault-agent/vault-token-via-agent" }
  }
}

template {
  source      = "/vault-agent/config.tmpl"
  destination = "/webapp/config.ini"
}
`

const seedTemplate = `{{ with secret "database/creds/mysql-role" }}
[DATABASE]
MYSQL_DB = notes_webapp
MYSQL_HOST = database
MYSQL_USER = {{ .Data.username }}
MYSQL_PASSWORD = {{ .Data.password }}
{{ end }}
`

// wait lets a server be away for a while: here the passing of time is the test.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
