// SPDX-License-Identifier: Apache-2.0

// Sets a variable of the environment of a service, one task after the other, and goes back if
// the new tasks fail.
//
//	rolling_update SERVICE NAME=VALUE
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"skep.dev/skep/sdk/go"
	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 3 || !strings.Contains(os.Args[2], "=") {
		fmt.Fprintln(os.Stderr, "usage: rolling_update SERVICE NAME=VALUE")
		os.Exit(2)
	}
	name, value, _ := strings.Cut(os.Args[2], "=")
	if err := update(ctx, os.Args[1], name, value); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func update(ctx context.Context, service, name, value string) error {
	client, err := skep.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()

	// If someone else changes the service meanwhile, this runs again on what they wrote.
	edited, err := client.EditService(ctx, service, func(spec *skepv1.ServiceSpec) {
		if spec.Update == nil {
			spec.Update = &skepv1.UpdatePolicy{}
		}
		spec.Update.Parallelism = proto.Uint32(1)
		spec.Update.Monitor = durationpb.New(2 * time.Second)
		spec.Update.OnFailure = skepv1.UpdatePolicy_ON_FAILURE_ROLLBACK
		setEnv(spec.GetTemplate(), name, value)
	})
	if err != nil {
		return err
	}
	if !edited.Changed {
		fmt.Printf("%s has that already\n", service)
		return nil
	}
	patience, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	_, err = client.WaitConverged(patience, edited.Object)
	if skep.IsReason(err, "ROLLED_BACK") {
		return fmt.Errorf("the tasks failed and are what they were before: %w", err)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s is updated\n", service)
	return nil
}

func setEnv(template *skepv1.TaskTemplate, name, value string) {
	switch workload := template.GetWorkload().(type) {
	case *skepv1.TaskTemplate_Container:
		workload.Container.Env = with(workload.Container.GetEnv(), name, value)
	case *skepv1.TaskTemplate_Process:
		workload.Process.Env = with(workload.Process.GetEnv(), name, value)
	}
}

func with(env map[string]string, name, value string) map[string]string {
	if env == nil {
		env = make(map[string]string)
	}
	env[name] = value
	return env
}
