// SPDX-License-Identifier: Apache-2.0

// The conformance driver of the SDK for Go: it does what the lines on its standard input ask for,
// by the public surface of the SDK alone, and answers each with a line on its standard output.
//
// SKEP_DRIVER_FAULT plants a fault, which the scenarios have to find: see fault.go.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/code"

	"skep.dev/skep/sdk/go"
)

// request is a line of standard input. Which fields it has depends on Op.
type request struct {
	ID           int64                      `json:"id"`
	Op           string                     `json:"op"`
	Host         string                     `json:"host"`
	Method       string                     `json:"method"`
	Request      json.RawMessage            `json:"request"`
	Max          int                        `json:"max"`
	TimeoutMs    int64                      `json:"timeout_ms"`
	Watch        string                     `json:"watch"`
	Kind         string                     `json:"kind"`
	Filter       json.RawMessage            `json:"filter"`
	FromRevision json.Number                `json:"from_revision"`
	Service      string                     `json:"service"`
	StableForMs  *int64                     `json:"stable_for_ms"`
	Name         string                     `json:"name"`
	Set          map[string]json.RawMessage `json:"set"`
}

// failure is an error as the runner reads it.
type failure struct {
	Code       string            `json:"code"`
	Reason     string            `json:"reason"`
	Message    string            `json:"message"`
	Metadata   map[string]string `json:"metadata"`
	Violations []violation       `json:"violations"`
}

type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// fields are the members of a JSON object.
type fields map[string]any

func main() {
	d := driver{fault: os.Getenv("SKEP_DRIVER_FAULT"), watches: map[string]*following{}}
	var running sync.WaitGroup
	lines := bufio.NewScanner(os.Stdin)
	// A request of the API is at most 4 MiB.
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		asked := request{FromRevision: "0"}
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, "driver:", err)
			os.Exit(2)
		}
		// What comes after these has to find what they made.
		if asked.Op == "connect" || asked.Op == "watch_open" {
			d.serve(asked)
			continue
		}
		running.Go(func() { d.serve(asked) })
	}
	running.Wait()
}

// serve does what is asked and answers.
func (d *driver) serve(asked request) {
	answer, err := d.do(context.Background(), asked)
	line := fields{"id": asked.ID}
	if err != nil {
		line["error"] = tell(err)
	} else {
		if answer == nil {
			answer = fields{}
		}
		line["ok"] = answer
	}
	text, err := json.Marshal(line)
	if err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		os.Exit(2)
	}
	d.writing.Lock()
	defer d.writing.Unlock()
	_, _ = os.Stdout.Write(append(text, '\n'))
}

// tell says what an error of the SDK says.
func tell(err error) failure {
	told := failure{
		Code: "UNKNOWN", Message: err.Error(), Metadata: map[string]string{}, Violations: []violation{},
	}
	var of *skep.Error
	if !errors.As(err, &of) {
		return told
	}
	told.Code, told.Reason, told.Message = code.Code(of.Code).String(), of.Reason, of.Message
	if of.Metadata != nil {
		told.Metadata = of.Metadata
	}
	for _, bad := range of.Violations {
		told.Violations = append(told.Violations, violation{bad.Field, bad.Description})
	}
	return told
}
