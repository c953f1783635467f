// SPDX-License-Identifier: Apache-2.0

package skep_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"skep.dev/skep/sdk/go"
	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// What README.md shows, so that it compiles.

func connect(ctx context.Context) error {
	client, err := skep.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	return use(ctx, client)
}

func use(ctx context.Context, client *skep.Client) error {
	created, err := client.Services.CreateService(ctx, &skepv1.CreateServiceRequest{
		Spec: &skepv1.ServiceSpec{
			Name: "web",
			Template: &skepv1.TaskTemplate{
				Workload: &skepv1.TaskTemplate_Process{
					Process: &skepv1.Process{Command: []string{"/bin/sleep", "600"}},
				},
			},
		},
	})
	if err != nil {
		return tell(err)
	}
	patience, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	service, err := client.WaitConverged(patience, created.GetService())
	if err != nil {
		return err
	}
	fmt.Println(service.GetSpec().GetName())
	edited, err := client.EditService(ctx, "web", func(spec *skepv1.ServiceSpec) {
		spec.GetReplicated().Replicas = proto.Uint32(3)
	})
	if err != nil || !edited.Changed {
		return err
	}
	return watch(ctx, client)
}

func watch(ctx context.Context, client *skep.Client) error {
	var running skep.View[*skepv1.Task]
	filter := &skepv1.TaskFilter{
		Services: []string{"web"},
		States:   []skepv1.TaskState{skepv1.TaskState_TASK_STATE_RUNNING},
	}
	for event, err := range client.WatchTasks(ctx, filter) {
		if err != nil {
			return err
		}
		running.Apply(event)
		if event.Type == skep.Progress {
			fmt.Printf("revision %d: %d tasks run\n", running.Revision, len(running.Objects))
		}
	}
	return nil
}

func tell(err error) error {
	var failure *skep.Error
	switch {
	case skep.IsReason(err, "NAME_TAKEN"):
		fmt.Println("there is one already")
	case errors.As(err, &failure):
		fmt.Println(failure.Code, failure.Reason, failure.Metadata)
		for _, bad := range failure.Violations {
			fmt.Println(bad.Field, bad.Description)
		}
	}
	return err
}

var _ = connect

func TestSnippetsOfTheReadmeCompile(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	indentation := regexp.MustCompile(`(?m)^\t+`)
	program := indentation.ReplaceAllString(string(code), "")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 7 {
		t.Errorf("README.md has only %d blocks of code", len(blocks))
	}
	for _, block := range blocks {
		snippet := indentation.ReplaceAllString(block[1], "")
		// The imports of the page are among those of this file.
		snippet = strings.TrimSuffix(strings.TrimPrefix(snippet, "import (\n"), ")\n")
		if !strings.Contains(program, snippet) {
			t.Errorf("README.md shows what is not in example_test.go:\n%s", block[1])
		}
	}
}
