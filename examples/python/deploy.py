# SPDX-License-Identifier: Apache-2.0
"""Makes the service of a file what the file says, and waits until it is so.

deploy SPEC.json     the proto JSON of a skep.v1.ServiceSpec
"""

import sys
from pathlib import Path

from google.protobuf import json_format

import skep
from skep import v1


def deploy(file: str) -> None:
    """Makes it so."""
    spec = json_format.Parse(Path(file).read_text(encoding="utf-8"), v1.ServiceSpec())
    with skep.connect() as client:
        # Creates the service, changes it, or does nothing if it is as wanted already.
        request = v1.UpdateServiceRequest(spec=spec, allow_missing=True)
        answer = client.services.UpdateService(request)
        service = client.wait_converged(answer.service, timeout=600)
        status = service.status
        print(f"{spec.name}: {status.running_tasks} of {status.desired_tasks} tasks run")


def main() -> None:
    """Reads the arguments, and tells how it ended."""
    if len(sys.argv) != 2:
        print("usage: deploy SPEC.json", file=sys.stderr)
        sys.exit(2)
    try:
        deploy(sys.argv[1])
    except skep.Error as error:
        if error.reason == "UNPLACED":
            sys.exit(f"Error: {error}\nThe tasks start when a node fits")
        if error.metadata.get("condition") == "STALLED":
            sys.exit(f"Error: {error.reason}: {error}")
        sys.exit(f"Error: {error}")
    except (OSError, json_format.ParseError) as error:
        sys.exit(f"Error: {sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
