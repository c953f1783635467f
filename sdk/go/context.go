// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// socketPathMaxBytes is the longest path that fits into a Unix socket address on Linux.
	socketPathMaxBytes = 107
	// rootSocket is the socket of a daemon that runs as root.
	rootSocket = "unix:///run/skep/skep.sock"
	// defaultContext is the context that is always there: this machine's sockets.
	defaultContext = "default"
)

// configFile is ~/.config/skep/config.json.
type configFile struct {
	Current  string `json:"current"`
	Contexts map[string]struct {
		Hosts []string `json:"hosts"`
	} `json:"contexts"`
}

// address is a host, and where it is dialed.
type address struct {
	host string
	// network is unix or tcp, and at the path of the socket or host:port.
	network, at string
}

// addresses are those to try, first choice first. An empty host or context is none.
func addresses(host, context string, isRoot bool) ([]address, error) {
	hosts, err := choose(host, context, isRoot)
	if err != nil {
		return nil, err
	}
	var parsed []address
	for _, host := range hosts {
		at, err := parse(host)
		if err != nil {
			return nil, misuse("bad host %q: %v", host, err)
		}
		parsed = append(parsed, at)
	}
	return parsed, nil
}

func choose(host, context string, isRoot bool) ([]string, error) {
	if host == "" && context == "" {
		host = os.Getenv("SKEP_HOST")
	}
	if host != "" {
		return []string{host}, nil
	}
	config, err := readConfig()
	if err != nil {
		return nil, err
	}
	name := cmp.Or(context, os.Getenv("SKEP_CONTEXT"), config.Current, defaultContext)
	if name == defaultContext {
		return sockets(isRoot), nil
	}
	found, known := config.Contexts[name]
	if !known {
		names := strings.Join(slices.Sorted(maps.Keys(config.Contexts)), ", ")
		return nil, misuse("there is no context %q in the configuration; there is: %s", name, names)
	}
	if len(found.Hosts) == 0 {
		return nil, misuse("the context %q of the configuration has no hosts", name)
	}
	return found.Hosts, nil
}

// readConfig reads the file of this user; without one there is nothing in it.
func readConfig() (config configFile, err error) {
	folder := os.Getenv("XDG_CONFIG_HOME")
	if home := os.Getenv("HOME"); folder == "" && home != "" {
		folder = filepath.Join(home, ".config")
	}
	if folder == "" {
		return config, nil
	}
	path := filepath.Join(folder, "skep", "config.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return config, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		return config, misuse("cannot read %s: %v", path, rootCause(err))
	}
	return config, nil
}

// sockets are the user's own socket, then root's.
func sockets(isRoot bool) []string {
	run, home := os.Getenv("XDG_RUNTIME_DIR"), os.Getenv("HOME")
	switch {
	case !isRoot && run != "":
		return []string{"unix://" + run + "/skep/skep.sock", rootSocket}
	case !isRoot && home != "":
		return []string{"unix://" + home + "/.local/share/skep/skep.sock", rootSocket}
	}
	return []string{rootSocket}
}

// parse reads a host, or says what is wrong with it and how to write it.
func parse(host string) (address, error) {
	scheme, rest, _ := strings.Cut(host, "://")
	switch {
	case strings.HasPrefix(host, "/"):
		return address{}, fmt.Errorf("write unix://%s", host)
	case scheme == "unix" && len(rest) > socketPathMaxBytes:
		return address{}, fmt.Errorf("the path is %d bytes long, over the %d that the system allows; "+
			"start the daemon with a shorter --socket, below /run or /tmp", len(rest), socketPathMaxBytes)
	case scheme == "unix" && strings.HasPrefix(rest, "/"):
		return address{host: host, network: "unix", at: rest}, nil
	case scheme == "unix":
		return address{}, errors.New("the path of a socket must be absolute: unix:///run/skep/skep.sock")
	case scheme == "http" && strings.Trim(rest, "/") == "":
		return address{}, errors.New("the address is missing: http://127.0.0.1:2378")
	case scheme == "http":
		return parseHTTP(host)
	case scheme == "https":
		return address{}, errors.New("TLS is not there yet; use unix:///path or, for a dev address, http://")
	case scheme == "tcp":
		return address{}, fmt.Errorf("write http://%s for a dev address", rest)
	}
	return address{}, errors.New("expected unix:///path/to/skep.sock or http://host:port")
}

func parseHTTP(host string) (address, error) {
	wrong := errors.New("expected http://host:port")
	target, err := url.Parse(strings.TrimRight(host, "/"))
	if err != nil || target.Hostname() == "" || *target != (url.URL{Scheme: "http", Host: target.Host}) {
		return address{}, wrong
	}
	if _, err := net.LookupPort("tcp", target.Port()); err != nil {
		return address{}, wrong
	}
	at := net.JoinHostPort(target.Hostname(), cmp.Or(target.Port(), "80"))
	return address{host: host, network: "tcp", at: at}, nil
}
