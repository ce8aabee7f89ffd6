package tmpl

import (
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/vault"
)

// secretive is a View full of canaries, at every depth and of every kind.
type secretive struct{}

func (secretive) Secret(r vault.Request) (*vault.Secret, bool, error) {
	switch r.Method {
	case vault.MethodFile:
		return &vault.Secret{Data: vault.NewData(map[string]any{"content": "first canary-line\nsecond canary-line\n"})}, true, nil
	case vault.MethodList:
		return &vault.Secret{Keys: []string{"canary-key"}}, true, nil
	case vault.MethodPKI:
		return &vault.Secret{Data: vault.NewData(map[string]any{"cert": "canary-cert", "key": "canary-key\n", "ca": "c", "ca_chain": []string{"canary-chain"}})}, true, nil
	}
	return &vault.Secret{
		Data: vault.NewData(map[string]any{
			"pw": "canary-pw", "lines": "canary-a\ncanary-b", "odd": "canary-\"q\"\\\t<é>",
			"b64": "Y2FuYXJ5LWRlY29kZWQ=", "json": `{"a": "canary-inner"`,
			"map": map[string]any{"deep": []any{map[string]any{"x": "canary-deep"}, "canary-elem"}},
		}),
		Auth: &vault.Auth{ClientToken: vault.NewToken("canary-token")},
	}, true, nil
}

// However a template fails, what it was given is not in the error.
func TestErrorsHoldNoSecrets(t *testing.T) {
	for _, use := range []string{
		`.Data.pw`, `.Data.lines`, `.Data.odd`, `(index .Data.map.deep 0).x`, `(index .Data.map.deep 1)`, `.Auth.ClientToken`,
		`(.Data.b64 | base64Decode)`, `(.Data.pw | toUpper | toLower)`, `(printf "%q" .Data.odd)`, `.Data.json`, `.Data`, `.Data.map`,
		`(env "CANARY")`, `(file "f")`, `(secrets "l")`, `(pkiCert "p").Key`, `(pkiCert "p")`, `(plugin "p")`, `(.Data.pw | toJSON)`,
		`(index (file "f" | split "\n") 1)`, `(sprig_b64dec .Data.b64)`,
	} {
		for _, call := range []string{
			`parseInt X`, `parseBool X`, `parseFloat X`, `parseUint X`, `parseJSON X`, `parseYAML (printf "%v: [" X)`, `base64Decode X`, `base64URLDecode X`,
			`regexMatch (printf "(%v" X) "x"`, `regexReplaceAll (printf "[%v" X) "x" "y"`, `indent X "x"`, `loop X`, `add 1 X`, `divide X 1`,
			`range X }}{{ end`, `range $i, $j := X }}{{ range $j }}{{ end }}{{ end`, `index X X`, `eq X 5`, `eq X X`, `lt X 5`, `len X 1`, `slice X 100`, `call X`, `X.nope.nope`, `template X`,
			`executeTemplate X`, `executeTemplate (printf "%v" X)`, `toTOML X`, `toUpper X X`, `contains nil X`, `explodeMap X`, `mergeMap X 5`,
			`sprig_fail X`, `sprig_fail (printf "no %v" X)`, `sprig_mustFromJson (printf "%v{" X)`, `sprig_regexFind (printf "(%v" X) "x"`, `sprig_mustRegexFind (printf "(%v" X) "x"`,
			`sprig_semver (printf "%v" X)`, `sprig_mustToDate "2006" (printf "%v" X)`, `sprig_urlParse (printf "http://[%v" X)`, `sprig_decryptAES "k" (printf "%v" X)`, `sprig_mustAppend X 1`, `sprig_dig "pw" "x" "y" X`, `sprig_genPrivateKey (printf "%v" X)`,
			`sprig_buildCustomCert (printf "%v" X) "x"`, `sockaddr (printf "%v" X)`, `timestamp X X`, `writeToFile "f" "" "" (printf "%v" X) "c"`, `writeToFile X`, `file X X`, `secret X (printf "%v" X)`,
			`scratch.MapSet X X X`, `scratch.Set "a" X }}{{ scratch.MapSet "a" "b" 1`, `plugin "fail" (printf "%v" X)`, `mustEnv (print X)`, `printf X X | parseInt`, `html X | parseInt`, `toJSON X | parseInt`,
			`internalTick X`, `.Data.map X`, `print X | index nil`,
		} {
			text := `{{ with secret "kv" }}{{ ` + strings.ReplaceAll(call, "X", use) + ` }}{{ end }}`
			_, err := executeFor(text)
			if err == nil {
				continue
			}
			if msg := strings.ToLower(err.Error()); strings.Contains(msg, "canary-") || strings.Contains(msg, "y2fuyxj5") {
				t.Errorf("%s\n%v", text, err)
			}
		}
	}
}

