// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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

// choice is what decides where to connect to.
type choice struct {
	host, context string
	isRoot        bool
	// env reads a variable of the environment; empty: not set.
	env func(string) string
}

// hosts are the addresses to try, first choice first.
func (c choice) hosts() ([]string, error) {
	host := c.host
	if host == "" && c.context == "" {
		host = c.env("SKEP_HOST")
	}
	if host != "" {
		return checked([]string{host})
	}
	config, err := c.readConfig()
	if err != nil {
		return nil, err
	}
	name := firstOf(c.context, c.env("SKEP_CONTEXT"), config.Current, defaultContext)
	if name == defaultContext {
		return checked(c.sockets())
	}
	found, known := config.Contexts[name]
	if !known {
		names := strings.Join(slices.Sorted(maps.Keys(config.Contexts)), ", ")
		return nil, misuse("there is no context %q in the configuration; there is: %s", name, names)
	}
	if len(found.Hosts) == 0 {
		return nil, misuse("the context %q of the configuration has no hosts", name)
	}
	return checked(found.Hosts)
}

// readConfig reads the file of this user; without one there is nothing in it.
func (c choice) readConfig() (config configFile, err error) {
	folder := c.env("XDG_CONFIG_HOME")
	if home := c.env("HOME"); folder == "" && home != "" {
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
	var why *fs.PathError
	if errors.As(err, &why) {
		err = why.Err
	} else if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		return config, misuse("cannot read %s: %v", path, err)
	}
	return config, nil
}

// sockets are the user's own socket, then root's.
func (c choice) sockets() []string {
	if c.isRoot {
		return []string{rootSocket}
	}
	if folder := c.env("XDG_RUNTIME_DIR"); folder != "" {
		return []string{"unix://" + folder + "/skep/skep.sock", rootSocket}
	}
	if home := c.env("HOME"); home != "" {
		return []string{"unix://" + home + "/.local/share/skep/skep.sock", rootSocket}
	}
	return []string{rootSocket}
}

// checked gives the hosts if each can be one.
func checked(hosts []string) ([]string, error) {
	for _, host := range hosts {
		if _, err := parse(host); err != nil {
			return nil, misuse("bad host %q: %v", host, err)
		}
	}
	return hosts, nil
}

// address is where a host is dialed.
type address struct {
	// network is unix or tcp, and at the path of the socket or host:port.
	network, at string
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
		return address{network: "unix", at: rest}, nil
	case scheme == "unix":
		return address{}, errors.New("the path of a socket must be absolute: unix:///run/skep/skep.sock")
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
	target, err := url.Parse(host)
	if err != nil {
		var why *url.Error
		if errors.As(err, &why) {
			err = why.Err
		}
		return address{}, err
	}
	if target.Hostname() == "" {
		return address{}, errors.New("the address is missing: http://127.0.0.1:2378")
	}
	if target.Port() == "" {
		return address{network: "tcp", at: target.Host + ":80"}, nil
	}
	return address{network: "tcp", at: target.Host}, nil
}

// firstOf is the first text that is not empty.
func firstOf(texts ...string) string {
	found := slices.IndexFunc(texts, func(text string) bool { return text != "" })
	return texts[found]
}
