# SPDX-License-Identifier: Apache-2.0
"""Runs a service, waits until it is up, shows its tasks and removes it."""

import sys

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
            client.services.DeleteService(v1.DeleteServiceRequest(service=created.meta.id))


if __name__ == "__main__":
    try:
        main()
    except skep.Error as error:
        sys.exit(f"Error: {error}")