func executeFor(text string) (Result, error) {
	tm, err := Parse(Spec{
		Name: "t", Text: text, MaxOutput: 1 << 16, MaxDuration: 2 * time.Second,
		Env: func(string) (string, bool) { return "canary-env", true },
		Plugin: func(name string, args []string) (string, error) {
			if name == "fail" {
				return "", &vault.Error{Op: "run " + strings.Join(args, " ")}
			}
			return "canary-plugin", nil
		},
	})
	if err != nil {
		return Result{}, err
	}
	return tm.Execute(secretive{})
}

// The words of a library are shown where nothing secret was seen, and left out
// elsewhere.
func TestLibrariesWords(t *testing.T) {
	for _, c := range []struct{ text, want, not string }{
		{`{{ regexMatch "(" "x" }}`, "missing closing )", ""},
		{`{{ with secret "kv" }}{{ regexMatch "(" "x" }}{{ end }}`, "not valid", "missing"},
		{`{{ sprig_mustRegexFind "(" "x" }}`, "missing closing )", ""},
		{`{{ with secret "kv" }}{{ sprig_mustRegexFind "(" "x" }}{{ end }}`, "error calling sprig_mustRegexFind", "missing"},
		{`{{ with secret "kv" }}{{ sprig_fail "no user in kv" }}{{ end }}`, "no user in kv", "own words"},
	} {
		_, err := executeFor(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.not != "" && strings.Contains(err.Error(), c.not) {
			t.Errorf("%s: %v, want %q, not %q", c.text, err, c.want, c.not)
		}
	}
}

func FuzzExecute(f *testing.F) {
	f.Add(seedTemplate)
	for _, s := range []string{
		`{{ range loop 3 }}{{ . }}{{ end }}`, `{{ define "a" }}{{ template "a" . }}{{ end }}{{ executeTemplate "a" 1 }}`,
		`{{ with secret "x" }}{{ .Data.pw | parseInt }}{{ end }}`, `{{ scratch.MapSet "a" "b" 1 }}{{ range scratch.MapValues "a" }}{{ break }}{{ end }}`,
		`{{ file "f" | sprig_b64enc | toTOML }}`, `{{ sprig_repeat 3 (printf "%9999d" 1) | writeToFile "f" "" "" "0644" "append" }}`,
		`{{ (pkiCert "p" "a=b").Data.CAChain | toYAML | parseYAML }}`, `{{ mergeMap (secret "x").Data.map (sprig_dict "a" 1) | explodeMap | toJSON }}`,
		`{{ block "b" 1 }}{{ range $i, $e := . }}{{ continue }}{{ end }}{{ end }}`, `{{ add 1 (minimum 2 3.5) | divide 0 }}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, slow := range []string{"sprig_gen", "sprig_derivePassword", "sprig_bcrypt", "sprig_htpasswd", "sprig_buildCustomCert", "sockaddr"} {
			if strings.Contains(text, slow) {
				return // not ours, and slow by nature
			}
		}
		if _, err := executeFor(text); err != nil && strings.Contains(err.Error(), "canary-") && !strings.Contains(text, "canary") {
			t.Errorf("a secret in an error: %v", err)
		}
	})
}
