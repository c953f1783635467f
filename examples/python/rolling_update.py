# SPDX-License-Identifier: Apache-2.0
"""Sets a variable of the environment of a service, one task after the other, and goes back if the
new tasks fail.

rolling_update SERVICE NAME=VALUE
"""

import sys

from google.protobuf.duration_pb2 import Duration

import skep
from skep import v1


def update(service: str, name: str, value: str) -> None:
    """Sets it, and waits until all tasks have it."""

    def change(spec: v1.ServiceSpec) -> None:
        # If someone else changes the service meanwhile, this runs again on what they wrote.
        spec.update.parallelism = 1
        spec.update.monitor.CopyFrom(Duration(seconds=2))
        spec.update.on_failure = v1.UpdatePolicy.ON_FAILURE_ROLLBACK
        workload = spec.template.WhichOneof("workload")
        program = spec.template.container if workload == "container" else spec.template.process
        program.env[name] = value

    with skep.connect() as client:
        edited = client.edit_service(service, change)
        if not edited.changed:
            print(f"{service} has that already")
            return
        client.wait_converged(edited.object, timeout=600)
        print(f"{service} is updated")


def main() -> None:
    """Reads the arguments, and tells how it ended."""
    if len(sys.argv) != 3 or "=" not in sys.argv[2]:
        print("usage: rolling_update SERVICE NAME=VALUE", file=sys.stderr)
        sys.exit(2)
    name, _, value = sys.argv[2].partition("=")
    try:
        update(sys.argv[1], name, value)
    except skep.Error as error:
        if error.reason == "ROLLED_BACK":
            sys.exit(f"Error: the tasks failed and are what they were before: {error}")
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
