// SPDX-License-Identifier: Apache-2.0

// Shows every change to every task until Ctrl-C, over restarts of the daemon.
//
//	watch_tasks [SERVICE]...
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"skep.dev/skep/sdk/go"
	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := watch(ctx, os.Args[1:])
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func watch(ctx context.Context, services []string) error {
	client, err := skep.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()

	var running skep.View[*skepv1.Task]
	filter := &skepv1.TaskFilter{
		Services: services,
		States:   []skepv1.TaskState{skepv1.TaskState_TASK_STATE_RUNNING},
	}
	for event, err := range client.WatchTasks(ctx, filter) {
		if err != nil {
			return err
		}
		running.Apply(event)
		switch event.Type {
		case skep.Reset:
			fmt.Printf("%d tasks run\n", len(event.Objects))
		case skep.Progress:
			// The view is now what the swarm was at this revision.
		default:
			task := event.Object
			fmt.Printf("%s %s on %s: %s; %d run\n", event.Type, task.GetName(),
				task.GetNode().GetName(), task.GetStatus().GetState(), len(running.Objects))
		}
	}
	return nil
}
