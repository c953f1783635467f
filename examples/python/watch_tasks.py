# SPDX-License-Identifier: Apache-2.0
"""Shows every change to every task until Ctrl-C, over restarts of the daemon. With asyncio.

watch_tasks [SERVICE]...
"""

import asyncio
import sys

import skep
import skep.aio
from skep import v1


async def watch(services: list[str]) -> None:
    """Shows the changes."""
    running: skep.View[v1.Task] = skep.View()
    run = v1.TaskFilter(services=services, states=[v1.TASK_STATE_RUNNING])
    async with skep.aio.connect() as client:
        async for event in client.watch_tasks(run):
            running.apply(event)
            match event:
                case skep.Reset(tasks):
                    print(f"{len(tasks)} tasks run", flush=True)
                case skep.Progress():
                    pass  # The view is now what the swarm was at this revision.
                case _:
                    task, kind = event.object, type(event).__name__
                    state = v1.TaskState.Name(task.status.state)
                    what = f"{kind} {task.name} on {task.node.name}: {state}"
                    print(f"{what}; {len(running.objects)} run", flush=True)


def main() -> None:
    """Watches until Ctrl-C."""
    try:
        asyncio.run(watch(sys.argv[1:]))
    except KeyboardInterrupt:
        pass
    except skep.Error as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
