// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// chosen are the hosts that are chosen with these variables, of those that count.
func chosen(t *testing.T, host, context string, isRoot bool, vars map[string]string) ([]string, error) {
	t.Helper()
	for _, name := range []string{"SKEP_HOST", "SKEP_CONTEXT", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME"} {
		t.Setenv(name, vars[name])
	}
	found, err := addresses(host, context, isRoot)
	var hosts []string
	for _, to := range found {
		hosts = append(hosts, to.host)
	}
	return hosts, err
}

// config is a folder with a configuration file in it.
func config(t *testing.T, text string) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "skep"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "skep", "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestTheUsersOwnSocketComesBeforeRoots(t *testing.T) {
	home := map[string]string{"HOME": "/h"}
	both := map[string]string{"HOME": "/h", "XDG_RUNTIME_DIR": "/run/user/7"}
	for _, test := range []struct {
		isRoot bool
		vars   map[string]string
		want   []string
	}{
		{false, home, []string{"unix:///h/.local/share/skep/skep.sock", rootSocket}},
		{false, both, []string{"unix:///run/user/7/skep/skep.sock", rootSocket}},
		{true, both, []string{rootSocket}},
		{false, nil, []string{rootSocket}},
	} {
		if got, err := chosen(t, "", "", test.isRoot, test.vars); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%v: %q, %v", test.vars, got, err)
		}
	}
}

func TestTheCallerBeatsTheEnvironmentAndThatTheFile(t *testing.T) {
	folder := config(t, `{"current": "prod", "contexts": {
		"prod": {"hosts": ["http://10.0.0.1:2378", "http://10.0.0.2:2378"]},
		"test": {"hosts": ["unix:///tmp/t.sock"]}}}`)
	prod := []string{"http://10.0.0.1:2378", "http://10.0.0.2:2378"}
	vars := map[string]string{"XDG_CONFIG_HOME": folder}
	expect := func(host, context string, want []string) {
		t.Helper()
		if got, err := chosen(t, host, context, true, vars); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v", got, err)
		}
	}
	expect("", "", prod)
	vars["SKEP_CONTEXT"] = "test"
	expect("", "", []string{"unix:///tmp/t.sock"})
	vars["SKEP_HOST"] = "http://h:1"
	expect("", "", []string{"http://h:1"})
	expect("", "prod", prod)
	expect("unix:///x", "prod", []string{"unix:///x"})
	expect("", "default", []string{rootSocket})
}

func TestABadConfigurationIsSaidWithItsPath(t *testing.T) {
	folder := config(t, "{")
	_, err := chosen(t, "", "", true, map[string]string{"XDG_CONFIG_HOME": folder})
	if want := "cannot read " + folder + "/skep/config.json: unexpected end of JSON input"; err == nil || err.Error() != want {
		t.Error(err)
	}
	folder = config(t, `{"contexts": {"prod": {"hosts": ["tcp://h:2377"]}, "none": {}}}`)
	for name, want := range map[string]string{
		"pord": `there is no context "pord" in the configuration; there is: none, prod`,
		"none": `the context "none" of the configuration has no hosts`,
		"prod": `bad host "tcp://h:2377": write http://h:2377 for a dev address`,
	} {
		_, err := chosen(t, "", name, true, map[string]string{"XDG_CONFIG_HOME": folder})
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHostsAreCheckedBeforeTheyAreTried(t *testing.T) {
	long := "unix:///" + strings.Repeat("x", 107)
	for host, want := range map[string]string{
		long:                 "is 108 bytes long, over the 107",
		long[:len(long)-1]:   "",
		"/run/skep.sock":     "write unix:///run/skep.sock",
		"unix://run/skep":    "must be absolute",
		"https://h:2377":     "TLS is not there yet",
		"http://":            "the address is missing",
		"http://:2378":       "expected http://host:port",
		"http://h:port":      "expected http://host:port",
		"http://h:99999":     "expected http://host:port",
		"http://h:1/path":    "expected http://host:port",
		"http://h:1?query":   "expected http://host:port",
		"http://h:1#part":    "expected http://host:port",
		"http://user@h:1":    "expected http://host:port",
		"http://h:":          "",
		"localhost:2378":     "expected unix:///path",
		"http://[::1]:2378/": "",
	} {
		_, err := parse(host)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", host, err)
		}
	}
}
