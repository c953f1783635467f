# SPDX-License-Identifier: Apache-2.0
"""skep for Python: the generated client of the API and the five things that every SDK of skep adds
to it.

1. **Connect**: `connect` finds the daemon.
2. **Calls**: `Client.services` and its siblings are the generated stubs. Every call gets a
   deadline, every change a `request_id`, and what failed with UNAVAILABLE is repeated.
3. **Watch**: `Client.watch_tasks` and its siblings yield events and resume by themselves.
4. **Wait**: `Client.wait_converged` ends when a service is as wanted and stays so, or cannot be.
5. **Edit**: `Client.edit_service` changes what a function changes and nothing else.

Messages are the generated ones of `skep.v1`; there is no second model. `skep.aio` is the same for
asyncio. What fails raises `Error`.

    import skep
    from skep import v1

    with skep.connect() as client:
        for event in client.watch_tasks(v1.TaskFilter(services=["web"])):
            match event:
                case skep.Changed(task):
                    print(task.name, v1.TaskState.Name(task.status.state))
"""

from skep.client import Client, Watch, connect
from skep.edit import Edited
from skep.errors import Code, Error, Violation
from skep.watch import Added, Changed, Deleted, Event, Left, Progress, Reset, View

__all__ = [
    "Added",
    "Changed",
    "Client",
    "Code",
    "Deleted",
    "Edited",
    "Error",
    "Event",
    "Left",
    "Progress",
    "Reset",
    "View",
    "Violation",
    "Watch",
    "connect",
]
