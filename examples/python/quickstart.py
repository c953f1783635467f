# SPDX-License-Identifier: Apache-2.0
"""Runs a service, waits until it is up, shows its tasks and removes it."""

import sys

from google.protobuf.duration_pb2 import Duration

import skep
from skep import v1


def main() -> None:
    """Does it all."""
    with skep.connect() as client:
        spec = v1.ServiceSpec(
            name="quickstart-python",
            replicated=v1.Replicated(replicas=2),
            template=v1.TaskTemplate(process=v1.Process(command=["/bin/sleep", "600"])),
        )
        created = client.services.CreateService(v1.CreateServiceRequest(spec=spec)).service
        try:
            service = client.wait_converged(created, timeout=60, stable_for=1)
            print(f"{service.spec.name} runs {service.status.running_tasks} tasks")

            of_it = v1.TaskFilter(services=[service.meta.id])
            listed = client.tasks.ListTasks(v1.ListTasksRequest(filter=of_it))
            for task in listed.tasks:
                state = v1.TaskState.Name(task.status.state)
                print(f"{task.name} on {task.node.name}: {state}")
        finally:
            # What was made is taken away, however this ends.
            remove(client, created.meta.id)


def remove(client: skep.Client, service: str) -> None:
    """Removes it, and waits until it is gone."""
    client.services.DeleteService(v1.DeleteServiceRequest(service=service))
    # Until its tasks have stopped it has the name.
    request = v1.WaitServiceRequest(
        service=service, goal=v1.WaitServiceRequest.GOAL_DELETED, timeout=Duration(seconds=60)
    )
    client.services.WaitService(request)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except skep.Error as error:
        sys.exit(f"Error: {error}")
